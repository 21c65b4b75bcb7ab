"""The page that shows how to use the API: every command on it is sent, every answer compared."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import httpx

from orchestrator_api.keys import read_hashes
from tests.api.room import Room
from tests.architecture.tree import ROOT

PAGE = ROOT / "docs" / "howto" / "use-the-api.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANY = "…"


def blocks() -> list[tuple[str, str]]:
    """The language and text of each block, in order."""
    return BLOCK.findall(PAGE.read_text())


async def sent(command: str, client: httpx.AsyncClient) -> httpx.Response:
    """Send what a curl command would; only the options that the page uses are known."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words.pop(0) == "curl"
    method, url, headers, body = "GET", "", {}, None
    while words:
        match words.pop(0):
            case "-X":
                method = words.pop(0)
            case "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            case "-d":
                body = words.pop(0)
            case "-N":
                pass
            case word:
                assert not word.startswith("-"), word
                url = word.replace("http://localhost:8080", "http://localhost")
    return await client.request(method, url, headers=headers, content=body)


def agrees(shown: Any, real: Any) -> bool:
    """Whether a real answer is what the page shows, but for what it leaves open."""
    if shown == ANY:
        return True
    if isinstance(shown, dict) and isinstance(real, dict):
        return shown.keys() == real.keys() and all(agrees(shown[name], real[name]) for name in shown)
    if isinstance(shown, list) and isinstance(real, list):
        return len(shown) == len(real) and all(map(agrees, shown, real))
    return bool(shown == real)


async def test_every_command_on_the_page_is_answered_as_it_says(room: Room) -> None:
    found = blocks()
    streams = 0
    for (language, text), (following, answer) in zip(found, [*found[1:], ("", "")], strict=True):
        if language != "bash":
            continue
        if "event-stream" in text:  # goes on until the run ends: by then it is over
            streams += 1
            stream = text
            continue
        answered = await sent(text, room.client)
        assert following == "json", text
        shown = httpx.Response(200, text=answer).json()
        assert agrees(shown, answered.json()), f"{text}\nis answered with\n{answered.text}"
    # And the stream, now that the run is over, tells the rest and ends
    answered = await sent(stream, room.client)
    assert (streams, answered.text.splitlines()[0]) == (1, "id: 5")


def test_the_line_that_the_page_makes_for_a_key_can_be_read(tmp_path: Path, capsys: Any) -> None:
    # Given what the page's Python prints
    (code,) = [text for language, text in blocks() if language == "python"]
    exec(code, {})
    line = capsys.readouterr().out.splitlines()[1].partition("to the file: ")[2]
    # Then it is a line of a file of keys
    file = tmp_path / "keys"
    file.write_text(line + "\n")
    assert list(read_hashes(file)) == ["ann"]
