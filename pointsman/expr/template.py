"""Config values with `${ expression }` in them (SEMANTICS §5)."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pointsman.base.errors import ExpressionError, Problem
from pointsman.base.ids import NodeId
from pointsman.expr.expression import Expression
from pointsman.expr.findings import Finding, refused
from pointsman.expr.lexer import Unreadable, tokens
from pointsman.expr.references import References

if TYPE_CHECKING:
    from pointsman.expr.engines import Engine

SECRET = "secret://"
"""A string that begins so is the name of a secret, which only a worker resolves."""
_OPEN, _ESCAPED = "${", "$${"
_PLAIN_HOLE = re.compile(r"[\w .,()\[\]-]*\}", re.ASCII)
"""An expression without braces, strings and comments, up to the `}` behind it: most are."""


class Mixed(NamedTuple):
    """A string that has expressions in it."""

    pointer: str
    """Where it stands in the value."""
    text: str
    references: References


class Template:
    """A JSON value, compiled. Made by `compile_template`."""

    def __init__(self, root: _Part, strings: tuple[Mixed, ...]) -> None:
        self._root = root
        self.strings = strings
        """The strings in it that have expressions."""
        self.references = _all_of([string.references for string in strings])

    @property
    def is_constant(self) -> bool:
        """Whether it has no expression in it."""
        return isinstance(self._root, _Constant)

    def render(self, bindings: Mapping[str, Any]) -> Any:
        """The value with every expression replaced by what it gives.

        Parts without expressions are returned themselves, not copied.

        Raises:
            ExpressionError: An expression has no value. Its literal text is never passed on instead.
        """
        return self._root.render(bindings)


def compile_template(value: Any, engine: Engine) -> Template:
    """Compile every `${ }` in a JSON value.

    A string that is one `${ }` and nothing else becomes the expression's value, of whatever kind; inside other text a
    value is written as text: strings as they are, everything else as JSON. `$${` stands for `${`.

    Raises:
        ExpressionError: One or more do not compile. `problems` has each, with its JSON pointer inside `value`.
    """
    compiler = _Compiler(engine)
    root = compiler.part(value, "")
    if compiler.problems:
        raise _refused(compiler.problems)
    return Template(root, tuple(compiler.strings))


def _all_of(found: Sequence[References]) -> References:
    if len(found) == 1:
        return found[0]
    variables = (references.variables for references in found)
    nodes = (references.nodes for references in found)
    return References(frozenset[str]().union(*variables), frozenset[NodeId]().union(*nodes))


# -- parts -----------------------------------------------------------------------------------------------------------


class _Part(Protocol):
    def render(self, bindings: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Constant:
    value: Any

    def render(self, bindings: Mapping[str, Any]) -> Any:
        return self.value


@dataclass(frozen=True, slots=True)
class _Whole:
    expression: Expression

    def render(self, bindings: Mapping[str, Any]) -> Any:
        return self.expression.evaluate(bindings)


@dataclass(frozen=True, slots=True)
class _Text:
    parts: tuple[str | Expression, ...]

    def render(self, bindings: Mapping[str, Any]) -> str:
        return "".join(part if isinstance(part, str) else as_text(part.evaluate(bindings)) for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Items:
    items: tuple[_Part, ...]

    def render(self, bindings: Mapping[str, Any]) -> list[Any]:
        return [item.render(bindings) for item in self.items]


@dataclass(frozen=True, slots=True)
class _Entries:
    entries: tuple[tuple[str, _Part], ...]

    def render(self, bindings: Mapping[str, Any]) -> dict[str, Any]:
        return {key: part.render(bindings) for key, part in self.entries}


def as_text(value: Any) -> str:
    """A value as it stands inside other text: a string as it is, anything else as JSON without spaces."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


# -- compiling -------------------------------------------------------------------------------------------------------


