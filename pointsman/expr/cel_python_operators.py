"""CEL's operators and functions on plain JSON values, for cel-python to call.

They do what cel-cpp does; `tests/expr` holds each against it. Errors are returned, not raised, because `||` and `&&`
must be able to ignore them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]
from celpy.evaluation import CELEvalError

from pointsman.expr.functions import CONVERSIONS, MIXED, Function, Kind, longest
from pointsman.expr.values import INT_MAX, INT_MIN, NotJson, duration_text, finite, timestamp_text

_NUMBERS = ("int", "double")
_ORDERED = ("int", "double", "string", "bool", "timestamp", "duration")
_MICROSECOND = timedelta(microseconds=1)


class Duplicate(Exception):
    """A key that stands twice in a map; not even `||` can ignore that."""


@dataclass(frozen=True, slots=True)
class TypeOf:
    """What `type(x)` gives."""

    kind: Kind


_KINDS: Mapping[type, Kind] = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "double",
    str: "string",
    list: "list",
    dict: "map",
    datetime: "timestamp",
    timedelta: "duration",
    TypeOf: "type",
}


def failed(message: str) -> CELEvalError:
    """An error as a value."""
    return CELEvalError(message)


def no_overload(name: str, *values: Any) -> CELEvalError:
    """The error for an operator or function that does not take such values."""
    kinds = ", ".join(_KINDS[type(value)] for value in values)
    return failed(f"`{name}({kinds})` cannot be applied to these kinds of values")


def decided(values: Iterable[Any], *, by: bool) -> Any:
    """`by` as soon as a value is `by`; else the first error, or `not by`. A value that is no boolean is an error."""
    error = None
    for value in values:
        if value is by:
            return by
        if value is not (not by) and error is None:
            error = value if isinstance(value, CELEvalError) else no_overload("||" if by else "&&", value)
    return not by if error is None else error


def as_json(value: Any) -> Any:
    """A result as JSON.

    Raises:
        NotJson: It is a type, or a number that is not finite, or holds one.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return finite(value)
        case list():
            return [as_json(item) for item in value]
        case dict():
            return {key: as_json(item) for key, item in sorted(value.items())}
        case datetime():
            return timestamp_text(value)
        case timedelta():
            return duration_text(value)
    raise NotJson("a type, which JSON does not have")


# -- comparing -------------------------------------------------------------------------------------------------------


def equal(left: Any, right: Any) -> bool:
    """Equality over all kinds: numbers by value, different kinds never."""
    one, other = _KINDS[type(left)], _KINDS[type(right)]
    if one != other:
        return one in _NUMBERS and other in _NUMBERS and float(left) == float(right)
    if one == "list":
        return len(left) == len(right) and all(map(equal, left, right))
    if one == "map":
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return bool(left == right)


def _ordering(name: str, compare: Function) -> Function:
    def ordered(left: Any, right: Any) -> Any:
        one, other = _KINDS[type(left)], _KINDS[type(right)]
        if one == other and one in _ORDERED:
            return compare(left, right)
        if one in _NUMBERS and other in _NUMBERS:
            return compare(float(left), float(right))
        return no_overload(name, left, right)

    return ordered


def _contained(item: Any, container: Any) -> Any:
    if type(container) is list:
        return any(equal(item, other) for other in container)
    if type(container) is dict and type(item) in (str, int, bool, float):
        return type(item) is str and item in container
    return no_overload("in", item, container)


# -- arithmetic ------------------------------------------------------------------------------------------------------


def _arithmetic(name: str, symbol: str, of: Mapping[tuple[Kind, Kind], Function]) -> Function:
    def calculated(left: Any, right: Any) -> Any:
        kinds = _KINDS[type(left)], _KINDS[type(right)]
        function = of.get(kinds) or (MIXED.get(name) if set(kinds) == set(_NUMBERS) else None)
        return function(left, right) if function else no_overload(symbol, left, right)

    return calculated


def _whole(function: Callable[[int, int], int]) -> Callable[[int, int], int]:
    def checked(left: int, right: int) -> int:
        return _in_range(function(left, right))

    return checked


