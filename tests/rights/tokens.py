"""Edit tokens for tests, and the plan that most of them are for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from pointsman.base.ids import Millis, RunId, TokenId
from pointsman.plan import Plan
from pointsman.rights.biscuit import ROOT
from pointsman.rights.denials import denials
from pointsman.rights.effect import Account, Effect, PastPatch, accounts_of
from pointsman.rights.grant import CONTROL, Grant, Limits, Share
from tests.support.plans import edge, plan, task

UNTIL = Millis(2_000_000_000_000)
AMPLE = Limits(CONTROL | {"function", "http"}, 10, 100, UNTIL)

BASE = plan(
    *(task(name) for name in ("begin", "plan", "other", "review", "publish", "reject", "report", "sink")),
    "begin->plan->report->sink",
    "begin->other->sink",
    "plan->review",
    edge("review->publish", "output.ok"),
    edge("review->reject"),
)
"""`plan` issues the token. Behind it `report` always runs, `publish` only if `review` says so; `other` is beside it."""


def a_grant(node: str = "plan", limits: Limits = AMPLE, *shares: Share, attempt: int = 1, run: str = "run_1") -> Grant:
    """What a token for a node of the root frame says."""
    return Grant(RunId(run), TokenId(f":{node}"), attempt, "ann", (Share(ROOT, limits), *shares))


def limited(**limits: Any) -> Limits:
    """Ample limits, but for some."""
    return replace(AMPLE, **limits)


def extended(old: Plan, *parts: Any) -> Plan:
    """The plan with nodes and edges more."""
    return plan(*old.nodes, *old.edges, *parts)


def without(old: Plan, *gone: str) -> Plan:
    """The plan less some nodes, with their edges, and less some edges."""
    nodes = [node for node in old.nodes if node.id not in gone]
    edges = [way for way in old.edges if not {way.id, way.source, way.target} & set(gone)]
    return plan(*nodes, *edges)


def accounted(grant: Grant, *steps: tuple[str, Plan], operations: int = 1) -> tuple[Account, ...]:
    """What a run's patches come to: the plan it began with, then each patch by who sent it and what it led to."""
    effects = [Effect.between(*pair) for pair in pairwise(kept for _, kept in steps)]
    senders = [by for by, _ in steps[1:]]
    return accounts_of(grant, [PastPatch(by, operations, effect) for by, effect in zip(senders, effects, strict=True)])


def codes(
    new: Plan,
    *,
    old: Plan = BASE,
    grant: Grant | None = None,
    accounts: tuple[Account, ...] | None = None,
    operations: int = 1,
) -> list[tuple[str, str]]:
    """Why a patch is denied: the codes, each with its pointer."""
    held = grant or a_grant()
    told = denials(held, accounts or accounted(held, ("", old)), old, new, operations)
    return [(problem.code, problem.pointer) for problem in told]


def only(found: Iterable[tuple[str, str]]) -> set[str]:
    """The codes alone."""
    return {code for code, _ in found}
