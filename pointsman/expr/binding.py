"""Paths to slots: the syntax tree as the engines will see it.

A path into the bindings becomes a variable `v0`, `v1`, …; the variables of comprehensions become `x0`, `x1`, …, so no
name of an author can clash with a word that an engine reserves; the name of a type becomes the type of an example.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pointsman.expr.references import VARIABLES
from pointsman.expr.slots import Kind, Path, Slot
from pointsman.expr.syntax import (
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
    Select,
    Unary,
)


@dataclass(frozen=True, slots=True)
class Bound:
    """An expression whose variables are slots."""

    root: Node
    slots: tuple[Slot, ...]

    @property
    def direct(self) -> Slot | None:
        """The one slot, where the expression is nothing else; no engine is needed for it."""
        return self.slots[0] if isinstance(self.root, Name) else None


def bind(root: Node) -> Bound:
    """Replace the paths in a checked tree by slots."""
    binder = _Binder()
    bound = binder.visit(root, {})
    slots = tuple(Slot(name, kind, path, binder.uses[name]) for (kind, path), name in binder.names.items())
    return Bound(bound, slots)


@dataclass(slots=True)
class _Binder:
    names: dict[tuple[Kind, Path], str] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)
    variables: int = 0

    def visit(self, node: Node, scope: Mapping[str, str]) -> Node:
        if (path := _path(node, scope)) is not None:
            return self._slot("value", path, node)
        match node:
            case Literal():
                return node
            case Name():
                return Name(scope[node.name], node.position) if node.name in scope else _type(node)
            case Has(operand, key):
                return self._has(node, _path(operand, scope), key, scope)
            case Call("size", (operand,)) if (path := _path(operand, scope)) is not None:
                return self._slot("size", path, node)
            case Comprehension():
                return self._comprehension(node, scope)
        return self._inside(node, scope)

    def _inside(self, node: Node, scope: Mapping[str, str]) -> Node:
        def visit(child: Node) -> Node:
            return self.visit(child, scope)

        match node:
            case Select() | Unary():
                return replace(node, operand=visit(node.operand))
            case Index():
                return replace(node, operand=visit(node.operand), index=visit(node.index))
            case Call():
                return replace(node, arguments=tuple(map(visit, node.arguments)))
            case Binary():
                return replace(node, left=visit(node.left), right=visit(node.right))
            case Logic():
                return replace(node, terms=tuple(map(visit, node.terms)))
            case Choice():
                parts = visit(node.condition), visit(node.then), visit(node.otherwise)
                return Choice(*parts, node.position, node.height)
            case ListOf():
                return replace(node, items=tuple(map(visit, node.items)))
            case MapOf():
                return replace(node, entries=tuple((visit(key), visit(value)) for key, value in node.entries))
        raise AssertionError(f"{type(node).__name__} is handled by visit")

    def _has(self, node: Has, path: Path | None, key: str, scope: Mapping[str, str]) -> Node:
        if path is not None:
            return self._slot("has", (*path, key), node)
        if isinstance(node.operand, Name) and node.operand.name not in scope:
            return self._slot("has", (node.operand.name, key), node)
        return replace(node, operand=self.visit(node.operand, scope))

    def _comprehension(self, node: Comprehension, scope: Mapping[str, str]) -> Node:
        path = _path(node.range, scope)
        over = self.visit(node.range, scope) if path is None else self._slot("range", path, node.range)
        variable = f"x{self.variables}"
        self.variables += 1
        inside = {**scope, node.variable: variable}
        predicate = self.visit(node.predicate, inside) if node.predicate else None
        body = self.visit(node.body, inside)
        return replace(node, range=over, variable=variable, predicate=predicate, body=body)

    def _slot(self, kind: Kind, path: Path, node: Node) -> Name:
        name = self.names.setdefault((kind, path), f"v{len(self.names)}")
        self.uses[name] = self.uses.get(name, 0) + 1
        return Name(name, node.position)


def _path(node: Node, scope: Mapping[str, str]) -> Path | None:
    """The path that `node` is, from a variable of the run; never one that stops at `ctx` itself."""
    keys: list[str | int] = []
    while True:
        match node:
            case Select(operand, key):
                keys.append(key)
                node = operand
            case Index(operand, Literal(int() as number)) if type(number) is int and number >= 0:
                keys.append(number)
                node = operand
            case Name(name) if name in VARIABLES and name not in scope:
                return None if name == "ctx" and not keys else (name, *reversed(keys))
            case _:
                return None


_EXAMPLES: Mapping[str, Node] = {
    "bool": Literal(True, 0),
    "int": Literal(0, 0),
    "double": Literal(0.0, 0),
    "string": Literal("", 0),
    "list": ListOf((), 0, 1),
    "map": MapOf((), 0, 1),
    "null_type": Literal(None, 0),
    "type": Call("type", (Literal(0, 0),), False, 0, 2),
}


def _type(node: Name) -> Node:
    return Call("type", (_EXAMPLES[node.name],), False, node.position, 2)
