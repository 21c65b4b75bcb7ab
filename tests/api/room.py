"""A control room for tests: the API on real servers in this process, its journal written, workers played by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from orchestrator_api.app import create_app
from orchestrator_api.deps import Services, open_services
from orchestrator_api.keys import keys_of
from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.adapters.postgres.runs import Runs
from pointsman.adapters.redis.event_source import RedisEventSource
from pointsman.adapters.redis.partition import Partition
from pointsman.base.ids import Millis, RunId
from pointsman.execute import Executor, step_with_blobs
from pointsman.ports.event_source import StreamedEvent
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Completed, Failed, Signal
from pointsman.protocol.state import FINAL, RunStatus
from pointsman.protocol.transition import Transition, decode_event
from pointsman.service import Service
from pointsman.settings import Settings
from supervisor.completion import Completion
from tests.support.driven import token
from tests.support.waiting import eventually

in_partitions = pytest.mark.parametrize("partitions", [1, 16], indirect=True, ids=["one", "sixteen"])
"""For a test that is to hold however many partitions there are."""

HELLO = {"name": "hello", "nodes": [{"id": "greet", "type": "function"}]}
CHAIN = {
    "name": "chain",
    "nodes": [{"id": "a", "type": "function"}, {"id": "b", "type": "function"}],
    "edges": [{"from": "a", "to": "b"}],
}


class Room:
    """One API process as its callers see it, and the hands of everybody else."""

    def __init__(self, service: Service, services: Services, app: FastAPI, client: httpx.AsyncClient) -> None:
        self.service = service
        self.services = services
        self.app = app
        self.client = client
        self.writing = asyncio.Event()
        """Cleared, the journal stands still."""
        self.writing.set()

    @property
    def executor(self) -> Executor:
        """What applies signals."""
        return self.services.live.executor

    # Callers ------------------------------------------------------------------------------------------------------

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """GET below `/api/v1`."""
        return await self.client.get(f"/api/v1{path}", **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        """POST below `/api/v1`."""
        return await self.client.post(f"/api/v1{path}", json=json, **options)

    async def start(self, definition: dict[str, Any] = HELLO, **more: Any) -> str:
        """Start a run of a definition; its id."""
        answered = await self.post("/runs", {"definition": definition, **more})
        assert answered.status_code == 201, answered.text
        return str(answered.json()["run_id"])

    async def run(self, run_id: str) -> dict[str, Any]:
        """A run as the API shows it."""
        answered = await self.get(f"/runs/{run_id}")
        assert answered.status_code == 200, answered.text
        return dict(answered.json())

    # Operators ----------------------------------------------------------------------------------------------------

    def partition(self, run_id: str) -> Partition:
        """Where a run lives."""
        return self.services.live.partitions.of(RunId(run_id))

    async def ask(self, run_id: str, *command: Any) -> Any:
        """What Redis answers, where a run lives."""
        return await self.partition(run_id).connection.ask(*command)

    # Workers ------------------------------------------------------------------------------------------------------

    async def complete(self, run_id: str, node: str, value: Any = None, attempt: int = 1) -> Transition:
        """A worker finishes the task of a node."""
        return await self.take(Completed(RunId(run_id), token(node), attempt, inline(value)))

    async def fail(self, run_id: str, node: str, error: str = "boom", attempt: int = 1) -> Transition:
        """A worker cannot finish the task of a node."""
        return await self.take(Failed(RunId(run_id), token(node), attempt, error, "it broke"))

    async def take(self, signal: Signal) -> Transition:
        """Do with a signal what a coordinator does."""
        while True:
            run = await self.executor.load(signal.run_id)
            program = await self.executor.programs.of(run.head)
            now = await self.executor.store.now()
            change = await step_with_blobs(program, run, signal, Millis(now), self.services.blobs)
            if await self.executor.apply(change):
                return change

    # The supervisor -----------------------------------------------------------------------------------------------

    async def journal(self, run_id: str, seq: int) -> None:
        """Wait until the journal has passed an event."""
        assert await self.services.records.watch.wait_until(RunId(run_id), seq, 10)

    async def dump(self) -> Mapping[str, object]:
        """Everything in Redis, once the journal has nothing left to do."""

        async def written() -> bool:
            return await self.services.live.congestion.unwritten() == 0

        await eventually(written)
        return await self.executor.store.dump()

    async def cleaned_up(self, run_id: str) -> None:
        """Wait until a run that ended is in Postgres alone."""

        async def gone() -> bool:
            return not await self.executor.store.load([RunId(run_id)])

        await eventually(gone)

    async def write_journal(self) -> None:
        """Do what supervisors do with events, for ever."""
        async with asyncio.TaskGroup() as writing:
            for partition in self.services.live.partitions.all:
                writing.create_task(self._write_events(partition))

    async def _write_events(self, partition: Partition) -> None:
        records, live = self.services.records, self.services.live
        source, journal = RedisEventSource(partition), PostgresJournal(records.pool)
        completion = Completion(live.store, Runs(records.pool), self.services.metrics, self.services.crasher)
        try:
            while True:
                events = await source.read(500, 1_000)
                await self.writing.wait()
                if events:
                    await journal.append([streamed.event for streamed in events])
                    await completion.settle(await self._ended(events))
                    await source.remove(events)
        finally:
            await source.aclose()

    async def _ended(self, events: Sequence[StreamedEvent]) -> dict[RunId, RunStatus]:
        changes = [decode_event(streamed.event.body) for streamed in events]
        return {change.run_id: change.status for change in changes if change.status in FINAL}


def settings_of(database: str, redis: str, data_dir: Path, **more: Any) -> Settings:
    """The settings of an API on these servers."""
    return Settings(
        database_url=SecretStr(database), redis_url=SecretStr(redis), data_dir=data_dir, **{"port": 0, **more}
    )


@asynccontextmanager
async def room_on(settings: Settings, **client: Any) -> AsyncIterator[Room]:
    """The API in this process, called without a network."""
    service = Service(settings)
    async with open_services(service) as services:
        app = create_app(services, keys_of(settings))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", **client) as caller:
            yield Room(service, services, app, caller)


@asynccontextmanager
async def journalled(room: Room) -> AsyncIterator[Room]:
    """The same, with a journal."""
    writing = asyncio.create_task(room.write_journal())
    try:
        yield room
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
