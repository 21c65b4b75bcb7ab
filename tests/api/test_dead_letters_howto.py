"""The page on dead letters: every command on it is sent, every answer compared."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import httpx

from pointsman.adapters.postgres.stuck_runs import StuckRuns
from pointsman.adapters.redis.pulses import RoutedPulses
from pointsman.base.ids import RunId
from supervisor.stuck import Stuck
from tests.api.room import Room, in_partitions
from tests.api.test_howto import BLOCK, agrees, sent
from tests.architecture.tree import ROOT
from tests.support.waiting import eventually

PAGE = ROOT / "docs" / "howto" / "dead-letters.md"


async def begun(room: Room, number: int) -> str:
    """A run that the page speaks of."""
    body = {"workflow": "orders", "run_id": f"order-{number}", "input": {"order": number}}
    answered = await room.post("/runs", body)
    assert answered.status_code == 201, answered.text
    return f"order-{number}"


async def failed(room: Room, run_id: str, attempt: int = 1) -> None:
    change = await room.fail(run_id, "charge", "bank_closed", attempt)
    await room.journal(run_id, change.seq)


async def newest(room: Room) -> str:
    (letter, *_) = (await room.get("/dead-letters?status=open")).json()["letters"] or [{"id": ""}]
    return str(letter["id"])


async def happen(room: Room, told: Any) -> None:
    """What the page says happens, or leaves to be understood, behind an answer."""
    match told:
        case {"version": 1, "plan": _}:
            await failed(room, await begun(room, 1))
        case {"how": "attempt", "attempt": 2}:
            await failed(room, "order-1", 2)
        case {"how": "attempt", "attempt": 3}:
            await failed(room, await begun(room, 2))
        case {"redriven": 1}:
            await failed(room, "order-2", 2)
        case {"how": "skip"}:
            await stuck(room, await begun(room, 3))


async def stuck(room: Room, run_id: str) -> None:
    """Somebody deletes a run's keys, and the supervisor finds it."""
    await room.journal(run_id, 1)
    live = room.services.live
    await room.ask(run_id, "DEL", *[key for key in await room.dump() if run_id in key.split(":")])
    records = room.services.records
    marks, drain = StuckRuns(records.pool), asyncio.Event()
    detector = Stuck(
        RoutedPulses(live.partitions),
        records.runs,
        marks,
        live.pushed,
        live.store.now,
        drain,
        room.services.metrics,
        stuck_after_ms=0,
    )

    async def found() -> bool:
        await detector.look()
        return bool(await marks.reasons([RunId(run_id)]))

    await eventually(found)


@in_partitions
async def test_every_command_on_the_page_of_dead_letters_is_answered_as_it_says(room: Room) -> None:
    blocks: list[tuple[str, str]] = BLOCK.findall(PAGE.read_text())
    for (language, text), (_, answer) in pairwise(blocks):
        if language != "bash":
            continue
        # When a command is sent, about the newest open letter
        answered = await sent(text.replace("LETTER", await newest(room)), room.client)
        # Then the answer is the one below it
        shown: Any = httpx.Response(200, text=answer).json()
        assert agrees(shown, answered.json()), f"{text}\nis answered with\n{answered.text}"
        await happen(room, shown)
