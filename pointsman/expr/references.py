"""Which variables and nodes an expression reads, and everything in it that no evaluation could make right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pointsman.base.ids import NODE_ID, NodeId
from pointsman.expr.findings import Finding, closest
from pointsman.expr.limits import Limits
from pointsman.expr.parser import MACROS
from pointsman.expr.syntax import (
    Binary,
    Call,
    Comprehension,
    Has,
    Index,
    Literal,
    MapOf,
    Name,
    Node,
    Select,
    children,
)

VARIABLES = ("input", "output", "ctx", "loop", "item", "index", "run")
"""What an expression can read (SEMANTICS §5)."""
FIELDS = {"loop": ("iteration",), "run": ("id", "workflow")}
"""Variables of which only these fields can be read."""
TYPES = ("bool", "int", "double", "string", "list", "map", "null_type", "type")
"""Names of types, to compare `type(…)` with."""
GLOBAL = dict.fromkeys(("bool", "double", "duration", "dyn", "int", "size", "string", "timestamp", "type"), 1) | {
    "matches": 2
}
"""Functions written `f(x)`, and how many arguments they take."""
DATE_PARTS = (
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
)
MEMBER = {"contains": 1, "endsWith": 1, "matches": 1, "size": 0, "startsWith": 1} | dict.fromkeys(DATE_PARTS, 0)
"""Functions written `x.f(…)`, and how many arguments they take."""
_NO_JSON = {"uint": "unsigned integers have", "bytes": "bytes have"}
_DASHED_NODE = re.compile(r"\bctx\.([A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)+)")


@dataclass(frozen=True, slots=True)
class References:
    """What an expression reads: top-level variables, and the nodes it reaches through `ctx`."""

    variables: frozenset[str] = frozenset()
    nodes: frozenset[NodeId] = frozenset()

    def __or__(self, other: References) -> References:
        return References(self.variables | other.variables, self.nodes | other.nodes)


def check(source: str, root: Node, limits: Limits) -> tuple[References, list[Finding]]:
    """What the expression reads, and what is wrong with it beyond its syntax."""
    walk = _Walk(source, limits)
    walk.visit(root, frozenset())
    return References(frozenset(walk.variables), frozenset(walk.nodes)), walk.findings


@dataclass(slots=True)
class _Walk:
    source: str
    limits: Limits
    variables: set[str] = field(default_factory=set)
    nodes: set[NodeId] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def visit(self, node: Node, bound: frozenset[str]) -> None:
        match node:
            case Name():
                self._name(node, bound)
            case Select(Name(name), key) | Has(Name(name), key) if name not in bound:
                self._field(name, key, node)
            case Index(Name("ctx")) if "ctx" not in bound:
                self._bare_ctx(node)
                self.visit(node.index, bound)
            case Comprehension():
                self._comprehension(node, bound)
            case _:
                self._inspect(node)
                for child in children(node):
                    self.visit(child, bound)

    def _comprehension(self, node: Comprehension, bound: frozenset[str]) -> None:
        self.visit(node.range, bound)
        inside = bound | {node.variable}
        for part in (node.predicate, node.body):
            if part is not None:
                self.visit(part, inside)

    # -- variables -----------------------------------------------------------------------------------------------

    def _name(self, node: Name, bound: frozenset[str]) -> None:
        if node.name in bound or node.name in TYPES:
            return
        if node.name == "ctx":
            self._bare_ctx(node)
        elif node.name in FIELDS:
            self._add("CEL005", node, f"`{node.name}` can only be read by field: {_either(node.name)}.")
        elif node.name in VARIABLES:
            self.variables.add(node.name)
        else:
            self._unknown(node.name, node.position)

    def _field(self, name: str, key: str, node: Node) -> None:
        if name == "ctx":
            self._node(key, node)
        elif name in FIELDS:
            self.variables.add(name)
            if key not in FIELDS[name]:
                self._unreadable(name, key, node)
        elif name in VARIABLES:
            self.variables.add(name)
        else:
            self._unknown(name, _leftmost(node))

    def _node(self, key: str, node: Node) -> None:
        self.variables.add("ctx")
        if NODE_ID.match(key):
            self.nodes.add(NodeId(key))
        else:
            self._add("CEL004", node, f"`{key}` cannot be the id of a node (letters, digits, `_` and `-`, at most 64).")

    def _bare_ctx(self, node: Node) -> None:
        self._add(
            "CEL004",
            node,
            '`ctx` must be followed by the id of a node, as in `ctx.score` or `ctx["my-node"]`: which nodes an '
            "expression reads has to be known before the run starts, because only their outputs are loaded.",
        )

    def _unreadable(self, name: str, key: str, node: Node) -> None:
        if (name, key) == ("run", "revision"):
            message = "`run.revision` cannot be read: the same run must take the same way before and after an edit."
            self._add("CEL005", node, message)
        else:
            known = closest(key, FIELDS[name])
            self._add("CEL005", node, f"`{name}` has no field `{key}`, only {_either(name)}.", known)

    def _unknown(self, name: str, position: int) -> None:
        dashed = self._dashed_node(position)
        known = dashed or closest(name, VARIABLES)
        message = f"there is no variable `{name}`; an expression can read {_list(VARIABLES)}."
        if dashed:
            message = f"`-` means minus here, and there is no variable `{name}`."
        self.findings.append(Finding("CEL002", position, message, known))

    def _dashed_node(self, position: int) -> str | None:
        for match in _DASHED_NODE.finditer(self.source):
            if match.start() < position < match.end():
                return f'`ctx["{match[1]}"]`'
        return None

    # -- everything else -----------------------------------------------------------------------------------------

    def _inspect(self, node: Node) -> None:
        match node:
            case Call():
                self._call(node)
            case MapOf():
                self._map(node)
            case Binary("-", Select(Name("ctx"))) if hint := self._dashed_node(node.position):
                self._add("CEL004", node, "`-` means minus here, and a node's outputs are no number.", hint)
            case _:
                pass

    def _call(self, node: Call) -> None:
        known = MEMBER if node.member else GLOBAL
        given = len(node.arguments) - node.member
        if node.function in _NO_JSON:
            self._add("CEL006", node, f"{_NO_JSON[node.function]} no JSON form; `{node.function}` is not supported.")
        elif node.function not in known:
            self._unknown_function(node, known)
        elif node.function in DATE_PARTS and given == 1:
            self._add("CEL006", node, _TIME_ZONE)
        elif given != known[node.function]:
            self._add("CEL003", node, f"`{node.function}` takes {known[node.function]} argument(s), not {given}.")
        elif node.function == "matches":
            self._pattern(node)

    def _unknown_function(self, node: Call, known: Iterable[str]) -> None:
        other = GLOBAL if node.member else MEMBER
        if node.function in other:
            form = f"{node.function}(x)" if node.member else f"x.{node.function}(…)"
            self._add("CEL003", node, f"`{node.function}` is written `{form}`.")
        elif node.function in MACROS:
            self._add("CEL003", node, f"`{node.function}` is written `list.{node.function}(x, …)`.")
        else:
            candidates = [*known, *(MACROS if node.member else ("has",))]
            self._add("CEL003", node, f"there is no function `{node.function}`.", closest(node.function, candidates))

    def _pattern(self, node: Call) -> None:
        size, most = len(pattern_of(node) or ""), self.limits.pattern
        if size > most:
            self._add("CEL007", node, f"the pattern has {size} characters; {most} are the most one may have.")

    def _map(self, node: MapOf) -> None:
        seen: set[str] = set()
        for key, _ in node.entries:
            if not isinstance(key, Literal):
                continue
            if not isinstance(key.value, str):
                self._add("CEL006", key, "the keys of a map are strings, as in JSON.")
            elif key.value in seen:
                self._add("CEL006", key, f'the key "{key.value}" stands twice in one map.')
            else:
                seen.add(key.value)

    def _add(self, code: str, node: Node, message: str, suggestion: str | None = None) -> None:
        self.findings.append(Finding(code, node.position, message, suggestion))


def pattern_of(node: Node) -> str | None:
    """The regular expression that `node` matches something with, where it is written out."""
    match node:
        case Call("matches", (_, Literal(str() as pattern))):
            return pattern
        case _:
            return None


_TIME_ZONE = (
    "time zones are not supported, because what they mean depends on the machine; dates are read in UTC. Add or "
    'subtract a duration("2h") first.'
)


def _leftmost(node: Node) -> int:
    while below := children(node):
        node = below[0]
    return node.position


def _either(name: str) -> str:
    return " or ".join(f"`{name}.{key}`" for key in FIELDS[name])


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
