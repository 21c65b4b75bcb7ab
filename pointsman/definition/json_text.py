"""Reading JSON: strictly, with the line of every value."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pointsman.base.errors import Problem
from pointsman.definition.limits import too_deep
from pointsman.definition.positions import Positions, escape
from pointsman.definition.refusal import refused

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},:]|[^][{},:\s"]+|\n')
"""Enough to find one's way in a text that the JSON reader has accepted."""


class _KeyTwice(Exception):
    """A key occurs twice in one object; which one, only a second look tells."""


def read_json(text: str) -> tuple[Any, Positions]:
    """Read one JSON document.

    Raises:
        InvalidDefinition: DEF001 not JSON, DEF002 a key twice, DEF003 nested too deep.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique), Positions(lambda: dict(_lines(text)))
    except json.JSONDecodeError as wrong:
        told = f"the text is not JSON: {wrong.msg[0].lower()}{wrong.msg[1:]} at column {wrong.colno}."
        raise refused(Problem("DEF001", "", told, wrong.lineno)) from None
    except ValueError:
        told = f"a number in the text has more than {sys.get_int_max_str_digits():,} digits; it was not read."
        raise refused(Problem("DEF003", "", told)) from None
    except RecursionError:
        raise refused(too_deep("")) from None
    except _KeyTwice:
        raise refused(*_keys_twice(text)) from None


def key_twice(pointer: str, line: int, first: int) -> Problem:
    """The problem of a key that an object has twice."""
    told = f"this key stands in its object twice, first in line {first}; only one could count. Remove one."
    return Problem("DEF002", pointer, told, line)


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(members)
    if len(made) != len(members):
        raise _KeyTwice
    return made


def _keys_twice(text: str) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for pointer, line in _lines(text):
        if pointer in seen:
            yield key_twice(pointer, line, seen[pointer])
        seen.setdefault(pointer, line)


@dataclass
class _Open:
    """An object or array that the reader is in."""

    pointer: str
    is_object: bool
    wants_key: bool
    index: int = 0
    member: str = ""

    def inner(self) -> str:
        return self.member if self.is_object else f"{self.pointer}/{self.index}"


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """The pointer and line of each value of a JSON text, in the order written; that of a member is its key's."""
    line, around = 1, [_Open("", is_object=True, wants_key=False)]
    yield "", 1
    for match in _TOKEN.finditer(text):
        token, top = match.group(), around[-1]
        if token == "\n":
            line += 1
        elif token == ",":
            top.index, top.wants_key = top.index + 1, top.is_object
        elif token in "}]":
            around.pop()
        elif top.wants_key:
            top.member, top.wants_key = f"{top.pointer}/{escape(json.loads(token))}", False
            yield top.member, line
        elif token != ":":
            if not top.is_object:
                yield top.inner(), line
            if token in "{[":
                around.append(_Open(top.inner(), token == "{", token == "{"))