def _in_range(value: int) -> int:
    if not INT_MIN <= value <= INT_MAX:
        raise ValueError("integer overflow")
    return value


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise ValueError("divide by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _remainder(left: int, right: int) -> int:
    if right == 0:
        raise ValueError("modulus by zero")
    _in_range(_quotient(left, right))
    return abs(left) % abs(right) * (-1 if left < 0 else 1)


def _time(function: Function) -> Function:
    def checked(left: Any, right: Any) -> Any:
        try:
            value = function(left, right)
        except OverflowError:
            raise ValueError("timestamp overflow") from None
        return longest(value) if isinstance(value, timedelta) else value

    return checked


_ADD: Mapping[tuple[Kind, Kind], Function] = {
    ("int", "int"): _whole(operator.add),
    ("double", "double"): operator.add,
    ("string", "string"): operator.add,
    ("list", "list"): operator.add,
    ("timestamp", "duration"): _time(operator.add),
    ("duration", "timestamp"): _time(operator.add),
    ("duration", "duration"): _time(operator.add),
}
_SUBTRACT: Mapping[tuple[Kind, Kind], Function] = {
    ("int", "int"): _whole(operator.sub),
    ("double", "double"): operator.sub,
    ("timestamp", "timestamp"): _time(operator.sub),
    ("timestamp", "duration"): _time(operator.sub),
    ("duration", "duration"): _time(operator.sub),
}
_MULTIPLY: Mapping[tuple[Kind, Kind], Function] = {
    ("int", "int"): _whole(operator.mul),
    ("double", "double"): operator.mul,
}
_DIVIDE: Mapping[tuple[Kind, Kind], Function] = {
    ("int", "int"): _whole(_quotient),
    ("double", "double"): MIXED["_/_"],
}


def _negated(value: Any) -> Any:
    if type(value) is int:
        return _in_range(-value)
    return -value if type(value) is float else no_overload("-", value)


def _not(value: Any) -> Any:
    return not value if type(value) is bool else no_overload("!", value)


# -- parts -----------------------------------------------------------------------------------------------------------


def _element(container: Any, key: Any) -> Any:
    if type(container) is list:
        return _item(container, key)
    if type(container) is not dict:
        return no_overload("[]", container, key)
    if type(key) is str and key in container:
        return container[key]
    return failed(f"there is no key {key!r} in the map")


def _item(items: list[Any], index: Any) -> Any:
    if type(index) is float and index.is_integer():
        index = int(index)
    if type(index) is not int:
        return no_overload("[]", items, index)
    return items[index] if 0 <= index < len(items) else failed(f"there is no item {index} among {len(items)}")


def _has_key(container: Any, key: str) -> Any:
    return key in container if type(container) is dict else no_overload("has", container)


def _items_of(container: Any) -> Any:
    if type(container) is dict:
        return sorted(container)
    return container if type(container) is list else no_overload("comprehension", container)


def _size(value: Any) -> Any:
    return len(value) if type(value) in (str, list, dict) else no_overload("size", value)


# -- text and time ---------------------------------------------------------------------------------------------------


def _on_text(name: str, function: Callable[[str, str], bool]) -> Function:
    def checked(text: Any, other: Any) -> Any:
        if type(text) is str and type(other) is str:
            return function(text, other)
        return no_overload(name, text, other)

    return checked


@lru_cache(maxsize=256)
def compiled_pattern(pattern: str) -> Any:
    """The regular expression, by RE2: its time grows with the text, never more.

    Raises:
        re2.error: It is none.
    """
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _matches(text: str, pattern: str) -> bool:
    try:
        return compiled_pattern(pattern).search(text) is not None
    except re2.error as error:
        raise ValueError(f"invalid regular expression: {pattern_error(error)}") from None


def pattern_error(error: Any) -> str:
    """What RE2 says, which it says in bytes."""
    (message,) = error.args
    return message.decode() if isinstance(message, bytes) else str(message)


def _date_part(name: str, of: Mapping[Kind, Callable[[Any], int]]) -> Function:
    def part(value: Any) -> Any:
        function = of.get(_KINDS[type(value)])
        return function(value) if function else no_overload(name, value)

    return part


def _toward_zero(value: timedelta, unit: timedelta) -> int:
    return value // unit if value >= timedelta() else -(-value // unit)


def _millisecond(value: timedelta) -> int:
    milliseconds = _toward_zero(value, timedelta(milliseconds=1))
    return abs(milliseconds) % 1_000 * (-1 if milliseconds < 0 else 1)


_DATE_PARTS: Mapping[str, Mapping[Kind, Callable[[Any], int]]] = {
    "getFullYear": {"timestamp": lambda value: value.year},
    "getMonth": {"timestamp": lambda value: value.month - 1},
    "getDate": {"timestamp": lambda value: value.day},
    "getDayOfMonth": {"timestamp": lambda value: value.day - 1},
    "getDayOfWeek": {"timestamp": lambda value: value.isoweekday() % 7},
    "getDayOfYear": {"timestamp": lambda value: value.timetuple().tm_yday - 1},
    "getHours": {
        "timestamp": lambda value: value.hour,
        "duration": lambda value: _toward_zero(value, timedelta(hours=1)),
    },
    "getMinutes": {
        "timestamp": lambda value: value.minute,
        "duration": lambda value: _toward_zero(value, timedelta(minutes=1)),
    },
    "getSeconds": {
        "timestamp": lambda value: value.second,
        "duration": lambda value: _toward_zero(value, timedelta(seconds=1)),
    },
    "getMilliseconds": {"timestamp": lambda value: value.microsecond // 1_000, "duration": _millisecond},
}


# -- the table -------------------------------------------------------------------------------------------------------


def _strict(function: Function) -> Function:
    """`function`, an error when an argument is one; a ValueError it raises becomes an error."""

    def guarded(*arguments: Any) -> Any:
        for argument in arguments:
            if isinstance(argument, CELEvalError):
                return argument
        try:
            return function(*arguments)
        except ValueError as error:
            return failed(str(error))

    return guarded


def _conversion(name: str, kinds: Mapping[Kind, tuple[Kind, Function]]) -> Function:
    def converted(value: Any) -> Any:
        known = kinds.get(_KINDS[type(value)])
        return known[1](value) if known else no_overload(name.removeprefix("to_"), value)

    return converted


_OPERATORS: Mapping[str, Function] = {
    "!_": _not,
    "-_": _negated,
    "_+_": _arithmetic("_+_", "+", _ADD),
    "_-_": _arithmetic("_-_", "-", _SUBTRACT),
    "_*_": _arithmetic("_*_", "*", _MULTIPLY),
    "_/_": _arithmetic("_/_", "/", _DIVIDE),
    "_%_": _arithmetic("_%_", "%", {("int", "int"): _remainder}),
    "_<_": _ordering("<", operator.lt),
    "_<=_": _ordering("<=", operator.le),
    "_>_": _ordering(">", operator.gt),
    "_>=_": _ordering(">=", operator.ge),
    "_==_": equal,
    "_!=_": lambda left, right: not equal(left, right),
    "_in_": _contained,
    "_[_]": _element,
    "dyn": lambda value: value,
    "type": lambda value: TypeOf(_KINDS[type(value)]),
    "size": _size,
    "has_key": _has_key,
    "items_of": _items_of,
    "contains": _on_text("contains", lambda text, part: part in text),
    "startsWith": _on_text("startsWith", str.startswith),
    "endsWith": _on_text("endsWith", str.endswith),
    "matches": _on_text("matches", _matches),
}
FUNCTIONS: Mapping[str, Function] = {
    name: _strict(function)
    for name, function in (
        *_OPERATORS.items(),
        *((name, _conversion(name, kinds)) for name, kinds in CONVERSIONS.items()),
        *((name, _date_part(name, of)) for name, of in _DATE_PARTS.items()),
    )
}
"""What cel-python calls for an operator or a function, by its name there."""
