"""The CEL project's own engine, in C++ (package `cel-expr-python`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from cel_expr_python import cel

from pointsman.expr.backend import Program, Raised
from pointsman.expr.functions import CONVERSIONS, MIXED, Function, Kind
from pointsman.expr.values import NotJson, duration_text, finite, holds_null, timestamp_text
from pointsman.expr.writer import Dialect

_UNBOUND = re.compile(r'No value with name "(\w+)" found')
_OVERLOAD = re.compile(r"No matching overloads? found ?: ?(.+)")
_STATUS = re.compile(r"\A[A-Z_]+: |\s*\[[A-Z_]+\]\Z")


class CelCpp:
    """Evaluates with cel-cpp."""

    dialect: Dialect = "cel-cpp"

    def __init__(self) -> None:
        self.name = f"cel-cpp-{version('cel-expr-python')}"
        self._env = cel.NewEnv(extensions=[cel.CelExtension("pointsman", _declared())])

    def compile(self, text: str, *, boolean: bool) -> Program:
        """Make a text ready. Types are not checked before the values are known: in JSON `1 == 1.0` is true."""
        evaluate = self._env.compile(text, True).eval

        def condition(data: Mapping[str, Any]) -> Any:
            value = _evaluated(evaluate, data)
            plain = value.plain_value()
            return plain if plain is True or plain is False else _json(value)

        def anything(data: Mapping[str, Any]) -> Any:
            return _result(_evaluated(evaluate, data), nulls="null" in text or holds_null(list(data.values())))

        return condition if boolean else anything

    def pattern_problem(self, pattern: str) -> str | None:
        """Why this is no regular expression, or None if it is one."""
        try:
            self.compile('"".matches(v0)', boolean=True)({"v0": pattern})
        except Raised as error:
            return str(error).removeprefix("invalid regular expression: ")
        return None


def _evaluated(evaluate: Any, data: Mapping[str, Any]) -> Any:
    try:
        return evaluate(None, data)
    except RuntimeError as error:
        raise _raised(str(error)) from None


def _result(value: Any, *, nulls: bool) -> Any:
    """The value as JSON.

    `plain_value()` of cel-expr-python 0.1.3 hands out `None` without counting the reference; after some thousand nulls
    CPython 3.11 aborts ("deallocating None"). So where there may be a null, each part is asked for its kind first.
    """
    kind = value.type().name()
    if nulls or not kind.startswith(("LIST", "MAP")):
        return _json(value)
    return _cleaned(value.plain_value())


def _json(value: Any) -> Any:
    kind = value.type().name()
    match kind.partition("<")[0]:
        case "NULL":
            return None
        case "LIST":
            return [_json(item) for item in value.value()]
        case "MAP":
            return {key: _json(item) for key, item in sorted(value.value().items())}
        case "ERROR":
            raise _raised(value.plain_value())
        case "BOOL" | "INT" | "DOUBLE" | "STRING" | "TIMESTAMP" | "DURATION":
            return _cleaned(value.plain_value())
    raise NotJson(f"a {kind.lower()}, which JSON does not have")


def _cleaned(plain: Any) -> Any:
    match plain:
        case bool() | int() | str():
            return plain
        case float():
            return finite(plain)
        case list():
            return [_cleaned(item) for item in plain]
        case dict():
            return {key: _cleaned(item) for key, item in sorted(plain.items())}
        case datetime():
            return timestamp_text(plain)
        case timedelta():
            return duration_text(plain)
    raise NotJson("a type, which JSON does not have")


def _raised(message: str) -> Raised:
    if unbound := _UNBOUND.search(message):
        return Raised(message, unbound[1])
    message = _STATUS.sub("", message)
    if overload := _OVERLOAD.search(message):
        return Raised(f"`{_readable(overload[1])}` cannot be applied to these kinds of values")
    return Raised(message)


def _readable(overload: str) -> str:
    return overload.replace("_", " ").replace("@", "").replace("int64", "int").strip()


# -- the functions that are ours, declared for each kind of argument -------------------------------------------------
# Each takes only kinds without nulls inside (see `_result`: arguments are converted the same way).


def _declared() -> list[Any]:
    conversions = [
        cel.FunctionDecl(name, [_conversion(name, kind, *to) for kind, to in kinds.items()])
        for name, kinds in CONVERSIONS.items()
    ]
    return conversions + [_mixed(operator, function) for operator, function in MIXED.items()]


def _conversion(name: str, kind: Kind, result: Kind, function: Function) -> Any:
    """As text where it is a point in time (`writer` has cel-cpp read it): `datetime.max` would arrive as infinity."""
    if result != "timestamp":
        return _overload(f"{name}_{kind}", result, (kind,), function)
    return _overload(f"{name}_{kind}", "string", (kind,), lambda value: timestamp_text(function(value)))


def _mixed(operator: str, function: Function) -> Any:
    orders = (("int", "double"), ("double", "int"))
    return cel.FunctionDecl(
        operator, [_overload(f"{operator}{'_'.join(order)}", "double", order, function) for order in orders]
    )


def _overload(name: str, result: str, parameters: tuple[str, ...], function: Function) -> Any:
    kinds = {
        "bool": cel.Type.BOOL,
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "string": cel.Type.STRING,
        "timestamp": cel.Type.TIMESTAMP,
        "duration": cel.Type.DURATION,
        "list": cel.Type.List(cel.Type.DYN),
    }
    return cel.Overload(
        id=name, return_type=kinds[result], parameters=[kinds[kind] for kind in parameters], impl=function
    )