class _Compiler:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.problems: list[Problem] = []
        self.strings: list[Mixed] = []

    def part(self, value: Any, pointer: str) -> _Part:
        match value:
            case str():
                return self._string(value, pointer)
            case list():
                return self._list(value, [self.part(item, f"{pointer}/{index}") for index, item in enumerate(value)])
            case dict():
                return self._map(value, pointer)
        return _Constant(value)

    def _list(self, value: list[Any], parts: list[_Part]) -> _Part:
        constants = [part.value for part in parts if isinstance(part, _Constant)]
        if len(constants) < len(parts):
            return _Items(tuple(parts))
        return _Constant(value if all(map(operator.is_, constants, value)) else constants)

    def _map(self, value: dict[str, Any], pointer: str) -> _Part:
        below = {key: f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}" for key in value}
        keys = [self._key(key, below[key]) for key in value]
        parts = [self.part(item, below[key]) for key, item in value.items()]
        constants = [part.value for part in parts if isinstance(part, _Constant)]
        if len(constants) < len(parts):
            return _Entries(tuple(zip(keys, parts, strict=True)))
        same = keys == list(value) and all(map(operator.is_, constants, value.values()))
        return _Constant(value if same else dict(zip(keys, constants, strict=True)))

    def _key(self, key: str, pointer: str) -> str:
        if _OPEN in key.replace(_ESCAPED, ""):
            message = f"`{key}` is a key, and only values may have `${{ }}`. Write `$${{` if you mean the text `${{`."
            self.problems.append(Problem("CEL012", pointer, message))
        return key.replace(_ESCAPED, _OPEN)

    def _string(self, text: str, pointer: str) -> _Part:
        if _OPEN not in text:
            return _Constant(text)
        if text.startswith(SECRET):
            message = f"`{text}` names a secret and must be written out, so that no data can choose a secret."
            self.problems.append(Problem("CEL012", pointer, message))
            return _Constant(text)
        parts = tuple(self._split(text, pointer))
        expressions = [part for part in parts if isinstance(part, Expression)]
        if expressions:
            self.strings.append(Mixed(pointer, text, _all_of([part.references for part in expressions])))
        if len(parts) == 1 and isinstance(parts[0], Expression):
            return _Whole(parts[0])
        if all(isinstance(part, str) for part in parts):
            return _Constant("".join(map(str, parts)))
        return _Text(parts)

    def _split(self, text: str, pointer: str) -> Iterator[str | Expression]:
        position = 0
        while (opening := text.find(_OPEN, position)) >= 0:
            if opening > position and text[opening - 1] == "$":
                yield text[position : opening - 1] + _OPEN
                position = opening + len(_OPEN)
                continue
            if opening > position:
                yield text[position:opening]
            expression, position = self._hole(text, opening, pointer)
            if expression is not None:
                yield expression
        if position < len(text):
            yield text[position:]

    def _hole(self, text: str, opening: int, pointer: str) -> tuple[Expression | None, int]:
        """The expression of the `${` at `opening`, None if it is bad, and where the text goes on."""
        end = len(text)
        try:
            end = _end(text, opening)
            expression = self._engine.compile(text[opening + len(_OPEN) : end].strip())
        except ExpressionError as error:
            self.problems += [replace(problem, pointer=pointer) for problem in error.problems]
            return None, end + 1
        return expression, end + 1


def _end(text: str, opening: int) -> int:
    """Where the `}` stands that closes the `${` at `opening`; braces and strings of the expression are not it."""
    plain = _PLAIN_HOLE.match(text, opening + len(_OPEN))
    if plain is not None:
        return plain.end() - 1
    depth = 0
    try:
        for token in tokens(text, opening + len(_OPEN)):
            if token.kind != "symbol" or token.text not in "{}":
                continue
            if token.text == "}" and depth == 0:
                return token.position
            depth += 1 if token.text == "{" else -1
    except Unreadable as error:
        raise refused(text, [error.finding]) from None
    raise refused(text, [Finding("CEL012", opening, "this `${` is never closed by a `}`.")])


def _refused(problems: list[Problem]) -> ExpressionError:
    first = problems[0]
    more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    hint = f" Did you mean {first.suggestion}?" if first.suggestion else ""
    return ExpressionError(first.code, f"{first.pointer or '/'}: {first.message}{hint}{more}", problems=tuple(problems))
