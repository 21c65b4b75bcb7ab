"""What the workloads run, compiled like any definition."""

from __future__ import annotations

from typing import Any

from pointsman.compile import compile_source
from pointsman.expr import Engine
from pointsman.plan import Plan

NOOP = {"type": "bench", "config": {"handler": "noop"}}


def chain(engine: Engine, steps: int, *, last_type: str = "bench") -> Plan:
    """`steps` tasks, one after the other."""
    nodes: list[dict[str, Any]] = [{"id": f"n{number}", **NOOP} for number in range(steps)]
    nodes[-1]["type"] = last_type
    edges = [{"from": f"n{number}", "to": f"n{number + 1}"} for number in range(steps - 1)]
    return _plan(engine, f"chain-{steps}-{last_type}", nodes, edges)


def fan_out(engine: Engine, width: int) -> Plan:
    """One task, `width` tasks behind it, one task that joins them."""
    middle = [f"m{number}" for number in range(width)]
    nodes = [{"id": name, **NOOP} for name in ("first", *middle, "last")]
    edges = [{"from": "first", "to": name} for name in middle] + [{"from": name, "to": "last"} for name in middle]
    return _plan(engine, f"fan-out-{width}", nodes, edges)


def loop(engine: Engine, passes: int) -> Plan:
    """One task, again until its condition says that `passes` are done."""
    again = {"condition": f"output.n < {passes}", "max_iterations": 10 * passes, "loop_back_to": "body"}
    body = {"id": "body", "type": "bench", "config": {"handler": "count", "n": "${ loop.iteration }"}, "loop": again}
    return _plan(engine, f"loop-{passes}", [body], [])


def _plan(engine: Engine, name: str, nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> Plan:
    return compile_source({"nodes": nodes, "edges": edges}, engine, name=name)[1].plan
