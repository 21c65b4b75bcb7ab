"""The bound tree to text again, for an engine to compile.

Both engines get the same text but for three words: `has()`, `timestamp()` and what a comprehension goes over. A map is
gone through in the order of its keys, because cel-cpp's own order differs from process to process.
"""

from __future__ import annotations

import json
from typing import Literal as OneOf
from typing import TypeAlias

from pointsman.expr.syntax import (
    LISTS,
    Binary,
    Call,
    Choice,
    Comprehension,
    Has,
    Index,
    ListOf,
    Literal,
    Logic,
    MapOf,
    Name,
    Node,
    Scalar,
    Select,
    Unary,
)

Dialect: TypeAlias = OneOf["cel-cpp", "cel-python"]

CONVERSIONS = frozenset(("bool", "double", "duration", "int", "string", "timestamp"))
"""Functions that we have of our own, as `to_bool` and so on: the engines' differ."""
_CHOICE, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER = range(8)
_LEVELS = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "%": _PRODUCT}


def write(root: Node, dialect: Dialect) -> str:
    """The text of `root` for the engine that speaks `dialect`."""
    return _Writer(dialect).write(root, _CHOICE)


def known_range(node: Comprehension) -> bool:
    """Whether what it goes over is a slot, or can only be a list."""
    return isinstance(node.range, LISTS) or (isinstance(node.range, Name) and node.range.name[0] == "v")


class _Writer:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def write(self, node: Node, level: int) -> str:
        own, text = self._written(node)
        return text if own >= level else f"({text})"

    def _written(self, node: Node) -> tuple[int, str]:
        match node:
            case Literal(value):
                number = isinstance(value, (int, float)) and not isinstance(value, bool)
                return _UNARY if number else _MEMBER, _literal(value)
            case Name(name):
                return _MEMBER, name
            case Unary(operator, operand):
                return _UNARY, operator + self.write(operand, _MEMBER)
            case Binary(operator, left, right):
                level = _LEVELS.get(operator, _RELATION)
                return level, f"{self.write(left, level)} {operator} {self.write(right, level + 1)}"
            case Logic(operator, terms):
                level = _OR if operator == "||" else _AND
                return level, f" {operator} ".join(self.write(term, level + 1) for term in terms)
            case Choice(condition, then, otherwise):
                parts = self.write(condition, _OR), self.write(then, _OR), self.write(otherwise, _CHOICE)
                return _CHOICE, "{} ? {} : {}".format(*parts)
            case _:
                return _MEMBER, self._member(node)

    def _member(self, node: Node) -> str:
        match node:
            case Select(operand, field):
                return f"{self.write(operand, _MEMBER)}[{_literal(field)}]"
            case Index(operand, index):
                return f"{self.write(operand, _MEMBER)}[{self.write(index, _CHOICE)}]"
            case Has(operand, field):
                return self._has(operand, field)
            case Call():
                return self._call(node)
            case ListOf(items):
                return f"[{self._comma(items)}]"
            case MapOf(entries):
                return (
                    "{" + ", ".join(f"{self._key(key)}: {self.write(value, _CHOICE)}" for key, value in entries) + "}"
                )
            case Comprehension():
                return self._comprehension(node)
        raise AssertionError(f"{type(node).__name__} is handled by _written")

    def _call(self, node: Call) -> str:
        if node.function in CONVERSIONS:
            text = f"to_{node.function}({self._comma(node.arguments)})"
            return f"timestamp({text})" if node.function == "timestamp" and self._dialect == "cel-cpp" else text
        name = node.function
        if not node.member or name == "size":
            return f"{name}({self._comma(node.arguments)})"
        target, *arguments = node.arguments
        return f"{self.write(target, _MEMBER)}.{name}({self._comma(tuple(arguments))})"

    def _has(self, operand: Node, field: str) -> str:
        if self._dialect == "cel-cpp":
            return f"has({self.write(operand, _MEMBER)}.{field})"
        return f"has_key({self.write(operand, _CHOICE)}, {_literal(field)})"

    def _key(self, key: Node) -> str:
        return self.write(key, _CHOICE) if isinstance(key, Literal) else f"map_key({self.write(key, _CHOICE)})"

    def _comprehension(self, node: Comprehension) -> str:
        parts = [part for part in (node.predicate, node.body) if part is not None]
        return f"{self._range(node)}.{node.macro}({node.variable}, {self._comma(tuple(parts))})"

    def _range(self, node: Comprehension) -> str:
        if known_range(node):
            return self.write(node.range, _MEMBER)
        text = self.write(node.range, _CHOICE)
        if self._dialect == "cel-python":
            return f"items_of({text})"
        return f"[{text}].map(r, type(r) == map ? in_order(r.map(k, k)) : r)[0]"

    def _comma(self, nodes: tuple[Node, ...]) -> str:
        return ", ".join(self.write(node, _CHOICE) for node in nodes)


def _literal(value: Scalar) -> str:
    return json.dumps(value, ensure_ascii=False)
