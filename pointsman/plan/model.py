"""The types of a plan. Everything the engine needs and nothing it does not; no field is ever computed at run time.

Nodes and edges keep the order in which the author wrote them: branch order is the written order (SEMANTICS §3.5).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pointsman.base.ids import EdgeId, NodeId

Kind = Literal["task", "conditional", "loop", "parallel", "join", "wait"]
On = Literal["success", "error", "timeout"]
Route = Literal["first", "all"]
JoinMode = Literal["all", "any", "n"]
FailurePolicy = Literal["fail_fast", "continue", "park"]
Leave = Literal["break", "timeout"]


class Retry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How often and when a failed attempt is tried again. `max_attempts` counts the first."""

    max_attempts: int = 1
    backoff_ms: int = 1_000
    backoff_multiplier: float = 2.0
    max_backoff_ms: int = 300_000
    jitter: float = 0.0
    """Share of the backoff that varies, 0 to 1; derived from token and attempt, not from chance."""
    retry_on: tuple[str, ...] = ()
    """Error types that are retried; empty means all."""
    no_retry_on: tuple[str, ...] = ()


class Join(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When a node with several in-edges fires (SEMANTICS §3.2)."""

    mode: JoinMode = "all"
    count: int = 0
    """How many live edges `mode: n` waits for; 0 otherwise."""


class Loop(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The loop that the node carrying it closes. The edges that leave by it say so in `Edge.leave`."""

    condition: str
    """CEL; true means go on."""
    max_iterations: int
    entry: NodeId
    """Where each pass begins (`loop_back_to`)."""


class Node(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A step. `kind: task` is executed by the workers of `type`; every other kind inside the coordinator."""

    id: NodeId
    kind: Kind
    type: str = ""
    """Names the stream `wf.tasks.<type>`; empty for control nodes."""
    config: Any = None
    """JSON with `${ }` templates, as the author wrote it."""
    context: tuple[NodeId, ...] = ()
    """Earlier nodes whose outputs the worker is handed."""
    join: Join = Join()
    route: Route = "first"
    retry: Retry = Retry()
    timeout_ms: int | None = None
    """One attempt, from dispatch."""
    deadline_ms: int | None = None
    """The node, all attempts, from activation."""
    max_deliveries: int = 5
    """How many workers may be lost over one token before it counts as poison."""
    failure_policy: FailurePolicy | None = None
    """None: the plan's."""
    loop: Loop | None = None
    wait: int | str | None = None
    """`kind: wait`: milliseconds, or CEL giving them."""
    metadata: Any = None


class Edge(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"source": "from", "target": "to"},
):
    """A way from one node to the next."""

    id: EdgeId
    source: NodeId
    target: NodeId
    when: str | None = None
    on: On = "success"
    leave: Leave | None = None
    """For edges out of a node that closes a loop: the path they belong to; None there is the same as `break`."""


class Region(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The body of a loop: entered at `entry`, left only through `id`, the node that carries the loop."""

    id: NodeId
    entry: NodeId
    nodes: tuple[NodeId, ...]
    """In written order, `entry` and `id` included, and those of inner regions."""
    parent: NodeId | None = None
    """The region around this one."""


class Guards(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Limits of one run (SEMANTICS §4); exceeding one fails the run with a clear error."""

    max_nodes: int = 10_000
    max_tokens: int = 100_000
    """Activations over the whole run, every pass counted."""
    max_loop_iterations: int = 10_000
    """Passes over the whole run, all loops together."""
    max_duration_ms: int | None = None


class Plan(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A compiled, validated definition."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...] = ()
    regions: tuple[Region, ...] = ()
    """Outer before inner."""
    output: str | None = None
    """CEL for the run's output; None: the outputs of its end nodes."""
    failure_policy: FailurePolicy = "fail_fast"
    guards: Guards = Guards()
    metadata: Any = None
    format: int = 1
    """Raised when a plan written today could be misread by an older engine."""
