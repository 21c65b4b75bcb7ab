"""The page that shows how to release a workflow: every command on it is sent, every answer compared."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import httpx

from tests.api.room import Room
from tests.api.test_howto import BLOCK, agrees, sent
from tests.architecture.tree import ROOT

PAGE = ROOT / "docs" / "howto" / "tags.md"


async def test_every_command_of_the_page_on_tags_is_answered_as_it_says(room: Room) -> None:
    blocks: list[tuple[str, str]] = BLOCK.findall(PAGE.read_text())
    commands = [(text, answer) for (language, text), (_, answer) in pairwise(blocks) if language == "bash"]
    for command, answer in commands:
        answered = await sent(command, room.client)
        shown: Any = httpx.Response(200, text=answer).json()
        assert agrees(shown, answered.json()), f"{command}\nis answered with\n{answered.text}"
    assert len(commands) == 8
    # And the run is still what it was started as
    run = await room.run("order-1")
    assert (run["workflow"], run["version"], run["tag"]) == ("orders", 1, "prod")
