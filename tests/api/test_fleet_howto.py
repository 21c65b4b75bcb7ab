"""The page that shows how to edit many runs: every command on it is sent, every answer compared."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import httpx

from tests.api.room import Room
from tests.api.test_fleet import room, settled
from tests.api.test_howto import BLOCK, agrees, sent
from tests.architecture.tree import ROOT

__all__ = ["room"]

PAGE = ROOT / "docs" / "howto" / "fleet-edits.md"


async def orders(room: Room) -> None:
    """The runs that the page speaks of."""
    for number in range(1, 6):
        answered = await room.post("/runs", {"workflow": "orders", "run_id": f"order-{number}"})
        assert answered.status_code == 201
    for node in ("pay", "pack"):
        await room.complete("order-5", node)


async def test_every_command_of_the_fleet_page_is_answered_as_it_says(room: Room) -> None:
    blocks: list[tuple[str, str]] = BLOCK.findall(PAGE.read_text())
    place = ""
    for (language, text), (_, answer) in pairwise(blocks):
        if language != "bash":
            continue
        # When a command is sent, with the id that the edit was given
        answered = await sent(text.replace("EDIT", place.rpartition("/")[2]), room.client)
        # Then the answer is the one below it
        shown: Any = httpx.Response(200, text=answer).json()
        assert agrees(shown, answered.json()), f"{text}\nis answered with\n{answered.text}"
        # And what the page says happens in between, happens
        if shown.get("version") == 1 and "plan" in shown:
            await orders(room)
        if answered.status_code == 202:
            place = str(answered.headers["location"]).removeprefix("/api/v1")
            await settled(room, place, "waiting")
    edit = await settled(room, place)
    assert {state: count for state, count in edit["counts"].items() if count} == {"applied": 3, "refused": 2}
