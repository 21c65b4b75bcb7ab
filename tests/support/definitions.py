"""Random definitions that compile: nested loops, branches, joins, error edges, waits.

A definition is drawn as regions inside regions. A region is a list of items, each a node or a loop; edges lead from
items to later ones, so there are no cycles, and a loop's body begins with one item and ends with the node that closes
it. What an edge says (`when`, `on`, `leave`) is drawn afterwards. Conditions read `output.x`, an integer: have workers
answer `{"x": n}` with n from `VALUES` to see every branch taken. On a control node with several sources they raise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from pointsman.base.errors import InvalidDefinition, Problem
from pointsman.compile import compile_source
from pointsman.expr import Engine

VALUES: Final = range(4)
CONDITIONS: Final = ("output.x > 0", "output.x > 1", "output.x == 3", "output.x % 2 == 0", "output.x < 0")
TYPES: Final = ("function", "http", "agent")
PASS_THROUGH: Final = ("parallel", "conditional", "join")

# Made once: each is drawn from thousands of times.
_ONE_IN_FOUR: Final = st.integers(0, 3)
_EITHER: Final = st.booleans()
_CONDITION: Final = st.sampled_from(CONDITIONS)
_POLICY: Final = st.sampled_from(("continue", "fail_fast", "park"))
_TYPE: Final = st.sampled_from(TYPES)
_TROUBLE: Final = st.sampled_from(("error", "timeout"))
_WAY_OUT: Final = st.sampled_from(("break", "timeout"))
_WAIT: Final = st.sampled_from((0, 1_000, "size(run.id) * 100"))
_FEW: Final = st.integers(0, 4)
_ATTEMPTS: Final = st.integers(1, 3)


@cache
def _some(places: int, least: int) -> st.SearchStrategy[list[int]]:
    """Up to three of so many places. To make such a strategy takes longer than to draw from it."""
    return st.lists(st.sampled_from(range(places)), min_size=least, max_size=3, unique=True)


Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """A node, or a loop with everything in it: where it is entered and left."""

    entry: str
    exit: str


@st.composite
def definitions(
    draw: st.DrawFn,
    engine: Engine,
    *,
    nodes: int = 10,
    least: int = 1,
    depth: int = 2,
    passes: int = 3,
    control: bool = True,
    failures: bool = True,
    references: bool = False,
    spellings: bool = False,
) -> Document:
    """A definition document that compiles.

    Args:
        draw: Given by Hypothesis.
        engine: The CEL engine to compile it with.
        nodes: About how many nodes at most; each loop may add one.
        least: And at least.
        depth: How deep loops may nest; 0: no loops.
        passes: `max_iterations` at most.
        control: Whether there are control nodes. Any node can close a loop, all the same.
        failures: Whether there are retries, timeouts, `on:` edges and failure policies.
        references: Whether configs read earlier nodes, always asking first whether they are there.
        spellings: Whether the same things are said in other ways too: `branch`, `condition`, `break_path`.
    """
    drawing = _Drawing(draw, draw(st.integers(least, nodes)), passes, control, failures)
    drawing.region(depth, is_body=False)
    drawing.decorate()
    if references:
        drawing.refer()
    if spellings:
        drawing.respell()
    return _satisfiable(drawing.document(), engine)


@dataclass
class _Drawing:
    draw: st.DrawFn
    left: int
    passes: int
    control: bool
    failures: bool
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    edges: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> Document:
        edges = self.edges if self.draw(_EITHER) else self.edges[::-1]
        document: Document = {"name": "drawn", "nodes": list(self.nodes.values()), "edges": edges}
        if self.failures and self.chance():
            document["metadata"] = {"failure_policy": self.draw(_POLICY)}
        return document

    def chance(self) -> bool:
        return self.draw(_ONE_IN_FOUR) == 3

    # -- the graph

    def region(self, depth: int, *, is_body: bool) -> Item:
        """Draw items and the edges between them. A body has one entry, and everything in it leads to its exit."""
        items: list[Item] = []
        wanted = self.draw(_FEW) if is_body else self.left
        while self.left > 0 and len(items) < wanted:
            self.add(items, self.item(depth), is_body)
        if is_body or not items:
            self.add(items, self.node(), is_body)
            led_on = {edge["from"] for edge in self.edges}
            self.edges += [_edge(item, items[-1]) for item in items[:-1] if item.exit not in led_on]
        return Item(items[0].entry, items[-1].exit)

    def add(self, items: list[Item], item: Item, is_body: bool) -> None:
        """Put `item` behind some of those before it: at least one, in a body."""
        if items:
            least = 1 if is_body or self.draw(_FEW) else 0
            self.edges += [_edge(items[at], item) for at in self.draw(_some(len(items), least))]
        items.append(item)

    def item(self, depth: int) -> Item:
        return self.loop(depth - 1) if depth and self.chance() else self.node()

    def node(self) -> Item:
        self.left -= 1
        name = f"n{len(self.nodes)}"
        self.nodes[name] = {"id": name, "type": "function"}
        return Item(name, name)

    def loop(self, depth: int) -> Item:
        body = self.region(depth, is_body=True)
        self.nodes[body.exit]["loop"] = {
            "condition": self.draw(_CONDITION),
            "max_iterations": self.draw(st.integers(1, self.passes)),
            "loop_back_to": body.entry,
        }
        return body

    # -- what nodes and edges say

    def decorate(self) -> None:
        for name, node in self.nodes.items():
            if self.control and self.chance():
                self.make_control(node)
            elif self.failures and self.chance():
                self.make_fallible(node)
            out = [edge for edge in self.edges if edge["from"] == name]
            if out:
                self.decorate_edges(node, out)
            into = sum(edge["to"] == name for edge in self.edges)
            if into > 1 and self.chance():
                node["join"] = self.draw(st.sampled_from(("any", *range(1, into + 1))))

    def make_control(self, node: dict[str, Any]) -> None:
        node["type"] = self.draw(st.sampled_from((*PASS_THROUGH, "wait", "loop" if "loop" in node else "join")))
        if node["type"] == "wait":
            node["wait"] = self.draw(_WAIT)

    def make_fallible(self, node: dict[str, Any]) -> None:
        node["type"] = self.draw(_TYPE)
        if self.chance():
            node["retry"] = {"max_attempts": self.draw(_ATTEMPTS), "backoff_ms": 100}
        if self.chance():
            node["timeout_ms"] = 5_000
        if self.chance():
            node["failure_policy"] = self.draw(_POLICY)

    def decorate_edges(self, node: dict[str, Any], out: list[dict[str, Any]]) -> None:
        if self.chance():
            node["route"] = "all"
        is_branching = self.draw(_EITHER)
        for edge in out:
            if is_branching and self.draw(_EITHER):
                edge["when"] = self.draw(_CONDITION)
            if self.failures and node["type"] in TYPES and self.chance():
                edge["on"] = self.draw(_TROUBLE)
            elif "loop" in node and self.draw(_EITHER):
                edge["leave"] = self.draw(_WAY_OUT)

    def refer(self) -> None:
        before: dict[str, set[str]] = {}
        for name, node in self.nodes.items():
            sources = [edge["from"] for edge in self.edges if edge["to"] == name]
            before[name] = set(sources).union(*(before[source] for source in sources))
            if before[name] and node["type"] in TYPES:
                earlier = self.draw(st.sampled_from(sorted(before[name])))
                node["config"] = {"saw": f"${{has(ctx.{earlier}) ? ctx.{earlier}.output : null}}", "to": ["${run.id}"]}
                node["context"] = [earlier]

    def respell(self) -> None:
        for name, node in self.nodes.items():
            out = [edge for edge in self.edges if edge["from"] == name]
            if "loop" in node and self.draw(_EITHER):
                self.respell_paths(node["loop"], out)
            elif "route" not in node and all(edge.keys() <= {"from", "to", "when"} for edge in out) and self.chance():
                self.respell_branch(node, out)
        for edge in self.edges:
            if "when" in edge and self.draw(_EITHER):
                edge["condition"] = {"type": "cel", "expression": edge.pop("when")}

    def respell_paths(self, loop: dict[str, Any], out: list[dict[str, Any]]) -> None:
        for edge in out:
            if leave := edge.pop("leave", None):
                loop.setdefault(f"{leave}_path", []).append(edge["to"])
            if edge.keys() == {"from", "to"} and leave and self.draw(_EITHER):
                self.edges.remove(edge)

    def respell_branch(self, node: dict[str, Any], out: list[dict[str, Any]]) -> None:
        rules = [{"condition": edge["when"], "next": edge["to"]} for edge in out if "when" in edge]
        if not rules:
            return
        node["branch"] = {"rules": rules, "default": [edge["to"] for edge in out if "when" not in edge]}
        for edge in out:
            self.edges.remove(edge)


def _edge(source: Item, target: Item) -> dict[str, Any]:
    return {"from": source.exit, "to": target.entry}


def _satisfiable(document: Document, engine: Engine) -> Document:
    """The document with every join that could never fire made one that can."""
    for problem in _problems(document, engine):
        _, _, index, field_name = problem.pointer.split("/")
        assert (problem.code, field_name) == ("CMP024", "join"), problem
        document["nodes"][int(index)]["join"] = "any"
    return document


def _problems(document: Document, engine: Engine) -> tuple[Problem, ...]:
    try:
        compile_source(document, engine)
    except InvalidDefinition as wrong:
        return wrong.problems
    return ()
