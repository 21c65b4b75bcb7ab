"""The plan of a definition that has no problems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from pointsman.base.ids import NodeId
from pointsman.compile.graph import Graph
from pointsman.definition import Definition, JoinForm, LoopForm, RetryForm
from pointsman.definition import Node as NodeForm
from pointsman.definition.model import CONTROL_TYPES
from pointsman.plan import Guards, Join, Kind, Loop, Node, Plan, Region, Retry

UNNAMED: Final = "unnamed"
"""The name of a plan whose definition has none, and that is not stored under one either."""


def assemble(
    definition: Definition,
    graph: Graph,
    regions: tuple[Region, ...],
    name: str | None,
    node: Callable[[NodeForm], Node],
) -> Plan:
    """Put the plan together. `name` counts before the name the definition gives itself; `node` does `node_of`."""
    about = definition.metadata
    return Plan(
        name=name or definition.name or about.name or UNNAMED,
        nodes=tuple(map(node, graph.nodes.values())),
        edges=graph.edges,
        regions=regions,
        output=about.output,
        failure_policy=about.failure_policy,
        guards=Guards(**about.limits.model_dump()),
        metadata=_metadata(definition),
    )


def node_of(form: NodeForm) -> Node:
    """The plan's node that a definition's node stands for."""
    if form.type in CONTROL_TYPES:
        return Node(
            id=NodeId(form.id),
            kind=cast(Kind, form.type),
            join=_join(form.join),
            route=form.route,
            failure_policy=form.failure_policy,
            loop=_loop(form.loop),
            wait=form.wait,
            metadata=_about(form),
        )
    return Node(
        id=NodeId(form.id),
        kind="task",
        type=form.type,
        config=form.config,
        context=tuple(map(NodeId, form.context)),
        join=_join(form.join),
        route=form.route,
        retry=_retry(form.retry),
        timeout_ms=form.timeout_ms,
        deadline_ms=form.deadline_ms,
        max_deliveries=form.max_deliveries,
        failure_policy=form.failure_policy,
        loop=_loop(form.loop),
        metadata=_about(form),
    )


def _join(form: JoinForm | None) -> Join:
    return Join() if form is None else Join(form.mode, form.count or 0)


def _retry(form: RetryForm | None) -> Retry:
    if form is None:
        return Retry()
    return Retry(
        form.max_attempts,
        form.backoff_ms,
        form.backoff_multiplier,
        form.max_backoff_ms,
        form.jitter,
        tuple(form.retry_on),
        tuple(form.no_retry_on),
    )


def _loop(form: LoopForm | None) -> Loop | None:
    return None if form is None else Loop(form.condition, form.max_iterations, NodeId(form.loop_back_to))


def _about(form: NodeForm) -> dict[str, Any] | None:
    named = {} if form.name is None else {"name": form.name}
    return named | (form.metadata or {}) or None


def _metadata(definition: Definition) -> dict[str, Any] | None:
    version = definition.version if definition.version is not None else definition.metadata.version
    kept = dict(definition.metadata.model_extra or {})
    return (kept if version is None else {"version": version} | kept) or None
