"""Nodes and edges of a definition, brought together: ids checked, every way between nodes made an edge.

What an author wrote at a node (`branch`, `break_path`, `timeout_path`) becomes edges too, behind those written as
edges. Where both say the same, they are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count

from pointsman.base.ids import NODE_ID, EdgeId, NodeId
from pointsman.compile.findings import Findings
from pointsman.compile.graph import Graph, Places
from pointsman.definition import Definition, Node
from pointsman.definition import Edge as EdgeForm
from pointsman.definition.faults import UNREADABLE
from pointsman.definition.refusal import closest
from pointsman.plan import Edge, Leave, On


def link(definition: Definition, findings: Findings) -> Graph:
    """Make the graph of a definition. What is wrong is in `findings` and left out of the graph."""
    known = _Known(definition, findings)
    ways = [way for index, form in enumerate(definition.edges) if (way := _written(form, f"/edges/{index}", known))]
    for node, form in known.nodes.items():
        if form.branch is not None:
            ways = _with_branch(ways, node, form, known)
    for node, form in known.nodes.items():
        if form.loop is not None:
            ways += _paths(ways, node, form, known)
    named = dict(_named(ways, findings))
    return Graph(
        known.nodes,
        [Edge(key, way.source, way.target, way.when, way.on, way.leave) for key, way in named.items()],
        Places(
            known.places,
            {key: way.pointer for key, way in named.items()},
            {key: way.condition for key, way in named.items()},
        ),
    )


class _Known:
    """The nodes that a definition has, and what to say where another is named."""

    def __init__(self, definition: Definition, findings: Findings) -> None:
        self.findings = findings
        self.nodes: dict[NodeId, Node] = {}
        self.places: dict[NodeId, str] = {}
        for index, node in enumerate(definition.nodes):
            if node.id != UNREADABLE:
                self._take(node, f"/nodes/{index}")

    def _take(self, node: Node, place: str) -> None:
        name = NodeId(node.id)
        if not NODE_ID.match(name):
            told = f"`{name}` cannot be the id of a node (letters, digits, `_` and `-`, at most 64)."
            self.findings.refuse("CMP002", f"{place}/id", told)
        if name in self.nodes:
            told = f"`{name}` is the id of another node already ({self.places[name]}). Give each its own."
            self.findings.refuse("CMP003", f"{place}/id", told)
            return
        self.nodes[name], self.places[name] = node, place

    def named(self, name: str, pointer: str) -> NodeId | None:
        """The node of that name, or None, which was then said unless it was said before."""
        if name in self.nodes:
            return NodeId(name)
        if name != UNREADABLE:
            self.findings.refuse("CMP004", pointer, f"there is no node `{name}`.", closest(name, self.nodes))
        return None


@dataclass(slots=True, eq=False)
class _Way:
    """An edge to be."""

    source: NodeId
    target: NodeId
    pointer: str
    condition: str
    """The pointer of its condition."""
    id: str | None = None
    is_written: bool = False
    """Whether the author wrote it as an edge."""
    when: str | None = None
    on: On = "success"
    leave: Leave | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it says nothing but that one node follows the other."""
        return self.is_written and self.when is None and self.on == "success" and self.leave is None


def _written(form: EdgeForm, place: str, known: _Known) -> _Way | None:
    ends = known.named(form.source, f"{place}/from"), known.named(form.target, f"{place}/to")
    if form.when is not None and form.condition is not None:
        told = "`when` and `condition` are two spellings of one field. Keep one of them."
        known.findings.refuse("CMP007", f"{place}/condition", told)
    source, target = ends
    if source is None or target is None:
        return None
    leave = form.leave
    if leave is not None and (known.nodes[source].loop is None or form.on != "success"):
        told = f"`leave` says by which path a loop is left, and this is no edge by which a loop at `{source}` is left."
        known.findings.refuse("CMP005", f"{place}/leave", told)
        leave = None
    return _Way(source, target, place, f"{place}/when", form.id, True, form.when or form.condition, form.on, leave)


