"""Who uses the system meanwhile: callers that start runs, and editors that patch them, undeterred by anything."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any, Final, NamedTuple

import httpx

from pointsman.base.ids import RunId
from tests.chaos.definitions import Document, any_definition
from tests.chaos.edits import Edited, any_edit
from tests.chaos.record import Edit
from tests.support.waiting import let_pass

BUG: Final = 500
CLOSED: Final = "RUN004"


class Amount(NamedTuple):
    """How much of everything."""

    runs: int
    starts_per_s: float
    edits_per_s: float
    pauses_per_s: float = 0.0
    least_nodes: int = 10
    longest_ms: int = 100
    """How long a task may take."""


class Load:
    """The runs of one round. What is started and how it is edited follows from the seed, in which order it happens does
    not."""

    def __init__(self, client: httpx.AsyncClient, seed: int, amount: Amount) -> None:
        self._client = client
        self._seed = seed
        self._amount = amount
        self._edited: dict[RunId, Edited] = {}
        self._closed: set[RunId] = set()
        self.edits: list[Edit] = []
        self.failed: list[str] = []
        """Answers that nobody foresaw."""

    @property
    def asked(self) -> list[RunId]:
        """All runs there were to be."""
        return [self._name(number) for number in range(self._amount.runs)]

    @property
    def accepted(self) -> list[RunId]:
        """The runs for which a 201 came."""
        return list(self._edited)

    async def start_all(self) -> None:
        """Start every run, each as often as it takes until somebody says that it is accepted."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._amount.runs):
                group.create_task(self._start(number))

    async def _start(self, number: int) -> None:
        await let_pass(number / self._amount.starts_per_s)
        amount = self._amount
        document = any_definition(
            Random(f"run {self._seed} {number}"), least_nodes=amount.least_nodes, longest_ms=amount.longest_ms
        )
        run = self._name(number)
        while not await self._is_accepted(run, document):
            await let_pass(0.2)
        self._edited[run] = Edited(document)

    def _name(self, number: int) -> RunId:
        return RunId(f"chaos_{self._seed}_{number}")

    async def _is_accepted(self, run: RunId, document: Document) -> bool:
        body = {"run_id": run, "definition": document, "input": {"run": run}}
        status, told = await self._posted("/api/v1/runs", body, {"Idempotency-Key": run})
        # 409: the same request is being carried out, 429: there are too many. Others would be a bug of the harness.
        assert status in (0, 201, 409, 429) or status >= 500, f"{run}: {status} {told}"
        return status == 201

    async def pause_for(self, seconds: float) -> None:
        """Pause so many runs a second, each for a moment."""
        chance = Random(f"pauses {self._seed}")
        async with asyncio.TaskGroup() as group:
            for number in range(round(seconds * self._amount.pauses_per_s)):
                group.create_task(self._pause(number, Random(chance.random())))

    async def _pause(self, number: int, chance: Random) -> None:
        await let_pass(number / self._amount.pauses_per_s)
        if not self._edited:
            return
        run = chance.choice(list(self._edited))
        await self._commanded(run, "pause")
        await let_pass(chance.uniform(0, 1))
        # Whether it is paused is not certain. That it is not for ever must be: either it was resumed, or it has ended.
        while await self._commanded(run, "resume") not in (200, 409):
            await let_pass(0.2)

    async def _commanded(self, run: RunId, verb: str) -> int:
        return (await self._posted(f"/api/v1/runs/{run}/{verb}"))[0]

    async def edit_for(self, seconds: float) -> None:
        """Send so many edits a second, whatever becomes of them."""
        chance = Random(f"edits {self._seed}")
        async with asyncio.TaskGroup() as group:
            for number in range(round(seconds * self._amount.edits_per_s)):
                group.create_task(self._edit(number, Random(chance.random())))

    async def _edit(self, number: int, chance: Random) -> None:
        await let_pass(number / self._amount.edits_per_s)
        running = [run for run in self._edited if run not in self._closed]
        if not running:
            return
        name = f"e{number}"
        run = chance.choice(running)
        planned = any_edit(chance, self._edited[run], name, self._amount.longest_ms)
        body = {"operations": planned.operations, "description": name}
        status, told = await self._posted(f"/api/v1/runs/{run}/patch", body)
        revision = told.get("revision", 0) if status == 200 else 0
        self.edits.append(Edit(name, run, status, time.monotonic_ns(), revision, planned.removes))
        if status == 200:
            planned.taken(self._edited[run])
        elif told.get("code") == CLOSED:
            self._closed.add(run)

    async def _posted(
        self, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The status of an answer and what it says; 0 where there is none, which may mean anything."""
        try:
            answered = await self._client.post(path, json=body, headers=headers)
        except httpx.HTTPError:
            return 0, {}
        if answered.status_code == BUG:
            self.failed.append(f"{path}: {answered.text[:300]}")
            return BUG, {}
        return answered.status_code, answered.json()
