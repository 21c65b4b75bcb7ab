"""Whether what a node says fits its type, and whether its edges can ever be taken."""

from __future__ import annotations

from typing import Final

from pointsman.compile.endings import candidates, may_choose_none
from pointsman.compile.findings import Findings
from pointsman.compile.graph import Graph
from pointsman.definition import Definition, Node
from pointsman.definition.model import CONTROL_TYPES
from pointsman.plan import Edge

WORKER_FIELDS: Final = ("config", "context", "retry", "timeout_ms", "deadline_ms", "max_deliveries")
"""What only means something for a node that workers execute."""


def check_fields(graph: Graph, findings: Findings) -> None:
    """Check each node and its out-edges by themselves."""
    for node, form in graph.nodes.items():
        place = graph.places.nodes[node]
        _check_type(form, place, findings)
        _check_join(form, place, findings)
        if form.type in CONTROL_TYPES:
            _check_control(form, place, findings)
        for edge in graph.out[node]:
            if edge.on != "success":
                _check_failure_edge(form, graph.out[node], edge, graph.places.edges[edge.id], findings)


def check_names(definition: Definition, findings: Findings) -> None:
    """Check what can be said in two places: it must be the same in both."""
    about = definition.metadata
    _check_twice("name", definition.name, about.name, "/metadata/name", findings)
    _check_twice("version", definition.version, about.version, "/metadata/version", findings)
    for index, node in enumerate(definition.nodes):
        inner = (node.metadata or {}).get("name")
        _check_twice("name", node.name, inner, f"/nodes/{index}/metadata/name", findings)


def _check_twice(field: str, outer: object, inner: object, pointer: str, findings: Findings) -> None:
    if outer is not None and inner is not None and outer != inner:
        told = f"`{field}` stands here and outside of `metadata`, and the two differ. Keep one of them."
        findings.refuse("CMP007", pointer, told)


def _check_type(form: Node, place: str, findings: Findings) -> None:
    if form.type == "loop" and form.loop is None:
        findings.refuse("CMP008", place, "a node of type `loop` needs `loop`: when to go round again, and where to.")
    if form.type == "wait" and form.wait is None:
        told = "a node of type `wait` needs `wait`: milliseconds, or a CEL expression that gives them."
        findings.refuse("CMP008", place, told)
    if form.type != "wait" and form.wait is not None:
        told = f"`wait` belongs to nodes of type `wait`; this one's type is `{form.type}`."
        findings.refuse("CMP008", f"{place}/wait", told)
    if form.branch is not None and form.route == "all":
        told = "`branch` takes the first rule that is true, `route: all` every one. Remove one of them."
        findings.refuse("CMP008", f"{place}/route", told)


def _check_join(form: Node, place: str, findings: Findings) -> None:
    if form.join is None:
        return
    if form.join.mode == "n" and form.join.count is None:
        findings.refuse("CMP008", f"{place}/join", "a join of mode `n` needs `count`: how many live edges it takes.")
    if form.join.mode != "n" and form.join.count is not None:
        told = f"`count` belongs to mode `n`; this join's mode is `{form.join.mode}`."
        findings.refuse("CMP008", f"{place}/join/count", told)


def _check_control(form: Node, place: str, findings: Findings) -> None:
    for name in WORKER_FIELDS:
        if name in form.model_fields_set and getattr(form, name) not in (None, {}, []):
            told = f"`{name}` has no effect on a node of type `{form.type}`, which no worker executes; it was left out."
            findings.warn("CMP104", f"{place}/{name}", told)


def _check_failure_edge(form: Node, out: list[Edge], edge: Edge, pointer: str, findings: Findings) -> None:
    if form.type in CONTROL_TYPES:
        if edge.on == "timeout":
            told = f"a node of type `{form.type}` has no timeout, so this edge could never be taken."
            findings.refuse("CMP025", pointer, told)
        elif not _can_fail(form, out):
            told = f"`{form.id}` of type `{form.type}` cannot fail, so this edge could never be taken."
            findings.refuse("CMP025", pointer, told)
    elif edge.on == "timeout" and form.timeout_ms is None and form.deadline_ms is None:
        told = f"`{form.id}` has neither `timeout_ms` nor `deadline_ms`, so this edge is never taken."
        findings.warn("CMP105", pointer, told)


def _can_fail(form: Node, out: list[Edge]) -> bool:
    """Whether a control node has anything to evaluate that may raise, or a loop that may be exhausted."""
    undecided = any(edges and may_choose_none(edges) for edges in candidates(form, out))
    exhausted = form.loop is not None and not candidates(form, out)[1]
    return undecided or exhausted or isinstance(form.wait, str)
