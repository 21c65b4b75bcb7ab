"""Every error code, with its page: what it means, what happened as a result, what to do.

`docs/reference/errors.md` is rendered from this table; a test holds each code raised in the tree against it. Codes are
for ever: one that is no longer raised is removed, its number never given to another meaning.
"""

from __future__ import annotations

from pointsman.base.codes_definition import DEFINITION_PAGES, PATCH_PAGES
from pointsman.base.codes_edit import EDIT_PAGES
from pointsman.base.codes_expressions import EXPRESSION_PAGES
from pointsman.base.codes_http import HTTP_PAGES
from pointsman.base.codes_pattern import LIMIT_PAGES, PATTERN_PAGES
from pointsman.base.page import Page

CODES: dict[str, Page] = {
    # DEF and CMP: reading and compiling a definition ---------------------------------------------------------
    **DEFINITION_PAGES,
    # CEL: expressions ------------------------------------------------------------------------------------------
    **EXPRESSION_PAGES,
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
    "CFG010": Page(
        "The file of API keys has a line that cannot be used",
        "A line of POINTSMAN_API_KEYS_FILE is not a name, a space and the Argon2 hash of a key, or a name comes twice.",
        "The process did not start.",
        "Correct the line; docs/howto/use-the-api.md shows how to make one.",
    ),
    "CFG011": Page(
        "There is no key for edit tokens",
        "The file that POINTSMAN_EDITS_KEY_FILE names holds no key that was made by an API process, or no key can "
        "be kept in the data directory.",
        "The API did not start, or no edit token was issued or taken.",
        "Name a file with the key of another API process, as it writes it to `edit-token.key` in its data "
        "directory, or let this one write there.",
    ),
    "CFG012": Page(
        "No benchmark here",
        "`pointsman bench` was asked for outside a checkout: its workloads are not in the package.",
        "Nothing was started.",
        "Run it in a checkout of Pointsman, or `make bench` there.",
    ),
    # ARC: archived runs ----------------------------------------------------------------------------------------
    "ARC001": Page(
        "Not an archived run",
        "A line of the file is none that `pointsman archive` writes, or one of a later format.",
        "What stands before it was read.",
        "Name a file written by `pointsman archive`, and read it with the release that wrote it.",
    ),
    "ARC002": Page(
        "The archived run is cut short",
        "The file has no last line, or that counts other lines than there are.",
        "What there is was read, and not shown.",
        "Archive the run again while Postgres has it.",
    ),
    "ARC003": Page(
        "No such archived run",
        "The blob store holds no archived run of that id.",
        "Nothing was read.",
        "Correct the id or POINTSMAN_BLOB_URL; `pointsman archive` writes a run there while Postgres has it.",
    ),
    # SRV: servers ----------------------------------------------------------------------------------------------
    "SRV001": Page(
        "Redis cannot be reached",
        "No connection to Redis could be made: it is not running, or the address is another.",
        "Nothing was sent. A running process tries again, at most two seconds apart; one that starts exits.",
        "Start Redis, or correct REDIS_URL, REDIS_HOST or REDIS_PORT.",
    ),
    "SRV002": Page(
        "The connection to Redis was lost",
        "Redis or the network ended a connection while an answer was awaited.",
        "Whether Redis did what it was asked is not known. Asking again is safe: every write is compare-and-set on "
        "the run's tip.",
        "None, if it passes; else look at the server and the network.",
    ),
    "SRV003": Page(
        "Redis refuses us",
        "The password or user is wrong or missing, or the user may not run the commands Pointsman needs.",
        "Nothing was read or written.",
        "Correct REDIS_PASSWORD or REDIS_URL, or widen the user's ACL.",
    ),
    "SRV004": Page(
        "It is not Redis",
        "What listens at the address answers in another protocol.",
        "Nothing was read or written.",
        "Correct REDIS_URL, REDIS_HOST or REDIS_PORT.",
    ),
    "SRV005": Page(
        "Redis is too old",
        "The server is older than 6.2 and lacks commands that Pointsman needs.",
        "The process did not start.",
        "Upgrade Redis to 6.2 or later, or name another server.",
    ),
    "SRV006": Page(
        "Redis is read-only",
        "The server is a replica.",
        "Nothing was written.",
        "Name the primary in REDIS_URL.",
    ),
    "SRV007": Page(
        "Redis would delete runs",
        "The server has a limit on its memory and may delete keys when it reaches it.",
        "The process did not start: parts of running runs would be deleted.",
        "Set `maxmemory-policy noeviction`.",
    ),
    "SRV008": Page(
        "Redis is full",
        "The server has used all the memory it may use.",
        "New work is refused; running work goes on and frees memory as it ends.",
        "Raise `maxmemory`, or wait until runs have ended.",
    ),
    "SRV009": Page(
        "Redis cannot write to disk",
        "The server could not write its append-only file or a snapshot and refuses every change.",
        "Nothing was written; it is tried again.",
        "Read the server's log. Most often its disk is full.",
    ),
    "SRV010": Page(
        "Redis does not answer",
        "The server took a request and has not answered in ten seconds.",
        "The connection was dropped. Whether Redis did what it was asked is not known; asking again is safe.",
        "See what keeps the server busy: `SLOWLOG GET`, its disk, its CPU.",
    ),
    "SRV011": Page(
        "Redis answered with an unknown error",
        "Redis refused a command for a reason that Pointsman does not know.",
        "What was asked was not done.",
        "Report it, with the text of the error.",
    ),
    "SRV012": Page(
        "Redis is not ready",
        "The server is reading its data from disk, is busy with a script, or has lost its primary.",
        "It is tried again.",
        "None, if it passes; else read the server's log.",
    ),
    "SRV013": Page(
        "Redis is a cluster, and there is one partition",
        "The server is a node of a Redis Cluster, and POINTSMAN_PARTITIONS is 1: all keys would be one node's.",
        "The process did not start.",
        "Set POINTSMAN_PARTITIONS, the same for every process; or name a single server in REDIS_URL.",
    ),
    "SRV014": Page(
        "Redis lost state",
        "A stream that Pointsman made is gone: the server was flushed, or started without its data.",
        "Nothing was read or written; it is tried again.",
        "None, if the supervisor restores what was lost from the journal; else find out why Redis lost its data.",
    ),
    "SRV016": Page(
        "Redis is nearly full",
        "Redis uses more than 0.8 of its maxmemory. What is left is for the runs that have begun.",
        "The run was not accepted.",
        "Try again once runs have ended; give Redis more memory, or find out what fills it: the metrics "
        "pointsman_backlog and pointsman_memory_share tell.",
        http=503,
    ),
    "SRV015": Page(
        "Redis is another process than before",
        "Redis was started again or replaced while something was about to be sent to it: it may hold older state.",
        "Nothing was sent.",
        "None: it is tried again once a supervisor has compared Redis with the journal and opened it.",
        503,
    ),
    "SRV017": Page(
        "A partition is served by another node",
        "A Redis Cluster has moved the slot of a partition to another node, or is moving it.",
        "What was asked was not done; the new node is looked for, and asked.",
        "None. A partition that moves stands still until a supervisor has compared it with the journal.",
        503,
    ),
    "SRV018": Page(
        "The Redis Cluster is down",
        "No node of the cluster serves the slot of a partition, or the cluster refuses to serve any.",
        "What was asked was not done; it is tried again. Other partitions may go on.",
        "See `CLUSTER INFO` and `CLUSTER NODES`; bring the node back, or give its slots to others.",
        503,
    ),
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
        "Another process listens on the port that an embedded server, or the API of `pointsman dev`, was to use.",
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
    "SRV040": Page(
        "Postgres cannot be used at the moment",
        "Postgres does not answer, is starting or stopping, has no room, no connections left, or has become read-only.",
        "What was being written is there whole or not at all. Processes try again, with growing pauses; events wait in "
        "Redis meanwhile.",
        "Look after the server; nothing has to be repeated by hand.",
        503,
    ),
    "SRV041": Page(
        "Postgres does not let us in",
        "The user, the password or the database in DATABASE_URL is not one that this Postgres knows.",
        "Nothing was read or written; a process that was starting exited with status 3.",
        "Correct DATABASE_URL, or create the user or database.",
        503,
    ),
    "SRV042": Page(
        "Postgres is too old",
        "The server is of a version before the oldest one that Pointsman works with.",
        "Nothing was read or written; a process that was starting exited with status 3.",
        "Upgrade the server.",
    ),
    "SRV043": Page(
        "The database lacks migrations",
        "The schema of the database is older than this release.",
        "The process did not start and exited with status 3.",
        "Run `pointsman migrate`.",
    ),
    "SRV044": Page(
        "The database is too new for this release",
        "A newer release has taken away from the database what this one uses. One that has only added to it is no "
        "obstacle: processes of two releases work side by side.",
        "Nothing was changed; a process that was starting exited with status 3, one that runs is not ready.",
        "Upgrade this installation.",
    ),
    "SRV045": Page(
        "The database was migrated by something else",
        "A migration that was applied to the database is not the one that this release has under its number.",
        "Nothing was changed; a process that was starting exited with status 3.",
        "Install the release that the database belongs to, or point DATABASE_URL at the right database.",
    ),
    "SRV050": Page(
        "The port cannot be listened on",
        "Another process listens on the port for health and metrics, or the address is none of this machine's.",
        "The process did not start and exited with status 3.",
        "Stop the other process, or choose another port (0 for none) or address.",
    ),
    "SRV070": Page(
        "A process did not start",
        "A process that `pointsman dev` started ended, or the API did not become ready, while everything was starting.",
        "Everything that was started was stopped; the data is unharmed.",
        "See what the process said; it is printed above the error.",
    ),
    "SRV071": Page(
        "The API cannot be reached",
        "The command line, or a worker that edits its run, got no answer from the API: it is not running, or its "
        "address is another.",
        "Nothing is known to have been done. Asking again is safe; a start with --idempotency-key or --run-id too.",
        "Start it with `pointsman dev`, or name it with --api-url or POINTSMAN_API_URL.",
    ),
    "SRV072": Page(
        "It is not our API",
        "What listens at the address answers HTTP, but not as our API does: a proxy, or another service.",
        "What was asked was not done.",
        "Correct --api-url or POINTSMAN_API_URL.",
    ),
    "SRV060": Page(
        "The run would not hold still",
        "The run moved on each time the command was about to be applied.",
        "The command changed nothing.",
        "Try again.",
        503,
    ),
    "SRV061": Page(
        "Redis lost state",
        "Redis was flushed, replaced or restored, and is being recovered; or has been since the request was made.",
        "Everything is refused until recovery is done. Nothing was changed: what Redis had taken, and the journal had "
        "not written yet, is gone.",
        "Wait for recovery and try again.",
        503,
    ),
    "SRV062": Page(
        "The journal lags behind the run",
        "What the edits of a run have used is counted in the journal, which has not passed the newest of them in time.",
        "Nothing was changed.",
        "See that a supervisor is running and can reach Postgres, and send the request again.",
        503,
    ),
    "SRV063": Page(
        "A recovery was overtaken",
        "Redis lost state once more while a supervisor recovered it, or another supervisor has begun to.",
        "What was begun counts for nothing; Redis takes no change until a recovery is done.",
        "None: it is begun again by itself. `pointsman recover` shows how far it has come.",
        503,
    ),
    "SRV064": Page(
        "Redis has lost nothing",
        "A recovery was asked for, and Redis is open and holds what the journal says that it should.",
        "Nothing was done.",
        "If single runs lack something all the same, `pointsman recover --rebuild-all` rebuilds every open run.",
    ),
    "SRV065": Page(
        "There is another number of partitions",
        "POINTSMAN_PARTITIONS is not the number of partitions that the runs in Redis are spread over. It says where "
        "each run is, and must be the same for every process.",
        "A process that was starting exited with status 3; one that runs opens no partition. Nothing was changed.",
        "Set the number that the error names. To change it: stop every process but the supervisors, wait until the "
        'metric pointsman_backlog{stream="wf.events"} is 0, stop those too, FLUSHALL, and start all with the new '
        "number: every run comes back from the journal.",
        503,
    ),
    "SRV030": Page(
        "The blob store cannot be used",
        "The store for outputs above the inline limit does not answer, refuses us, or is full.",
        "Nothing that needs it was done; it is tried again.",
        "Correct POINTSMAN_BLOB_URL, the credentials or the rights, or make room.",
    ),
    "SRV031": Page(
        "A blob is missing",
        "A run refers to an output that the blob store does not hold.",
        "A node that reads the output has failed; an edit that would read it was not made.",
        "Restore the blob, or name the store it was written to in POINTSMAN_BLOB_URL; then redrive the dead letter.",
    ),
    "SRV032": Page(
        "A blob is damaged",
        "A blob holds other bytes than were stored under its name.",
        "It was not used; nothing was changed.",
        "Restore the blob from a backup.",
    ),
    "SRV051": Page(
        "A server was not reached yet",
        "The API has only just started and has not connected to Redis or Postgres so far.",
        "The request was not carried out.",
        "Send it again in a moment; `/readyz` says what is missing.",
        503,
    ),
    "SRV053": Page(
        "The port of the API is taken",
        "Another process listens on the address and port of the API, or the address is not this machine's.",
        "The API was not started and exited with status 3; the other process was left alone.",
        "Stop the other process, or choose another port with PORT.",
    ),
    # SIG: signals set aside ------------------------------------------------------------------------------------
    "SIG001": Page(
        "Not a signal",
        "What was pushed is not the JSON object of the wire contract: a field is missing or of the wrong type.",
        "It became a dead letter with the reason; nothing else changed.",
        "Send what `docs/reference/wire.md` describes; `pointsman dlq list --kind rejected` finds the original.",
    ),
    "SIG002": Page(
        "A signal for nobody",
        "It carries neither a `job_id` nor a `run_id`.",
        "It became a dead letter.",
        "Send the token's `job_id` back unchanged.",
    ),
    "SIG003": Page(
        "A job id that was never handed out",
        "The `job_id` is not one of ours, or names another run than `run_id` does.",
        "The signal became a dead letter.",
        "Send the token's `job_id` back unchanged; it is opaque.",
    ),
    "SIG004": Page(
        "A signal without job id, and no one token it can mean",
        "Only a node with exactly one open token can be named without a job id.",
        "The signal became a dead letter; the run goes on.",
        "Send the token's `job_id`.",
    ),
    "SIG005": Page(
        "A signal for a run that never was",
        "Neither Redis nor Postgres knows the run.",
        "The signal became a dead letter.",
        "Check the run id, and that worker and coordinator use the same servers.",
    ),
    "SIG090": Page(
        "A signal that made the engine fail",
        "Stepping it raised an error nobody foresaw: a bug in Pointsman.",
        "The signal became a dead letter; its run waits.",
        "Report it with the log line `step_failed`. Once repaired, redrive the dead letter.",
    ),
    # RUN: runs -------------------------------------------------------------------------------------------------
    "RUN001": Page(
        "A plan this release cannot read",
        "The run's plan was written by a newer release.",
        "The run was left alone; its signals stay pending.",
        "Let a newer coordinator take them, or upgrade this one.",
        503,
    ),
    "RUN002": Page(
        "A plan that Redis does not hold",
        "The run points at a plan whose key is gone.",
        "Nothing was changed; the run's signals stay pending.",
        "Redis has lost keys: look for evictions (`maxmemory-policy` must be `noeviction`) or deletions by hand.",
        503,
    ),
    "RUN003": Page(
        "No such open run",
        "There is no open run of that id.",
        "Nothing was changed.",
        "List the runs there are: `pointsman runs`.",
        404,
    ),
    "RUN004": Page(
        "The run is final",
        "It has ended; a final run is never changed.",
        "Nothing was changed.",
        "Start a new run.",
        409,
    ),
    "RUN005": Page(
        "No such run",
        "No run of that id was ever accepted, or it was removed POINTSMAN_RETENTION_DAYS after it had ended.",
        "Nothing was changed.",
        "List the runs there are: `pointsman runs`. One that was archived is shown by `pointsman archived`.",
        404,
    ),
    "RUN006": Page(
        "The run is not in Redis yet",
        "The run is accepted and not final, and Redis does not hold it: it is about to be started, or recovered.",
        "The command was not carried out.",
        "Send it again in a moment. If this lasts, see that a supervisor is running.",
        503,
    ),
    "RUN007": Page(
        "A signal for a node the plan lacks",
        "The run's current revision has no such node; a patch may have removed it.",
        "The signal became a dead letter; the run goes on.",
        "None is needed where the patch meant it.",
    ),
    "RUN008": Page(
        "No such revision",
        "The run has had no such revision, or no patch made it: revision 1 is what the run was started with.",
        "Nothing was changed.",
        "List the run's patches; each says which revision it made.",
        404,
    ),
    "RUN009": Page(
        "A run of a newer release",
        "A newer release has started the run, or written the event, in a way that this one would misread.",
        "It was left alone: its signals stay pending, its events stay on their stream.",
        "Let a process of the newer release take it, or upgrade this one.",
        503,
    ),
    "RUN041": Page(
        "Nothing to retry",
        "No node of the run failed for good; or it is open, and none of its tasks is parked.",
        "Nothing was started; the run is as it was.",
        "To do parts of it again all the same, fork it from a node or at an event.",
        409,
    ),
    "RUN042": Page(
        "A node that the run never came to",
        "A fork is to begin at a node, or at one pass of it, and the run's journal has no activation of that.",
        "Nothing was started; the run is as it was.",
        "Look at the run's events, and name a node that was activated, a pass that there was, or an event.",
        409,
    ),
    "RUN043": Page(
        "No such event",
        "A fork is to begin at an event that the journal of the run does not have.",
        "Nothing was started; the run is as it was.",
        "List the run's events: GET /api/v1/runs/{id}/events. What has just happened is there in a moment.",
        404,
    ),
    "RUN045": Page(
        "The run's journal has a gap",
        "An event of the run is missing between others, so what came behind it cannot be rebuilt event by event.",
        "Nothing was changed.",
        "Run `pointsman recover`: in a new epoch the run goes on from the event before the gap.",
        409,
    ),
    "RUN044": Page(
        "A fork that has nothing to do",
        "What the fork would keep of the run's history leads to its end at once: there is no task to hand out.",
        "Nothing was started; the run is as it was.",
        "Fork it at an earlier event, or from a node whose work is to be done again.",
        409,
    ),
    # EDT: edits ------------------------------------------------------------------------------------------------
    **PATCH_PAGES,
    **EDIT_PAGES,
    **PATTERN_PAGES,
    **LIMIT_PAGES,
    # API: HTTP -------------------------------------------------------------------------------------------------
    **HTTP_PAGES,
    # WRK: workers ----------------------------------------------------------------------------------------------
    "WRK001": Page(
        "The module of workers cannot be loaded",
        "The file or module named to `pointsman worker` does not exist, or raised an error while it was imported.",
        "No worker was started.",
        "Correct the name, or the error that the message quotes.",
    ),
    "WRK002": Page(
        "No worker in the module",
        "The module holds no `Worker` at its top level and has no function `workers(settings)`.",
        "No worker was started.",
        "Name the module that declares the worker.",
    ),
    "WRK003": Page(
        "A worker is declared wrongly",
        "The declaration of a worker or of one of its handlers contradicts itself or another one: a handler declared "
        "twice, one without a name beside named ones, two workers of one type, a worker without handlers.",
        "No worker was started.",
        "Change the declaration as the message says.",
    ),
}
