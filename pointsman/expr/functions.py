"""The functions that both engines take from here, because their own differ or depend on the machine.

Numbers are JSON numbers, so `string(1.0)` is "1" and `int("0x10")` is an error; an integer that meets a decimal in `+`,
`-`, `*` or `/` becomes one. Time is counted in microseconds and read in UTC.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Literal, TypeAlias

from pointsman.expr.values import INT_MAX, INT_MIN, duration_text, finite, timestamp_text

Kind: TypeAlias = Literal["null", "bool", "int", "double", "string", "list", "map", "timestamp", "duration", "type"]
Function: TypeAlias = Callable[..., Any]

_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)
_DURATION = re.compile(r"([+-]?)((?:[0-9]+(?:\.[0-9]+)?(?:h|ms|m|s|us|µs|ns))+|0)\Z")
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|µs|ns)")
_UNITS: Mapping[str, int | Fraction] = {
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
    "µs": 1,
    "ns": Fraction(1, 1_000),
}
_BOOLEANS = {"true": True, "false": False}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST = 2**63 // 1_000
"""Microseconds in the longest duration (292 years); cel-cpp counts nanoseconds in 64 bits."""


def int_of_double(value: float) -> int:
    """Cut the decimals off."""
    if not (-(2.0**63) < value < 2.0**63):
        raise ValueError(f"{value} does not fit into 64 bits")
    return int(value)


def int_of_string(text: str) -> int:
    """Read decimal digits."""
    if not _INTEGER.match(text) or not INT_MIN <= (value := int(text)) <= INT_MAX:
        raise ValueError(f'"{text[:40]}" is no integer of 64 bits')
    return value


def int_of_timestamp(value: datetime) -> int:
    """Seconds since 1970."""
    return (value - _EPOCH) // timedelta(seconds=1)


def double_of_string(text: str) -> float:
    """Read a number as JSON writes it."""
    if not _NUMBER.match(text):
        raise ValueError(f'"{text[:40]}" is no number')
    return finite(float(text))


def bool_of_string(text: str) -> bool:
    """Read "true" or "false"."""
    if text not in _BOOLEANS:
        raise ValueError(f'"{text[:40]}" is neither "true" nor "false"')
    return _BOOLEANS[text]


def string_of_double(value: float) -> str:
    """Write the fewest digits that mean this number."""
    text = repr(finite(value))
    return text.removesuffix(".0")


def string_of_bool(value: bool) -> str:
    """Write "true" or "false"."""
    return "true" if value else "false"


def timestamp_of_string(text: str) -> datetime:
    """Read RFC 3339; decimals beyond the microsecond are cut off."""
    match = _TIMESTAMP.match(text)
    if match is None:
        raise ValueError(f'"{text[:40]}" is no timestamp such as "2030-01-31T12:00:00Z"')
    date, time, decimals, zone = match.groups()
    micros = (decimals or "")[:6].ljust(6, "0")
    try:
        return datetime.fromisoformat(f"{date}T{time}.{micros}{'+00:00' if zone == 'Z' else zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f'"{text[:40]}" is no date that exists') from None


def timestamp_of_int(seconds: int) -> datetime:
    """The point in time so many seconds after 1970."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"{seconds} seconds after 1970 is outside the years 1 to 9999") from None


def duration_of_string(text: str) -> timedelta:
    """Read amounts with units, as in "1h30m" or "2.5s"; what is below the microsecond is cut off."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f'"{text[:40]}" is no duration such as "1h30m" or "2.5s"')
    micros = int(sum(Fraction(amount) * _UNITS[unit] for amount, unit in _AMOUNT.findall(match[2])))
    if micros > _LONGEST:
        raise ValueError(f'"{text[:40]}" is longer than 292 years')
    return timedelta(microseconds=-micros if match[1] == "-" else micros)


def longest(value: timedelta) -> timedelta:
    """`value`, if it is a duration that there can be."""
    if abs(value // _MICROSECOND) > _LONGEST:
        raise ValueError("a duration longer than 292 years")
    return value


def add(left: float, right: float) -> float:
    """`+` of an integer and a decimal."""
    return float(left) + float(right)


def subtract(left: float, right: float) -> float:
    """`-` of an integer and a decimal."""
    return float(left) - float(right)


def multiply(left: float, right: float) -> float:
    """`*` of an integer and a decimal."""
    return float(left) * float(right)


def divide(left: float, right: float) -> float:
    """`/` of two decimals; by zero it is infinite or no number, neither of which can be a result."""
    left, right = float(left), float(right)
    if right:
        return left / right
    if not left or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def same(value: Any) -> Any:
    """What is already of the kind asked for."""
    return value


CONVERSIONS: Mapping[str, Mapping[Kind, tuple[Kind, Function]]] = {
    "to_int": {
        "int": ("int", same),
        "double": ("int", int_of_double),
        "string": ("int", int_of_string),
        "timestamp": ("int", int_of_timestamp),
    },
    "to_double": {"double": ("double", same), "int": ("double", float), "string": ("double", double_of_string)},
    "to_bool": {"bool": ("bool", same), "string": ("bool", bool_of_string)},
    "to_string": {
        "string": ("string", same),
        "int": ("string", str),
        "double": ("string", string_of_double),
        "bool": ("string", string_of_bool),
        "timestamp": ("string", timestamp_text),
        "duration": ("string", duration_text),
    },
    "to_timestamp": {
        "timestamp": ("timestamp", same),
        "string": ("timestamp", timestamp_of_string),
        "int": ("timestamp", timestamp_of_int),
    },
    "to_duration": {"duration": ("duration", same), "string": ("duration", duration_of_string)},
    "map_key": {"string": ("string", same)},
    "in_order": {"list": ("list", sorted)},
}
"""By name and kind of the argument: the kind of the result, and the function."""
MIXED: Mapping[str, Function] = {"_+_": add, "_-_": subtract, "_*_": multiply, "_/_": divide}
"""Operators on an integer and a decimal, in either order."""
