"""RunIndex: what is durably known of runs; every one that was ever accepted is in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from pointsman.base.ids import Digest, Millis, RunId
from pointsman.protocol.output import Output
from pointsman.protocol.state import ErrorInfo, Fork, RunHead, RunStatus
from pointsman.protocol.version import PROTOCOL


class NewRun(msgspec.Struct, frozen=True):
    """What a run is accepted with: all that starting it needs, whoever does so in the end."""

    run_id: RunId
    workflow: str
    version: int | None
    """None: the definition came with the request, under no version."""
    definition: Digest
    plan: Digest
    engine: str
    input: Output
    metadata: Any
    created_at: Millis
    tag: str | None = None
    """What it was started by, where that named `version` at the time."""
    forked: Fork | None = None
    """Where its history begins, if that is in another run."""
    tenant: str = ""
    """Who sent it: the name of an API key. Runs that wait are started in turn between tenants."""

    def head(self) -> RunHead:
        """The run as `start` takes it."""
        return RunHead(
            run_id=self.run_id,
            workflow=self.workflow,
            plan=self.plan,
            definition=self.definition,
            engine=self.engine,
            created_at=self.created_at,
            input=self.input,
            metadata=self.metadata,
            protocol=PROTOCOL,
            forked=self.forked,
        )


class RunRow(msgspec.Struct, frozen=True):
    """A run as it is known durably. `seq` is that of the last event that changed the row, not of the last event."""

    run_id: RunId
    workflow: str
    version: int | None
    definition: Digest
    plan: Digest
    engine: str
    status: RunStatus
    revision: int
    seq: int
    input: Output
    output: Output
    error: ErrorInfo | None
    metadata: Any
    created_at: Millis
    started_at: Millis | None
    ended_at: Millis | None
    tag: str | None = None
    """What it was started by."""
    forked: Fork | None = None
    tenant: str = ""


class Request(NamedTuple):
    """A request that names itself: `key` is the client's, unique within `scope`; `digest` the SHA-256 of the rest."""

    scope: str
    key: str
    digest: str


class Acceptance(NamedTuple):
    """What became of a start request.

    accepted: the run is new. repeated: the same request came before, and `run` is the one it made. key_reused: that
    key came with another request. run_exists: that run id is taken, by `run`.
    """

    outcome: Literal["accepted", "repeated", "key_reused", "run_exists"]
    run: RunRow | None = None


class Cursor(NamedTuple):
    """A place in a list of runs: behind this one."""

    created_at: int
    run_id: str


NEWEST = Cursor(2**63 - 1, "")
OLDEST = Cursor(-1, "")


class QuietRun(NamedTuple):
    """A run without recent events, and the seq of its last one."""

    cursor: Cursor
    seq: int


class RunIndex(Protocol):
    """Runs by what can be asked of them."""

    async def accept(self, run: NewRun, request: Request | None = None) -> Acceptance:
        """Write a run down as QUEUED: from now on it will run, whoever dies next.

        Its definition and plan are stored before. With `request`, the same request again is answered with the run that
        the first one made.
        """
        ...

    async def get(self, run: RunId) -> RunRow | None:
        """One run."""
        ...

    async def page(
        self,
        *,
        status: RunStatus | None = None,
        workflow: str | None = None,
        forked_from: RunId | None = None,
        after: Cursor = NEWEST,
        limit: int = 100,
    ) -> list[RunRow]:
        """Runs behind a cursor, newest first."""
        ...

    async def tenants_waiting(self) -> list[str]:
        """The tenants of whom a run is QUEUED."""
        ...

    async def queued(self, tenant: str, limit: int) -> int:
        """How many runs of a tenant are QUEUED, counted up to `limit`."""
        ...

    async def accepted_not_started(
        self,
        older_than: Millis,
        tenant: str,
        *,
        after: Cursor = OLDEST,
        limit: int = 100,
        without: Collection[Digest] = (),
    ) -> list[NewRun]:
        """A tenant's runs accepted at or before `older_than` of which the journal has no event yet, oldest first.

        Runs on the plans `without` are passed over.
        """
        ...

    async def final(self, runs: Sequence[RunId]) -> set[RunId]:
        """Those of `runs` whose row is final."""
        ...

    async def quiet(self, since: Millis, *, after: Cursor = OLDEST, limit: int = 500) -> list[QuietRun]:
        """RUNNING runs whose last event is of `since` or older, oldest run first."""
        ...
