"""What an edit would do: told by a preview, and held against a commit that carries the preview's `plan_hash`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from fastapi import Depends, Query

from orchestrator_api.problems import LocatedProblem
from pointsman.base.errors import EditRefused, Problem
from pointsman.base.ids import Digest, RunId
from pointsman.edit import OnRunning
from pointsman.edit.difference import Difference, difference
from pointsman.edit.effect import Effect, effect_of, plan_hash
from pointsman.execute import Tried
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import Transition
from pointsman.step import Program


class PatchPreview(msgspec.Struct, frozen=True):
    """What a patch would do if it came now; nothing was changed."""

    run_id: RunId
    base_revision: int
    """The run's revision now."""
    revision: int
    """The one that it would have."""
    changed: bool
    """False where the patch leaves the definition as it is."""
    operations: tuple[Any, ...]
    """RFC 6902: as sent, or what the pattern or merge patch becomes."""
    difference: Difference
    """Of the plans."""
    effect: Effect
    """On nodes, by token: `node`, or `frame:node` in a loop."""
    warnings: tuple[LocatedProblem, ...]
    plan_hash: str
    """For a commit that is to be refused should its effect be another."""


class EditOptions(NamedTuple):
    """How an edit is wanted."""

    on_running: OnRunning
    dry_run: bool
    plan_hash: str | None


async def _options(  # not because it waits: what does not, is called in a thread
    on_running: Annotated[
        OnRunning, Query(description="What becomes of running tasks that the new plan lacks, or has otherwise.")
    ] = "refuse",
    dry_run: Annotated[Literal["true", "false"], Query(description="Say what it would do, and do nothing.")] = "false",
    plan_hash: Annotated[
        str | None, Query(max_length=128, description="Of a preview: refuse the edit if its effect would be another.")
    ] = None,
) -> EditOptions:
    return EditOptions(on_running, dry_run == "true", plan_hash)


Options = Annotated[EditOptions, Depends(_options)]
"""How a resource asks for them."""


class Verdict(NamedTuple):
    """What an edit does, and what that goes by."""

    effect: Effect
    plan_hash: str


def verdict_of(tried: Tried) -> Verdict:
    """What the transition of an edit does."""
    return verdict_on(tried.old, tried.prepared.program, tried.run, tried.change)


def difference_of(tried: Tried) -> Difference:
    """What it makes of the plan."""
    return difference(tried.old.plan, tried.prepared.program.plan)


def verdict_on(old: Program, new: Program, run: Snapshot, change: Transition) -> Verdict:
    """What the transition of an edit does to a run, as it was before."""
    assert change.patch is not None, "an edit says what it was"
    effect = effect_of(old, new, run, change)
    return Verdict(effect, plan_hash(change.patch.plan, effect))


def nothing_done(plan: Digest) -> Verdict:
    """The verdict on an edit that leaves the definition as it is."""
    return Verdict(Effect(), plan_hash(plan, Effect()))


def hold(verdict: Verdict, wanted: str | None, run_id: RunId) -> None:
    """Refuse an edit whose effect is another than the one previewed. Raises `EditRefused` EDT030."""
    if wanted is not None and verdict.plan_hash != wanted:
        told = f"the patch of run {run_id} would have another effect now than the one that was previewed"
        message = f"{told}; nothing was changed. Preview it again."
        raise EditRefused("EDT030", message, problems=(Problem("EDT030", "", f"{told}."),))
