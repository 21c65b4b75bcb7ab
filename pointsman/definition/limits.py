"""How large a definition may be, before anything about its meaning is looked at."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from pointsman.base.errors import Problem
from pointsman.definition.positions import escape

_HALF: Final = re.compile("[\ud800-\udfff]")
MAX_JSON_BYTES: Final = 8 << 20
MAX_YAML_BYTES: Final = 1 << 20
"""Reading YAML takes about 3.5 s a MiB."""
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 500_000
"""Values after aliases are written out: ten lines of YAML can stand for a billion."""


def too_deep(pointer: str) -> Problem:
    """The problem of nesting past the limit."""
    return Problem("DEF003", pointer, f"nesting goes deeper than {MAX_DEPTH} levels; the definition was not read.")


def too_many(pointer: str) -> Problem:
    """The problem of more values than the limit."""
    return Problem(
        "DEF003",
        pointer,
        f"the definition holds more than {MAX_VALUES:,} values, aliases written out; it was not read.",
    )


def beyond_json(document: Any) -> Iterator[Problem]:
    """Find what a Python value holds that a JSON document in Postgres and Redis cannot."""
    return iter(()) if _is_sound(document) else _located(document)


def _is_sound(document: Any) -> bool:
    """Whether there is nothing to find. Most documents are sound, and this takes a twentieth of the time."""
    level: list[Any] = [document]
    seen = 1
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        texts: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is str:
                texts.append(value)
            elif kind is dict or kind is list:
                seen += len(value)
                if seen > MAX_VALUES:  # before it is written out: an alias may stand for billions
                    return False
                texts += value if kind is dict else ()
                below += value.values() if kind is dict else value
            elif not _is_sound_number(value):
                return False
        if not _are_sound(texts):
            return False
        if not below:
            return True
        level = below
    texts = [value for value in level if type(value) is str]
    return _are_sound(texts) and all(type(value) is str or _is_sound_number(value) for value in level)


def _is_sound_number(value: Any) -> bool:
    kind = type(value)
    return math.isfinite(value) if kind is float else value is None or kind is bool or kind is int


def _are_sound(texts: list[Any]) -> bool:
    """Whether these are all texts, and sound: what is wrong with one is wrong with all of them joined."""
    try:
        joined = "".join(texts)
    except TypeError:
        return False
    return "\x00" not in joined and (joined.isascii() or _HALF.search(joined) is None)


def _located(document: Any) -> Iterator[Problem]:
    waiting: list[tuple[str, Any, int]] = [("", document, 0)]
    seen = 0
    while waiting:
        pointer, value, depth = waiting.pop()
        seen += 1
        if seen > MAX_VALUES:
            yield too_many("")
            return
        if isinstance(value, (dict, list)):
            if depth >= MAX_DEPTH:
                yield too_deep(pointer)
                continue
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            for key, inner in entries:
                if isinstance(value, dict) and (wrong := _wrong_text(key)):
                    yield Problem("DEF004", pointer, f"a key of this object {wrong}.")
                else:
                    waiting.append((f"{pointer}/{escape(str(key))}", inner, depth + 1))
        elif wrong := _wrong_scalar(value):
            yield Problem("DEF004", pointer, f"this value {wrong}.")


def _wrong_scalar(value: Any) -> str | None:
    if value is None or isinstance(value, (bool, int)):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a finite number; JSON has no infinity and no NaN"
    return _wrong_text(value)


def _wrong_text(value: Any) -> str | None:
    if not isinstance(value, str):
        return f"is of the Python type {type(value).__name__}, which JSON does not have"
    if "\x00" in value:
        return "contains U+0000, which Postgres cannot store"
    if not value.isascii() and _HALF.search(value):
        return "contains half a surrogate pair, which is no text"
    return None
