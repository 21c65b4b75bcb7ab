"""Where in the author's text each value stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from pointsman.base.errors import Problem


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

    def locate(self, problem: Problem) -> Problem:
        """The problem with its line."""
        return replace(problem, line=self.line(problem.pointer))


def pointer_of(parts: Iterable[object]) -> str:
    """Spell the path of keys and indexes as an RFC 6901 pointer."""
    return "".join("/" + escape(str(part)) for part in parts)


def escape(part: str) -> str:
    """Spell one segment of a pointer."""
    return part.replace("~", "~0").replace("/", "~1")


def value_at(document: Any, pointer: str) -> Any:
    """The value that `pointer` names in `document`, or None where there is none."""
    for segment in pointer.split("/")[1:]:
        key = segment.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and key.isdecimal() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document
