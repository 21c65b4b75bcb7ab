"""The table of SEMANTICS §8, cell by cell: each is a run in a state, an edit of one node, and the verdict on it.

The page `docs/concepts/live-editing.md` shows what is found here; `tests/edit/test_table.py` holds it to the design.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from pointsman.base.errors import EditRefused, Problem
from pointsman.edit import OnRunning
from pointsman.plan import Edge, Join, Node, Plan, Retry
from tests.support.edited import EditedRun
from tests.support.plans import control, edge, looping, regions, task

State = Callable[[], EditedRun]
Change = Callable[[Plan], Plan]

NODES: Final = (
    control("conditional", "gate"),
    task("before"),
    task("beside"),
    task("x", config={"to": "a"}),
    task("after"),
    task("other"),
)
EDGES: Final = (
    edge("gate->before", "input.go"),
    edge("gate->other"),
    edge("before->x"),
    edge("x->after"),
)


def _made(nodes: tuple[Node, ...], edges: tuple[Edge, ...]) -> Plan:
    return Plan("table", nodes, edges, regions(nodes, edges))


def _begun(*more: Edge, go: bool = True, nodes: tuple[Node, ...] = NODES) -> EditedRun:
    return EditedRun(_made(nodes, (*EDGES, *more)), {"go": go})


def not_activated() -> EditedRun:
    """`before`, which leads to `x`, is running."""
    return _begun()


def held_back() -> EditedRun:
    """`x` backs off after a failed attempt."""
    retrying = tuple(replace(node, retry=Retry(3)) if node.id == "x" else node for node in NODES)
    run = _begun(nodes=retrying)
    run.complete("before")
    run.fail("x")
    return run


def waiting_at_its_join() -> EditedRun:
    """One of the two ways into `x` has come in."""
    run = _begun(edge("beside->x"))
    run.complete("before")
    return run


def dispatched() -> EditedRun:
    """A worker has `x`."""
    run = _begun()
    run.complete("before")
    return run


def ended() -> EditedRun:
    """`x` has completed."""
    run = dispatched()
    run.complete("x", {"done": True})
    return run


def skipped() -> EditedRun:
    """The branch that leads to `x` was not taken."""
    return _begun(go=False)


def _with_node(**fields: object) -> Change:
    return lambda plan: replace(
        plan, nodes=tuple(replace(node, **fields) if node.id == "x" else node for node in plan.nodes)
    )


def remove_the_node(plan: Plan) -> Plan:
    """`x` goes, and its edges with it."""
    nodes = tuple(node for node in plan.nodes if node.id != "x")
    return _made(nodes, tuple(edge for edge in plan.edges if "x" not in (edge.source, edge.target)))


def add_an_edge_into_it(plan: Plan) -> Plan:
    """A new node leads to `x`."""
    return _made((*plan.nodes, task("n")), (*plan.edges, edge("n->x")))


def add_an_edge_out_of_it(plan: Plan) -> Plan:
    """`x` leads to a new node."""
    return _made((*plan.nodes, task("n")), (*plan.edges, edge("x->n")))


def remove_an_edge_into_it(plan: Plan) -> Plan:
    """`before` no longer leads to `x`, a new node does."""
    kept = tuple(edge for edge in plan.edges if edge.id != "before->x")
    return _made((*plan.nodes, task("n")), (*kept, edge("n->x")))


def change_the_when_of_an_edge_into_it(plan: Plan) -> Plan:
    """The way into `x` has a condition that does not hold."""
    return replace(plan, edges=tuple(replace(e, when="false") if e.id == "before->x" else e for e in plan.edges))


def move_it_into_a_loop(plan: Plan) -> Plan:
    """`x` closes a loop of its own."""
    nodes = tuple(looping(node, "x", "false") if node.id == "x" else node for node in plan.nodes)
    return _made(nodes, plan.edges)


STATES: Final[dict[str, State]] = {
    "not activated": not_activated,
    "held back": held_back,
    "waiting at its join": waiting_at_its_join,
    "running": dispatched,
    "ended": ended,
    "skipped": skipped,
}
CHANGES: Final[dict[str, Change]] = {
    "change its config": _with_node(config={"to": "b"}),
    "change its type": _with_node(type="mail"),
    "change its retry": _with_node(retry=Retry(7)),
    "change its timeout": _with_node(timeout_ms=9_000),
    "change its metadata": _with_node(metadata={"owner": "ops"}),
    "change its join": _with_node(join=Join("any")),
    "remove it": remove_the_node,
    "add an edge into it": add_an_edge_into_it,
    "add an edge out of it": add_an_edge_out_of_it,
    "lead another way into it": remove_an_edge_into_it,
    "put a false condition before it": change_the_when_of_an_edge_into_it,
    "move it into a loop": move_it_into_a_loop,
}
INSTEAD: Final[tuple[OnRunning, ...]] = ("restart", "cancel")


def verdict(state: str, change: str, on_running: OnRunning = "refuse") -> Problem | None:
    """Why the edit is refused; None where it is taken."""
    run = STATES[state]()
    try:
        run.edit(CHANGES[change](run.program.plan), on_running)
    except EditRefused as refused:
        return refused.problems[0]
    return None


def cell(state: str, change: str) -> str:
    """The verdict in words: `yes`, the code it is refused with, and what helps where the node is running."""
    problem = verdict(state, change)
    if problem is None:
        return "yes"
    helps = [f"`{instead}`" for instead in INSTEAD if verdict(state, change, instead) is None]
    return f"{problem.code}, or {' or '.join(helps)}" if helps else problem.code


def table() -> dict[str, dict[str, str]]:
    """Every cell, by change and state."""
    return {change: {state: cell(state, change) for state in STATES} for change in CHANGES}
