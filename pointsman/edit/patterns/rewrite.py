"""A definition on its way through a pattern: every change is made as an operation, and kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Any

from pointsman.base.errors import Problem
from pointsman.base.ids import NODE_ID
from pointsman.base.reaching import reached
from pointsman.compile.graph import Graph
from pointsman.definition import Document, Operation, apply_patch
from pointsman.definition.patch import segment
from pointsman.definition.positions import pointer_of
from pointsman.definition.refusal import closest
from pointsman.edit.patterns.refusal import refusal, refused
from pointsman.edit.patterns.structure import graph_of
from pointsman.edit.patterns.way import Way, written
from pointsman.plan import Region


class Rewrite:
    """The document as far as it is, its ways, and the operations that brought it there.

    Where a node says itself which nodes follow (`branch`, `break_path`, `timeout_path`), these ways are written out as
    edges before any of them is changed.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.operations: list[Operation] = []
        self._rows: list[Way] = []
        """One for each item of `edges`."""
        self._made: list[Way] = []
        """Those that nodes say themselves."""
        self._idle: set[Way] = set()
        """Rows that say again what a `branch` says."""
        graph, regions = graph_of(document)
        self.regions: dict[str, Region] = {region.id: region for region in regions}
        self._read(graph, document.get("edges", ()))

    # -- what there is

    @property
    def ways(self) -> list[Way]:
        """Every way; those out of one node in the order in which they are tried."""
        return [*(way for way in self._rows if way not in self._idle), *self._made]

    @property
    def nodes(self) -> list[str]:
        """The ids of the nodes, as written."""
        return [node["id"] for node in self.document["nodes"]]

    def ins(self, node: str) -> list[Way]:
        """The ways into a node."""
        return [way for way in self.ways if way.target == node]

    def outs(self, node: str) -> list[Way]:
        """The ways out of a node."""
        return [way for way in self.ways if way.source == node]

    def node(self, name: str) -> dict[str, Any]:
        """A node as it is written."""
        found: dict[str, Any] = self.document["nodes"][self.nodes.index(name)]
        return found

    def need(self, names: Mapping[str, str]) -> None:
        """Refuse names of nodes that are none; they are keyed by where in the request they stand.

        Raises:
            EditRefused: EDT041.
        """
        known = self.nodes
        missing = [(pointer, name) for pointer, name in names.items() if name not in known]
        if missing:
            raise refusal(
                Problem("EDT041", pointer, f"there is no node `{name}`.", suggestion=closest(name, known))
                for pointer, name in missing
            )

    def reached(self, start: str, within: Iterable[str] | None = None, *, leading_on: bool = False) -> set[str]:
        """The nodes that ways lead to from one, itself included."""
        allowed = set(self.nodes if within is None else within)
        following: dict[str, list[str]] = {}
        for way in self.ways:
            if way.target in allowed and (way.leads_on or not leading_on):
                following.setdefault(way.source, []).append(way.target)
        return reached([start], lambda found: following.get(found, ()))

    def need_new(self, name: str, pointer: str, taken: Collection[str] = ()) -> None:
        """Refuse an id for a new node that is none, or that another node has.

        Raises:
            EditRefused: EDT045.
        """
        if not NODE_ID.match(name):
            told = f"`{name}` cannot be the id of a node (letters, digits, `_` and `-`, at most 64)."
            raise refused("EDT045", pointer, told)
        if name in self.nodes or name in taken:
            raise refused("EDT045", pointer, f"`{name}` is the id of another node. Give the new one its own.")

    def free_name(self, wanted: str, taken: Iterable[str] = ()) -> str:
        """An id for a new node: the one wanted, or the same with a number."""
        known, base = {*self.nodes, *taken}, wanted[:56]
        return next(name for name in chain([base], (f"{base}-{number}" for number in count(2))) if name not in known)

    # -- nodes

    def add_nodes(self, nodes: Sequence[dict[str, Any]], edges: Sequence[dict[str, Any]], graph: Graph) -> None:
        """Add nodes and the edges between them, whose graph is `graph`."""
        for node in nodes:
            self._do("add", "/nodes/-", node)
        for edge in edges:
            self._insert(len(self.document.get("edges", ())), edge)
        self._read(graph, edges)

    def add_node(self, node: dict[str, Any]) -> None:
        """Add a node that says of no other that it follows."""
        self._do("add", "/nodes/-", node)

    def replace_node(self, name: str, node: dict[str, Any]) -> None:
        """Put another node in the place of one; the ways stay as they are, but for its name in them."""
        self.write_out(name)
        ins, outs, new = self.ins(name), self.outs(name), node["id"]
        self._do("replace", self._place(name), node)
        for way in ins:
            self.reconnect(way, target=new)
        for way in outs if new != name else ():
            self._do("replace", self._way(way, "from"), new)
            way.source = new

    def drop_node(self, name: str) -> None:
        """Take out a node and every way into or out of it."""
        for way in [way for way in self._rows if name in (way.source, way.target)]:
            self._drop_row(way)
        for way in [way for way in self._made if way.target == name]:
            self.drop(way)
        self._made = [way for way in self._made if way.source != name]
        self._do("remove", self._place(name))

    def set_field(self, name: str, field: str, value: Any) -> None:
        """Write a field of a node; None takes it out."""
        node = self.node(name)
        if value is None and field in node:
            self._do("remove", self._place(name, field))
        elif value is not None:
            self._do("replace" if field in node else "add", self._place(name, field), value)

    def loop_of(self, name: str) -> dict[str, Any] | None:
        """What a node says about the loop that it closes."""
        field = self._loop_field(name)
        found: dict[str, Any] | None = self.node(name)[field] if field else None
        return found

    def begin_loop_at(self, loop: str, entry: str) -> None:
        """Have each pass of a loop begin at another node."""
        self._do("replace", self._place(loop, self._loop_field(loop) or "loop", "loop_back_to"), entry)

    def set_loop_condition(self, loop: str, condition: str) -> None:
        """Give a loop another condition."""
        self._do("replace", self._place(loop, self._loop_field(loop) or "loop", "condition"), condition)

    # -- ways

    def add(self, way: Way, after: Way | None = None) -> Way:
        """Add a way: behind another out of the same node, or behind all there are. One that is there says it all."""
        self.write_out(way.source)
        same = next((other for other in self._rows if other.says_the_same(way)), None)
        if same is not None:
            return same
        index = self._rows.index(after) + 1 if after is not None else len(self._rows)
        self._insert(index, written(way))
        self._rows.insert(index, way)
        return way

    def reconnect(self, way: Way, *, source: str | None = None, target: str | None = None) -> None:
        """Lead a way from or to another node; its place in the order stays."""
        source, target = source or way.source, target or way.target
        self.write_out(way.source)
        self.write_out(source)
        if source != way.source and target != way.target:
            row = self.document["edges"][self._rows.index(way)]
            self._do("replace", self._way(way), {**row, "from": source, "to": target})
        elif source != way.source:
            self._do("replace", self._way(way, "from"), source)
        elif target != way.target:
            self._do("replace", self._way(way, "to"), target)
        way.source, way.target = source, target

    def lead(self, way: Way, targets: Sequence[str]) -> None:
        """Lead a way to these nodes: itself to the first, others like it to the rest. To none: take it out."""
        missing = [target for target in targets if not self._has_other(way, way.between(way.source, target))]
        if not missing:
            self.drop(way)
            return
        self.reconnect(way, target=missing[0])
        last = way
        for target in missing[1:]:
            last = self.add(way.between(way.source, target), after=last)

    def drop(self, way: Way) -> None:
        """Take out a way."""
        self.write_out(way.source)
        self._drop_row(way)

    def set_condition(self, way: Way, when: str | None) -> None:
        """Give a way another condition, or none."""
        self.write_out(way.source)
        row = self.document["edges"][self._rows.index(way)]
        field = "condition" if row.get("condition") is not None else "when"
        if when is not None:
            self._do("replace" if field in row else "add", self._way(way, field), when)
        elif field in row:
            self._do("remove", self._way(way, field))
        way.when = when

    def write_out(self, source: str) -> None:
        """Write every way out of a node as an edge, so that each can be changed by itself. The plan stays the same."""
        if not self._unsay(source):
            return
        for way in [way for way in self._rows if way.source == source]:
            if way in self._idle:
                self._drop_row(way)
            elif way.leave is not None and "leave" not in self.document["edges"][self._rows.index(way)]:
                self._do("add", self._way(way, "leave"), way.leave)
        for way in [way for way in self._made if way.source == source]:
            self._made.remove(way)
            self._insert(len(self._rows), written(way))
            self._rows.append(way)

    def finish(self) -> None:
        """Give an id of its own to every way that goes by the same as another."""
        taken: set[str] = set()
        for way in [way for way in self._rows if way not in self._idle]:
            if way.key in taken and way.id is None:
                numbered = (f"{way.key}.{number}" for number in count(2))
                known = {other.key for other in self.ways}
                name = next(key for key in numbered if key not in known)
                self._do("add", self._way(way, "id"), name)
                way.id = name
            taken.add(way.key)

    # -- how it is written

    def _read(self, graph: Graph, edges: Sequence[dict[str, Any]]) -> None:
        """Take the ways of a graph, some of which are `edges`, the last ones of the document."""
        rows: dict[int, Way] = {}
        for edge in graph.edges:
            way = Way(edge.source, edge.target, edge.when, edge.on, edge.leave)
            _, field, number, *_ = graph.places.edges[edge.id].split("/")
            if field == "edges":
                rows[int(number)] = way
                way.id = edges[int(number)].get("id")
            else:
                way.id = edge.id if edge.id != way.key else None
                self._made.append(way)
        for index, item in enumerate(edges):
            row = rows.get(index) or Way(item["from"], item["to"], id=item.get("id"))
            self._rows.append(row)
            if index not in rows:
                self._idle.add(row)

    def _unsay(self, source: str) -> bool:
        """Take out what a node says about the nodes that follow it; False where it says nothing."""
        node, field = self.node(source), self._loop_field(source)
        paths = [path for path in ("break_path", "timeout_path") if field and node[field].get(path)]
        is_branching = node.get("branch") is not None
        if is_branching:
            self.set_field(source, "branch", None)
        for path in paths:
            self._do("remove", self._place(source, str(field), path))
        return is_branching or bool(paths)

    def _loop_field(self, name: str) -> str | None:
        """Where a node says that it closes a loop: in `loop`, or in the `config` of a node of type `loop`."""
        node = self.node(name)
        if node.get("loop") is not None:
            return "loop"
        config = node.get("config")
        is_there = node["type"] == "loop" and isinstance(config, dict) and "loop_back_to" in config
        return "config" if is_there else None

    def _has_other(self, way: Way, wanted: Way) -> bool:
        return any(other is not way and other.says_the_same(wanted) for other in self.ways)

    def _insert(self, index: int, edge: dict[str, Any]) -> None:
        edges = self.document.get("edges", ())
        place = "-" if index == len(edges) else segment(edges, index)
        self._do("add", pointer_of(("edges", place)), edge)

    def _drop_row(self, way: Way) -> None:
        self._do("remove", self._way(way))
        self._rows.remove(way)
        self._idle.discard(way)

    def _place(self, name: str, *fields: str) -> str:
        return pointer_of(("nodes", segment(self.document["nodes"], self.nodes.index(name)), *fields))

    def _way(self, way: Way, *fields: str) -> str:
        return pointer_of(("edges", segment(self.document["edges"], self._rows.index(way)), *fields))

    def _do(self, verb: str, pointer: str, *value: Any) -> None:
        operation = {"op": verb, "path": pointer} | ({"value": value[0]} if value else {})
        self.document = apply_patch(self.document, [operation])
        self.operations.append(operation)
