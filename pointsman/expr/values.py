"""JSON values: which ones an expression may read, what they weigh, and how time is written in them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
DEEPEST = 128
"""Levels of lists and maps that a value may have."""
_MICROSECOND = timedelta(microseconds=1)


class NotJson(ValueError):
    """A value that JSON, or an expression, has no place for; the message says what it is."""


def weigh(value: Any, depth: int = 0) -> int:
    """How many values and characters `value` consists of.

    Raises:
        NotJson: It holds something else than null, true, false, 64-bit integers, finite numbers, text, lists, and maps
            with text as keys; or it is too deep.
    """
    kind = type(value)
    if kind is bool or value is None:
        return 1
    if kind is int:
        if INT_MIN <= value <= INT_MAX:
            return 1
        raise NotJson(f"the integer {value}, which does not fit into 64 bits (send it as a string)")
    if kind is str:
        return 1 + _length(value)
    if kind is float:
        return _weigh_number(value)
    if depth == DEEPEST:
        raise NotJson(f"a value nested more than {DEEPEST} levels deep")
    if kind is list:
        return 1 + _weigh_all(value, depth + 1)
    if kind is dict:
        keys = sum([len(key) if type(key) is str and key.isascii() else _key_length(key) for key in value])
        return 1 + keys + _weigh_all(value.values(), depth + 1)
    raise NotJson(f"a {kind.__name__}, which JSON does not have")


def holds_null(value: Any) -> bool:
    """Whether `value` is null or has a null somewhere in it."""
    if type(value) is list:
        return any(holds_null(item) for item in value)
    if type(value) is dict:
        return any(holds_null(item) for item in value.values())
    return value is None


def finite(value: float) -> float:
    """`value`, if JSON can write it."""
    if not math.isfinite(value):
        raise NotJson(f"the number {value}, which JSON cannot write")
    return value


def describe(value: Any) -> str:
    """What kind of JSON value this is, with its article."""
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a map"}
    return "null" if value is None else kinds.get(type(value), f"a {type(value).__name__}")


def timestamp_text(value: datetime) -> str:
    """A point in time as JSON writes it: RFC 3339 in UTC, with as many decimals as are needed."""
    moment = value.astimezone(UTC)
    text = moment.strftime("%Y").zfill(4) + moment.strftime("-%m-%dT%H:%M:%S")
    return f"{text}{_decimals(moment.microsecond)}Z"


def duration_text(value: timedelta) -> str:
    """A length of time as JSON writes it: seconds, with as many decimals as are needed, and `s`."""
    total = value // _MICROSECOND
    seconds, micros = divmod(abs(total), 1_000_000)
    return f"{'-' if total < 0 else ''}{seconds}{_decimals(micros)}s"


def _decimals(micros: int) -> str:
    return f".{micros:06d}".rstrip("0") if micros else ""


def _weigh_all(values: Iterable[Any], depth: int) -> int:
    """The sum of `weigh`, which is not called for the most frequent kinds: this is most of what a small loop costs."""
    total = 0
    for value in values:
        kind = type(value)
        if kind is int and INT_MIN <= value <= INT_MAX:
            total += 1
        elif kind is str and value.isascii():
            total += 1 + len(value)
        else:
            total += weigh(value, depth)
    return total


def _length(text: str) -> int:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise NotJson("a string that is no Unicode text (it has half of a surrogate pair)") from None
    return len(text)


def _key_length(key: Any) -> int:
    if type(key) is not str:
        raise NotJson(f"a map with {key!r} as a key; JSON's keys are strings")
    return _length(key)


def _weigh_number(value: float) -> int:
    finite(value)
    return 1
