"""Markdown as tests read it: blocks of code with the file they are said to be, and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]

_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_NAMED: Final = re.compile(r"`([\w./-]+\.\w+)`")


class Block(NamedTuple):
    """A block of code, and the file that the sentence before it names, if it names one."""

    language: str
    text: str
    file: str | None


def pages() -> list[Path]:
    """Every page that people read."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of code of a page, in order."""
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        before = text[: found.start()].rstrip().rpartition("\n\n")[2]
        named = _NAMED.search(before) if found[1] in ("yaml", "python", "json") else None
        yield Block(found[1], found[2], named[1] if named else None)


def links(page: Path) -> Iterator[str]:
    """Where the links of a page lead, but for those that leave the project."""
    text = _BLOCK.sub("", page.read_text())
    yield from (link for link in _LINK.findall(text) if "://" not in link)


def anchors(page: Path) -> set[str]:
    """The names of a page's headings in links, spelled as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", _BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
