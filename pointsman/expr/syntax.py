"""The syntax tree of an expression.

`height` is how deep the engines will see a node's subtree: a path such as `output.a.b` is handed to them as one
variable, a comprehension costs up to three levels more than it shows, and `timestamp()` one (`writer`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

Macro: TypeAlias = OneOf["all", "exists", "exists_one", "filter", "map"]
Scalar: TypeAlias = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a string, true, false or null."""

    value: Scalar
    position: int
    height: int = 1


@dataclass(frozen=True, slots=True)
class Name:
    """A variable of the run, a comprehension's own variable, or the name of a type."""

    name: str
    position: int
    height: int = 1


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or `operand["field"]`, which means the same."""

    operand: Node
    field: str
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Index:
    """`operand[index]`."""

    operand: Node
    index: Node
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Has:
    """`has(operand.field)`."""

    operand: Node
    field: str
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Call:
    """`function(…)`, or `target.function(…)` with the target as the first argument."""

    function: str
    arguments: tuple[Node, ...]
    member: bool
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`!operand` or `-operand`."""

    operator: str
    operand: Node
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Binary:
    """An arithmetic or comparing operator, or `in`."""

    operator: str
    left: Node
    right: Node
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Logic:
    """`a && b && …` or `a || b || …`."""

    operator: str
    terms: tuple[Node, ...]
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? then : otherwise`."""

    condition: Node
    then: Node
    otherwise: Node
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b]`."""

    items: tuple[Node, ...]
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{"a": 1}`."""

    entries: tuple[tuple[Node, Node], ...]
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`range.macro(variable, body)`; `map` may have a `predicate` before its body."""

    macro: Macro
    range: Node
    variable: str
    predicate: Node | None
    body: Node
    position: int
    height: int


Node: TypeAlias = (
    Literal | Name | Select | Index | Has | Call | Unary | Binary | Logic | Choice | ListOf | MapOf | Comprehension
)


LISTS = (ListOf, Comprehension, Binary, Literal)
"""What can be gone through only if it is a list; anything else may turn out to be a map."""


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below `node`, in the order written."""
    match node:
        case Literal() | Name():
            return ()
        case Select() | Has() | Unary():
            return (node.operand,)
        case Index():
            return (node.operand, node.index)
        case Call():
            return node.arguments
        case Binary():
            return (node.left, node.right)
        case Logic():
            return node.terms
        case Choice():
            return (node.condition, node.then, node.otherwise)
        case ListOf():
            return node.items
        case MapOf():
            return tuple(part for entry in node.entries for part in entry)
        case Comprehension():
            return (node.range, *((node.predicate,) if node.predicate else ()), node.body)
