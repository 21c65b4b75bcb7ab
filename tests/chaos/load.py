"""Who uses the system meanwhile: callers that start and fork runs, and editors that patch them, whatever happens."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Final, NamedTuple

from pointsman.base.ids import RunId
from tests.chaos.asking import Asking
from tests.chaos.definitions import Document, any_definition
from tests.chaos.edits import Edited, any_edit
from tests.chaos.letters import LetterReader
from tests.chaos.record import Edit
from tests.support.waiting import let_pass

CLOSED: Final = "RUN004"
DOOMED_EVERY: Final = 20
"""So often a run is one that fails, and goes on in a fork."""


class Amount(NamedTuple):
    """How much of everything."""

    runs: int
    starts_per_s: float
    edits_per_s: float
    pauses_per_s: float = 0.0
    forks_per_s: float = 0.0
    least_nodes: int = 10
    longest_ms: int = 100
    """How long a task may take."""


class Load:
    """The runs of one round. What is started and how it is edited follows from the seed, in which order it happens does
    not."""

    def __init__(self, asking: Asking, seed: int, amount: Amount) -> None:
        self._asking = asking
        self._seed = seed
        self._amount = amount
        self._edited: dict[RunId, Edited] = {}
        self._closed: set[RunId] = set()
        self._forks: list[RunId] = []
        self.edits: list[Edit] = []
        self.letters = LetterReader(asking)
        self.doomed: set[RunId] = set()
        """Runs that fail, and are to go on in a fork; forks of them may fail, too."""

    @property
    def asked(self) -> list[RunId]:
        """All runs there were to be."""
        return [*(self._name(number) for number in range(self._amount.runs)), *self._forks, *self._redriven]

    @property
    def accepted(self) -> list[RunId]:
        """The runs for which a 201 came, and those in which a dead letter was redriven."""
        return [*self._edited, *self._redriven]

    @property
    def _redriven(self) -> list[RunId]:
        return [redriven.became for redriven in self.letters.redriven if redriven.became is not None]

    async def start_all(self) -> None:
        """Start every run, each as often as it takes until somebody says that it is accepted."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._amount.runs):
                group.create_task(self._start(number))

    async def _start(self, number: int) -> None:
        await let_pass(number / self._amount.starts_per_s)
        amount, run = self._amount, self._name(number)
        is_doomed = number % DOOMED_EVERY == DOOMED_EVERY - 1
        document = any_definition(
            Random(f"run {self._seed} {number}"),
            least_nodes=amount.least_nodes,
            longest_ms=amount.longest_ms,
            is_doomed=is_doomed,
        )
        if is_doomed:
            self.doomed.add(run)
        while not await self._is_accepted(run, document):
            await let_pass(0.2)
        self._edited[run] = Edited(document)

    def _name(self, number: int) -> RunId:
        return RunId(f"chaos_{self._seed}_{number}")

    async def _is_accepted(self, run: RunId, document: Document) -> bool:
        body = {"run_id": run, "definition": document, "input": {"run": run}}
        status, told = await self._asking.post("/api/v1/runs", body, {"Idempotency-Key": run})
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
        return (await self._asking.post(f"/api/v1/runs/{run}/{verb}"))[0]

    async def fork_for(self, seconds: float) -> None:
        """Fork so many runs a second, from a node or an event."""
        chance = Random(f"forks {self._seed}")
        async with asyncio.TaskGroup() as group:
            for number in range(round(seconds * self._amount.forks_per_s)):
                group.create_task(self._fork(number, Random(chance.random())))

    async def _fork(self, number: int, chance: Random) -> None:
        await let_pass(number / self._amount.forks_per_s)
        if not self._edited:
            return
        origin, run = chance.choice(list(self._edited)), RunId(f"chaos_{self._seed}_f{number}")
        known = self._edited[origin].copy()
        told = {"from_node": chance.choice(known.nodes)} if chance.random() < 0.7 else {"seq": chance.randint(1, 12)}
        self._forks.append(run)
        while True:
            status, answered = await self._asking.post(
                f"/api/v1/runs/{origin}/fork", {**told, "run_id": run}, {"Idempotency-Key": run}
            )
            assert status in (0, 201, 404, 409, 429) or status >= 500, f"{run}: {status} {answered}"
            if status == 201:
                self._edited[run] = known
                if origin in self.doomed:
                    self.doomed.add(run)
                return
            if status in (404, 409) and answered["code"] != "API014":
                # It never came to that node or event, or there is nothing to do behind it.
                return
            await let_pass(0.2)

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
        status, told = await self._asking.post(f"/api/v1/runs/{run}/patch", body)
        revision = told.get("revision", 0) if status == 200 else 0
        self.edits.append(Edit(name, run, status, time.monotonic_ns(), revision, planned.removes))
        if status == 200:
            planned.taken(self._edited[run])
        elif told.get("code") == CLOSED:
            self._closed.add(run)
