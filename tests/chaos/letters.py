"""Who looks after dead letters: each is redriven with another input, until an answer says what came of it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from pointsman.base.ids import RunId
from tests.chaos.asking import Asking
from tests.chaos.definitions import MENDED
from tests.chaos.record import Redriven
from tests.support.waiting import let_pass

EVERY_S: Final = 0.3
AT_ONCE: Final = 100


class LetterReader:
    """The dead letters of nodes, and what became of them."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._taken: set[str] = set()
        self.redriven: list[Redriven] = []

    async def look_after_all(self) -> None:
        """Redrive whatever comes to be a dead letter, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for letter, run in await self._open():
                    if letter not in self._taken:
                        self._taken.add(letter)
                        group.create_task(self._redrive(letter, run))
                await let_pass(EVERY_S)

    async def _open(self) -> list[tuple[str, RunId]]:
        status, told = await self._asking.get(f"/api/v1/dead-letters?status=open&kind=failed&limit={AT_ONCE}")
        return [(found["id"], RunId(found["run_id"])) for found in told["letters"]] if status == 200 else []

    async def _redrive(self, letter: str, run: RunId) -> None:
        body, key = {"input": MENDED, "reason": letter}, {"Idempotency-Key": letter}
        while True:
            status, told = await self._asking.post(f"/api/v1/dead-letters/{letter}/redrive", body, key)
            if status == 200:
                self.redriven.append(_redriven(run, letter, told))
                return
            assert status in (0, 404, 409, 429) or status >= 500, f"{letter}: {status} {told}"
            if status in (404, 409) and told["code"] != "API014":
                # Settled, it says. If what settled it is lost with Redis, the letter will be on the list again.
                self._taken.discard(letter)
                return
            await let_pass(EVERY_S)


def _redriven(run: RunId, letter: str, told: dict[str, Any]) -> Redriven:
    if told["how"] == "fork":
        return Redriven(run, letter, became=RunId(told["run_id"]))
    return Redriven(run, letter, told["attempt"], told["seq"])
