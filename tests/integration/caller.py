"""Who uses the system: over HTTP, with raw Redis commands, and by looking into its journal."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
from redis.exceptions import ResponseError

from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.adapters.redis.keys import COORDINATORS, PUSHED, WORKERS, Keyspace
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.routed import open_store
from pointsman.base.ids import RunId, Tip, partition_of
from pointsman.protocol.signal import Completed
from pointsman.protocol.state import FINAL, Snapshot
from pointsman.protocol.transition import Transition, decode_event
from pointsman.step import fold
from tests.integration.system import System
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

Document = dict[str, Any]
Stream = Callable[[Keyspace], str]
"""A stream of each partition, by what spells its name there."""


class Caller:
    """One user of a system."""

    def __init__(self, system: System, client: httpx.AsyncClient, redis: Any) -> None:
        self.system = system
        self.client = client
        self.redis = redis
        """A client of redis-py that answers in bytes."""
        count = system.redis.partitions
        self.partitions = tuple(Keyspace(number, count) for number in range(count))
        """The names of the keys in each."""
        self._pool: Pool | None = None

    def close(self) -> None:
        """Hang up on Postgres."""
        if self._pool is not None:
            self._pool.terminate()

    # HTTP -----------------------------------------------------------------------------------------------------------

    async def start(self, definition: Document, given: Any = None, run_id: str | None = None) -> str:
        """Start a run; its id."""
        body = {"definition": definition, "input": given, "run_id": run_id or f"run_{uuid4().hex[:12]}"}
        answered = await self.client.post("/api/v1/runs", json=body)
        assert answered.status_code == 201, answered.text
        return str(answered.json()["run_id"])

    async def run(self, run_id: str) -> Document:
        """A run as the API shows it."""
        answered = await self.client.get(f"/api/v1/runs/{run_id}")
        assert answered.status_code == 200, answered.text
        return dict(answered.json())

    async def command(self, run_id: str, verb: str) -> Document:
        """Pause, resume or cancel a run."""
        answered = await self.client.post(f"/api/v1/runs/{run_id}/{verb}")
        assert answered.status_code == 200, answered.text
        return dict(answered.json())

    async def patch(self, run_id: str, *operations: Document) -> Document:
        """Edit a run."""
        headers = {"Content-Type": "application/json-patch+json"}
        content = json.dumps(operations)
        answered = await self.client.patch(f"/api/v1/runs/{run_id}", content=content, headers=headers)
        assert answered.status_code == 200, answered.text
        return dict(answered.json())

    async def ended(self, run_id: str, timeout: float = 20) -> Document:
        """A run, once it has ended and its journal is whole; held to having gone by the rules."""

        async def final() -> Document | None:
            found = await self.run(run_id)
            return found if found["status"] in FINAL and not await self.keys(run_id) else None

        found = await eventually(final, timeout)
        assert_sound(await self.journal(run_id))
        return found

    async def completed(self, run_id: str, timeout: float = 20) -> Any:
        """The output of a run, once it has completed."""
        found = await self.ended(run_id, timeout)
        assert found["status"] == "COMPLETED", found
        return found["output"]

    async def letters(self, **wanted: str) -> list[Document]:
        """Dead letters, the newest first."""
        answered = await self.client.get("/api/v1/dead-letters", params=wanted)
        assert answered.status_code == 200, answered.text
        return list(answered.json()["letters"])

    async def letter(self, letter_id: str) -> Document:
        """A dead letter, the whole story."""
        answered = await self.client.get(f"/api/v1/dead-letters/{letter_id}")
        assert answered.status_code == 200, answered.text
        return dict(answered.json())

    async def letter_of(self, run_id: str) -> Document:
        """The one open dead letter of a run, once there is one; the whole story."""
        (found,) = await eventually(lambda: self.letters(run=run_id, status="open"))
        return await self.letter(found["id"])

    # Raw Redis ------------------------------------------------------------------------------------------------------

    async def take(self, task_type: str, count: int = 1) -> list[Document]:
        """Take tasks as a worker in any language does: with XREADGROUP, and not acknowledging them."""

        async def read() -> list[Document]:
            for keys in self.partitions:
                if len(taken) < count:
                    entries = await self._read_new(keys.tasks(task_type), count - len(taken))
                    taken.extend(json.loads(fields[b"token"]) for fields in entries)
            return taken if len(taken) == count else []

        taken: list[Document] = []
        return await eventually(read)

    async def _read_new(self, stream: str, count: int) -> list[dict[bytes, bytes]]:
        try:
            streams = await self.redis.xreadgroup(WORKERS, "by-hand", {stream: ">"}, count=count)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            return []  # there was never such a task in this partition
        return [fields for _, entries in streams for _, fields in entries]

    async def push(self, signal: Document | str | bytes) -> None:
        """Push a signal as a worker in any language does."""
        body = json.dumps(signal) if isinstance(signal, dict) else signal
        await self.redis.execute_command("RPUSH", PUSHED, body)

    async def complete(self, task: Document, data: Any = None, **more: Any) -> None:
        """Report that a task is done."""
        told = {"version": "1.0", "job_id": task["job_id"], "run_id": task["run_id"], "node_id": task["node_id"]}
        await self.push({**told, "status": "completed", "result_data": data, **more})

    async def fail(self, task: Document, error_type: str) -> None:
        """Report that a task cannot be done."""
        told = {"job_id": task["job_id"], "status": "failed", "metadata": {"error_type": error_type}}
        await self.push(told)

    async def rejected(self, marker: str) -> tuple[str, str]:
        """Code and reason with which the signal that holds `marker` was set aside, once it is a dead letter."""

        async def found() -> tuple[str, str] | None:
            for letter in await self.letters(kind="rejected", limit="500"):
                if marker in (await self.letter(letter["id"]))["signal"]:
                    return letter["code"], letter["message"]
            return None

        return await eventually(found)

    async def keys(self, run_id: str) -> list[str]:
        """The keys that a run has in Redis, the sign that it has ended aside."""
        names = [key.decode() async for key in self.redis.scan_iter(match=f"*{run_id}", count=1_000)]
        return sorted(name for name in names if name != self.keys_of(run_id).tombstone(RunId(run_id)))

    def keys_of(self, run_id: str) -> Keyspace:
        """The names of the keys in the partition of a run."""
        return self.partitions[partition_of(RunId(run_id), len(self.partitions))]

    async def entries(self, stream: Stream) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """What stands on the streams of this kind, of all partitions."""
        return [entry for keys in self.partitions for entry in await self.redis.xrange(stream(keys))]

    async def length(self, stream: Stream) -> int:
        """How much stands on the streams of this kind, of all partitions together."""
        return sum([await self.redis.xlen(stream(keys)) for keys in self.partitions])

    async def unacknowledged(self) -> int:
        """How many signals a coordinator has read, and not yet acted upon."""
        told = [await self.redis.xpending(keys.signals, COORDINATORS) for keys in self.partitions]
        return sum(each["pending"] for each in told)

    async def is_idle(self) -> bool:
        """Whether every signal that was ever pushed has been acted upon."""
        public = self.partitions[0]
        waiting = [await self.redis.llen(public.pushed), await self.redis.llen(public.staging)]
        return not any(waiting) and not await self.length(lambda keys: keys.signals)

    async def has_ended(self, run_id: str) -> bool:
        """Whether Redis holds a run that has ended, and waits for its journal."""
        return bool(await self.redis.hexists(self.keys_of(run_id).state(RunId(run_id))[0], "ended_at"))

    # The record -----------------------------------------------------------------------------------------------------

    async def journal(self, run_id: str) -> list[tuple[Transition, Tip]]:
        """A run's events as they are in Postgres."""
        events = await PostgresJournal(await self.postgres()).events(RunId(run_id), 0, 10_000)
        return [(decode_event(event.body), event.tip) for event in events]

    async def is_journalled(self, run_id: str, seq: int) -> bool:
        """Whether a run's journal has its event of that number."""
        return await PostgresJournal(await self.postgres()).position(RunId(run_id)) >= seq

    async def postgres(self) -> Pool:
        """A connection to look with."""
        if self._pool is None:
            self._pool = await open_pool(self.system.postgres.dsn, name="test", size=1)
        return self._pool

    async def snapshot(self, run_id: str) -> Snapshot | None:
        """A run's state as it is in Redis."""
        partitions = await Partitions.open(self.system.redis.url, len(self.partitions))
        try:
            return (await open_store(partitions).load([RunId(run_id)])).get(RunId(run_id))
        finally:
            await partitions.aclose()


def assert_sound(events: list[tuple[Transition, Tip]]) -> None:
    """A run went by the rules: its events follow each other to its end, and nothing was done twice."""
    # Each event follows the one before, or folding raises.
    final = fold(events)
    assert final.is_final
    assert not final.tokens
    changes = [change for change, _ in events]
    taken = [
        str(change.signal.token or change.signal.node) for change in changes if isinstance(change.signal, Completed)
    ]
    assert sorted(taken) == sorted(set(taken)), "a token was completed twice"
    sent = {
        (token, state.attempt, state.dispatched_at)
        for change in changes
        for token, state in change.opened.items()
        if state.state == "dispatched"
    }
    assert len(sent) == len({(token, attempt) for token, attempt, _ in sent}), "an attempt was handed out twice"
    assert [change.seq for change in changes] == list(range(1, len(changes) + 1))


@asynccontextmanager
async def calling(system: System) -> AsyncIterator[Caller]:
    """A user of a system."""
    async with (
        httpx.AsyncClient(base_url=system.url, timeout=20) as client,
        system.redis.client() as redis,
    ):
        caller = Caller(system, client, redis)
        try:
            yield caller
        finally:
            caller.close()
