"""Every error code, with its page: what it means, what happened as a result, what to do.

`docs/reference/errors.md` is rendered from this table; a test holds each code raised in the tree against it. Codes are
for ever: one that is no longer raised is removed, its number never given to another meaning.
"""

from __future__ import annotations

from typing import NamedTuple


class Page(NamedTuple):
    """One error code's page. `http` is the status the API answers with, None where HTTP never sees it."""

    title: str
    meaning: str
    result: str
    remedy: str
    http: int | None = None


CODES: dict[str, Page] = {
    # DEF: reading a definition ---------------------------------------------------------------------------------
    # CMP: compiling it -----------------------------------------------------------------------------------------
    # CEL: expressions ------------------------------------------------------------------------------------------
    # CFG: settings ---------------------------------------------------------------------------------------------
    "CFG001": Page(
        "A setting cannot be used",
        "The value of an environment variable is not of the kind, or not within the bounds, that its setting asks for.",
        "The process did not start.",
        "Correct the value; docs/reference/settings.md has kind, bounds and default of each. Secrets are not shown.",
    ),
    "CFG002": Page(
        "No such setting",
        "An environment variable begins with POINTSMAN_ and is none of our settings: most likely a typing error.",
        "The process did not start, since it would have run without what was asked for.",
        "Use the suggested name, or unset the variable.",
    ),
    "CFG003": Page(
        "Postgres is not named",
        "DATABASE_URL is not set, and the process cannot work without Postgres.",
        "The process did not start.",
        "Set DATABASE_URL, for example to postgresql://user:password@host:5432/database.",
    ),
    "CFG004": Page(
        "Redis is named twice",
        "REDIS_URL and REDIS_HOST or REDIS_PORT are set and name different servers.",
        "The process did not start: runs in the wrong Redis would be worse.",
        "Unset either REDIS_URL or the other two.",
    ),
    "CFG005": Page(
        "Signals are taken over too early",
        "A coordinator's signals are claimed by another after a time that is not longer than the one it has to drain.",
        "The process did not start.",
        "Raise POINTSMAN_COORDINATOR_CLAIM_IDLE_MS or lower POINTSMAN_GRACE_PERIOD_MS.",
    ),
    "CFG006": Page(
        "Runs are reported as stuck too early",
        "A run would be reported as stuck before the signal it waits for could be claimed from a dead coordinator.",
        "The process did not start.",
        "Raise POINTSMAN_SUPERVISOR_STUCK_AFTER_MS or lower POINTSMAN_COORDINATOR_CLAIM_IDLE_MS.",
    ),
    "CFG007": Page(
        "Heartbeats are too rare for the lease",
        "A worker's lease lasts less than two heartbeats.",
        "The process did not start.",
        "Lower POINTSMAN_WORKER_HEARTBEAT_MS or raise POINTSMAN_WORKER_LEASE_MS.",
    ),
    "CFG008": Page(
        "The API would be open to everyone",
        "The API is told to listen on an address that others can reach, and no credentials are set.",
        "The process did not start.",
        "Set POINTSMAN_API_KEYS_FILE or POINTSMAN_API_KEY, or listen on 127.0.0.1.",
    ),
    "CFG009": Page(
        "The file of API keys cannot be read",
        "POINTSMAN_API_KEYS_FILE names a file that does not exist or that this user may not read.",
        "The process did not start.",
        "Create the file, correct the path, or let the user of the process read it.",
    ),
    # SRV: servers ----------------------------------------------------------------------------------------------
    "SRV020": Page(
        "No server program for this machine",
        "An embedded Redis or Postgres was to be started, and none that can be used is installed: the packages that "
        "bring them have none for this Python and platform, and PATH has no redis-server or valkey-server of 6.2 or "
        "later.",
        "Nothing was started.",
        "Install redis-server, or set REDIS_URL and DATABASE_URL to servers you have.",
    ),
    "SRV021": Page(
        "The port is taken",
        "Another process listens on the port that an embedded server was to use.",
        "The server was not started; the other process was left alone.",
        "Stop the other process, or choose another port.",
    ),
    "SRV022": Page(
        "The data directory cannot be written",
        "The directory of an embedded server cannot be created, entered or written, or belongs to another account.",
        "The server was not started.",
        "Give this account the right to write there, or choose another data directory.",
    ),
    "SRV023": Page(
        "The disk is full",
        "The file system of an embedded server's data directory (or a quota, or a limit on file size) has no room for "
        "what the server must be able to write.",
        "The server was not started; what is stored there is unharmed.",
        "Free some space, or choose another data directory.",
    ),
    "SRV024": Page(
        "The data was written by another version",
        "The data directory of an embedded server was written by a version whose data the one at hand cannot read.",
        "The server was not started; the data is unharmed.",
        "Use the version that wrote it, or choose another data directory.",
    ),
    "SRV025": Page(
        "An embedded server ended while it started",
        "The server, or the program that prepares its data directory, ended by itself. The message quotes the last "
        "lines it wrote.",
        "Nothing is left running; the data is as the server left it.",
        "Do what its last lines ask for; the server's whole log is in the file that the message names.",
    ),
    "SRV026": Page(
        "An embedded server does not answer",
        "The server was started and is running, but did not become ready in time.",
        "It was stopped again.",
        "Read its log; start again when the machine is less busy.",
    ),
    "SRV027": Page(
        "The data directory is in use",
        "Another server, of another process or still shutting down, works on this data directory.",
        "This server was not started: two on one directory would destroy the data.",
        "Stop the other one, or choose another data directory.",
    ),
    "SRV028": Page(
        "Postgres cannot be run as root",
        "Postgres refuses to run as root, and this machine has no account `nobody` for it to run as.",
        "The server was not started.",
        "Run the command as another user, or set DATABASE_URL to a server you have.",
    ),
    # SIG: signals set aside ------------------------------------------------------------------------------------
    # RUN: runs -------------------------------------------------------------------------------------------------
    # EDT: edits ------------------------------------------------------------------------------------------------
    # API: HTTP -------------------------------------------------------------------------------------------------
    # WRK: workers ----------------------------------------------------------------------------------------------
}
