"""Random plans: what the compiler's own tests draw, compiled, with conditions that read more than the last output."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.base.ids import NodeId
from pointsman.compile import compile_source
from pointsman.plan import Edge, FailurePolicy, Guards, Join, Node, Plan, Retry
from tests.support.definitions import definitions
from tests.support.driven import cel

POLICIES: Final[st.SearchStrategy[FailurePolicy]] = st.sampled_from(["continue", "continue", "park", "fail_fast"])
LIMITS: Final = st.sampled_from([None, None, None, 50_000])


@st.composite
def plans(draw: st.DrawFn, *, nodes: int = 10) -> Plan:
    """A compiled plan, made richer: more limits and retries, joins of any, conditions on passes and other tasks."""
    plan = compile_source(draw(definitions(cel(), nodes=nodes)), cel())[1].plan
    joins = {edge.target for edge in plan.edges if sum(other.target == edge.target for other in plan.edges) > 1}
    return replace(
        plan,
        nodes=tuple(_node(draw, node, node.id in joins) for node in plan.nodes),
        edges=tuple(_edge(draw, edge, readable(plan, edge.source)) for edge in plan.edges),
        failure_policy=draw(POLICIES),
        guards=Guards(max_duration_ms=draw(LIMITS)),
    )


def readable(plan: Plan, reader: NodeId) -> list[NodeId]:
    """The tasks a condition of `reader` may name: what may lie behind it, and what may in an earlier pass."""
    behind = {reader}
    while more := {edge.source for edge in plan.edges if edge.target in behind} - behind:
        behind |= more
    around = _around(plan, reader)
    tasks = [node.id for node in plan.nodes if node.kind == "task"]
    return [name for name in tasks if name in behind or _around(plan, name) <= around]


def _around(plan: Plan, name: NodeId) -> set[NodeId]:
    return {region.id for region in plan.regions if name in region.nodes}


def _node(draw: st.DrawFn, node: Node, is_join: bool) -> Node:
    if is_join and node.join.mode == "all" and _one_in(draw, 3):
        node = replace(node, join=Join("any"))
    if node.loop is not None and _one_in(draw, 2):
        node = replace(node, loop=replace(node.loop, condition=f"loop.iteration < {draw(st.integers(1, 3))}"))
    if node.kind == "task" and _one_in(draw, 3):
        retry = Retry(draw(st.integers(1, 3)), 100, no_retry_on=draw(st.sampled_from([(), ("timeout",)])))
        limits = [draw(st.sampled_from([None, limit])) for limit in (5_000, 7_000)]
        node = replace(node, retry=retry, timeout_ms=limits[0], deadline_ms=limits[1], max_deliveries=2)
    return node


def _edge(draw: st.DrawFn, edge: Edge, tasks: list[NodeId]) -> Edge:
    if edge.when is None or not tasks or _one_in(draw, 2):
        return edge
    return replace(edge, when=f"ctx.{draw(st.sampled_from(tasks))}.output.x > {draw(st.integers(0, 2))}")


def _one_in(draw: st.DrawFn, chances: int) -> bool:
    return draw(st.integers(1, chances)) == chances
