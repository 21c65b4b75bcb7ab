"""Where in the author's text each value stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from pointsman.base.errors import Problem

_SPELLINGS: Final = {"loop": "config", "when": "condition", "next": "next_nodes"}
"""Our fields, and those that an author may have written in their place."""


class Positions:
    """Lines by RFC 6901 pointer, worked out when first asked for: only a document with problems needs them."""

    def __init__(self, locate: Callable[[], Mapping[str, int]] = dict) -> None:
        self._locate = locate

    @cached_property
    def _lines(self) -> Mapping[str, int]:
        return self._locate()

    def line(self, pointer: str) -> int | None:
        """The 1-based line of `pointer`, or of what is around it where that is missing; None without a text."""
        while pointer and pointer not in self._lines:
            pointer = pointer.rpartition("/")[0]
        return self._lines.get(pointer)

    def locate(self, problem: Problem, document: Any) -> Problem:
        """The problem with its line, and with a pointer in the author's own spelling."""
        pointer = as_written(document, problem.pointer)
        return replace(problem, pointer=pointer, line=self.line(pointer))


def pointer_of(parts: Iterable[object]) -> str:
    """Spell the path of keys and indexes as an RFC 6901 pointer."""
    return "".join("/" + escape(str(part)) for part in parts)


def escape(part: str) -> str:
    """Spell one segment of a pointer."""
    return part.replace("~", "~0").replace("/", "~1")


def as_written(document: Any, pointer: str) -> str:
    """The pointer with the field that the author used where there are two spellings of one.

    It ends at a value that is nothing to look into: there a short form stands for what the pointer names.
    """
    written = ""
    for segment in pointer.split("/")[1:]:
        if isinstance(document, (str, int, float)):
            break
        key = segment.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and key not in document and _SPELLINGS.get(key) in document:
            key = segment = _SPELLINGS[key]
        written += f"/{segment}"
        document = _inside(document, key)
    return written


def _inside(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
        return value[int(key)]
    return None