def _with_branch(ways: list[_Way], node: NodeId, form: Node, known: _Known) -> list[_Way]:
    """Add the edges of a branch. A plain edge that leads where the branch does is the same edge written twice."""
    made = list(_branch(node, form, known))
    targets = {way.target for way in made}
    twice = [way for way in ways if way.source == node and way.is_plain and way.target in targets]
    ids = {way.target: way.id for way in reversed(twice)}
    for way in made:
        way.id = ids.pop(way.target, None)
    return [way for way in ways if way not in twice] + made


def _branch(node: NodeId, form: Node, known: _Known) -> Iterator[_Way]:
    assert form.branch is not None
    place = f"{known.places[node]}/branch"
    for index, rule in enumerate(form.branch.rules):
        at = f"{place}/rules/{index}"
        if rule.next is not None and rule.next_nodes is not None:
            told = "`next` and `next_nodes` are two spellings of one field. Keep one of them."
            known.findings.refuse("CMP007", f"{at}/next_nodes", told)
        names = rule.next or rule.next_nodes
        if not names:
            known.findings.refuse("CMP008", at, "this rule names no node that follows. Add `next`.")
        for pointer, target in _targets(names or [], f"{at}/next", known):
            yield _Way(node, target, pointer, f"{at}/condition", when=rule.condition)
    for pointer, target in _targets(form.branch.default, f"{place}/default", known):
        yield _Way(node, target, pointer, pointer)


def _paths(ways: list[_Way], node: NodeId, form: Node, known: _Known) -> list[_Way]:
    """Say of a loop node's edges by which path they leave, and make those that are still missing for that."""
    assert form.loop is not None
    known.named(form.loop.loop_back_to, f"{known.places[node]}/loop/loop_back_to")
    out = [way for way in ways if way.source == node and way.on == "success"]
    made: list[_Way] = []
    paths: Mapping[Leave, list[str]] = {"break": form.loop.break_path, "timeout": form.loop.timeout_path}
    for leave, names in paths.items():
        for pointer, target in _targets(names, f"{known.places[node]}/loop/{leave}_path", known):
            same = [way for way in out if way.target == target and way.leave in (None, leave)]
            for way in same:
                way.leave = leave
            if not same:
                made.append(_Way(node, target, pointer, pointer, leave=leave))
    return made


def _targets(names: list[str], place: str, known: _Known) -> Iterator[tuple[str, NodeId]]:
    for index, name in enumerate(names):
        target = known.named(name, f"{place}/{index}")
        if target is not None and name not in names[:index]:
            yield f"{place}/{index}", target


def _named(ways: list[_Way], findings: Findings) -> Iterator[tuple[EdgeId, _Way]]:
    """Give every edge its id: first those the author wrote as edges, then the others what is left."""
    taken: dict[str, _Way] = {}
    for way in ways:
        if not way.is_written and way.id is None:
            continue
        key = way.id or f"{way.source}->{way.target}"
        if key in taken:
            _refuse_twin(way, key, taken[key], findings)
        taken.setdefault(key, way)
    for way in ways:
        if not way.is_written and way.id is None:
            taken[_free_key(way, taken)] = way
    keys = {way: EdgeId(key) for key, way in taken.items()}
    return ((keys[way], way) for way in ways if way in keys)


def _refuse_twin(way: _Way, key: str, first: _Way, findings: Findings) -> None:
    told = f"`{key}` is the id of another edge already ({first.pointer}). Give each its own."
    if way.id is None:
        told = f"there is an edge `{key}` already ({first.pointer}). A second one between the same nodes needs an `id`."
    findings.refuse("CMP006", f"{way.pointer}/id" if way.id else way.pointer, told)


def _free_key(way: _Way, taken: Mapping[str, _Way]) -> str:
    plain = f"{way.source}->{way.target}"
    numbered = (f"{plain}.{number}" for number in count(2))
    return next(key for key in chain([plain], numbered) if key not in taken)
