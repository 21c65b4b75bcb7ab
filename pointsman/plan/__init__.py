"""The plan: what a definition compiles to. Frozen, canonical, named by its digest (stage 3)."""

from pointsman.plan.canonical import PlanUnreadable, PlanWriter, decode_plan, encode_plan, plan_digest
from pointsman.plan.model import (
    Edge,
    FailurePolicy,
    Guards,
    Join,
    JoinMode,
    Kind,
    Leave,
    Loop,
    Node,
    On,
    Plan,
    Region,
    Retry,
    Route,
)

__all__ = [
    "Edge",
    "FailurePolicy",
    "Guards",
    "Join",
    "JoinMode",
    "Kind",
    "Leave",
    "Loop",
    "Node",
    "On",
    "Plan",
    "PlanUnreadable",
    "PlanWriter",
    "Region",
    "Retry",
    "Route",
    "decode_plan",
    "encode_plan",
    "plan_digest",
]
