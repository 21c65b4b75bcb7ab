"""One interface to CEL, whichever engine evaluates it (SEMANTICS §3.4, §3.6, §5).

An expression is read, checked and bound to its slots here; an engine gets plain text with variables in it. What an
author sees (which expressions compile, what they mean, what they may cost, how they fail) therefore does not depend on
the engine. The suite in `tests/expr` holds both to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import msgspec

from pointsman.base.errors import ExpressionError
from pointsman.expr.backend import Backend
from pointsman.expr.binding import bind
from pointsman.expr.expression import Expression
from pointsman.expr.findings import Finding, refused
from pointsman.expr.lexer import Unreadable
from pointsman.expr.limits import Limits
from pointsman.expr.parser import parse
from pointsman.expr.references import check, pattern_of
from pointsman.expr.syntax import Binary, Call, Comprehension, Has, Logic, Node, Unary, children
from pointsman.expr.template import Template, compile_template
from pointsman.expr.writer import write

REMEMBERED = 4_096
"""Compiled expressions, and templates, that one engine keeps; the least recently used goes first."""
_LARGE = 2_048
"""Bytes above which a template is not kept: it holds its constants too."""
_PACKAGES = {"cel-cpp": "cel_expr_python", "cel-python": "celpy"}
_COMPARISONS = frozenset(("<", "<=", ">", ">=", "==", "!=", "in"))
_PREDICATES = frozenset(("contains", "startsWith", "endsWith", "matches", "bool"))


class Engine(Protocol):
    """Compiles expressions. `name` is recorded with a run, because a replay must use the same engine."""

    name: str

    def compile(self, source: str) -> Expression:
        """Compile an expression, or find it as it was compiled before.

        Raises:
            ExpressionError: It is no expression, reads what cannot be read, or is too large; `problems` has everything
                that is wrong with it.
        """
        ...

    def template(self, value: Any) -> Template:
        """Compile a JSON value that may have `${ }` in it, or find it as it was compiled before.

        Raises:
            ExpressionError: As `pointsman.expr.compile_template`.
        """
        ...


def engine(name: Literal["cel-cpp", "cel-python"] | None = None, limits: Limits | None = None) -> Engine:
    """A new engine: the one asked for, else cel-cpp, else cel-python.

    Raises:
        ExpressionError: It is not installed.
    """
    chosen = name or ("cel-cpp" if find_spec(_PACKAGES["cel-cpp"]) else "cel-python")
    if find_spec(_PACKAGES[chosen]) is None:
        raise ExpressionError(
            "CEL013",
            f"the CEL engine {chosen} is not installed, so no expression can be read. Install pointsman again.",
        )
    return _Engine(_backend(chosen), limits or Limits())


def _backend(name: str) -> Backend:
    # Imported here so that a process loads only the engine it uses: cel-python takes 200 ms and 21 MB.
    if name == "cel-cpp":
        from pointsman.expr.cel_cpp import CelCpp

        return CelCpp()
    from pointsman.expr.cel_python import CelPython

    return CelPython()


@dataclass(frozen=True, slots=True)
class _Known:
    """A JSON value that goes by its encoding."""

    encoded: bytes
    value: Any = field(compare=False)


class _Engine:
    def __init__(self, backend: Backend, limits: Limits) -> None:
        self.name = backend.name
        self._backend = backend
        self._limits = limits
        self._compiled = lru_cache(maxsize=REMEMBERED)(self._compile)
        self._templates = lru_cache(maxsize=REMEMBERED)(self._template)

    def compile(self, source: str) -> Expression:
        return self._compiled(source)

    def template(self, value: Any) -> Template:
        known = _Known(msgspec.json.encode(value), value)
        return self._template(known) if len(known.encoded) > _LARGE else self._templates(known)

    def _template(self, known: _Known) -> Template:
        return compile_template(known.value, self)

    def _compile(self, source: str) -> Expression:
        try:
            root = parse(source, self._limits)
        except Unreadable as error:
            raise refused(source, [error.finding]) from None
        references, findings = check(source, root, self._limits)
        findings += self._bad_patterns(root)
        if findings:
            raise refused(source, findings)
        bound = bind(root)
        program = self._backend.compile(write(bound.root, self._backend.dialect), boolean=_is_boolean(bound.root))
        return Expression(source, bound, references, program, self._limits)

    def _bad_patterns(self, node: Node) -> list[Finding]:
        found = [finding for child in children(node) for finding in self._bad_patterns(child)]
        pattern = pattern_of(node)
        if pattern is not None and (reason := self._backend.pattern_problem(pattern)):
            found.append(Finding("CEL014", node.position, f"`{pattern}` is no regular expression: {reason}."))
        return found


def _is_boolean(node: Node) -> bool:
    """Whether the value, if there is one, can only be true or false."""
    match node:
        case Logic() | Has() | Unary("!"):
            return True
        case Binary(operator):
            return operator in _COMPARISONS
        case Call(function):
            return function in _PREDICATES
        case Comprehension(macro):
            return macro in ("all", "exists", "exists_one")
    return False
