"""Runs driven by hand that begin with the history of another."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec.structs import replace

from pointsman.base.ids import Millis, NodeId, RunId, TokenId
from pointsman.edit.activations import activations
from pointsman.edit.cut import remains
from pointsman.edit.fork import fork
from pointsman.plan import Plan
from pointsman.protocol.state import Fork
from pointsman.protocol.transition import Transition, decode_event, seal
from pointsman.step import Program, opened_by
from tests.support.driven import RUN, START, Held, Run, cel, head_of
from tests.support.edited import EditedRun


class ForkedRun(EditedRun):
    """A run that another was forked to; it has the other's id, so that the same words drive both."""

    def __init__(self, first: Transition, plan: Plan, now: int) -> None:
        self._history = {}
        self.first = first
        self.program = Program(plan, cel())
        self.now = now
        self.held = Held()
        self.events = []
        sealed = seal(first)
        self.snapshot = opened_by(first, sealed.tip)
        self.last = first
        self._write(sealed)


def events_of(run: Run, seq: int | None = None) -> list[Transition]:
    """The events of a run, up to one of them."""
    return [decode_event(event) for event, _ in run.events][:seq]


def forked(
    run: EditedRun, seq: int | None = None, anew: Collection[TokenId] = (), plan: Plan | None = None
) -> ForkedRun:
    """A fork of a run. Raises as `fork` does.

    Args:
        run: The other, which has not been edited, or whose last edit was before the cut.
        seq: Its event up to which history is taken; the last unless given.
        anew: The activations to be done anew.
        plan: What the fork has in place of the other's plan.
    """
    events = events_of(run, seq)
    kept = remains(RUN, run.program.plan, events, anew)
    told = Fork(RunId("run_0"), len(events), tuple(anew))
    head = replace(head_of(run.program.plan), input=run.snapshot.head.input, forked=told)
    now = max(run.now, START) + 5_000
    program = Program(plan or run.program.plan, cel())
    first = fork(program, head, kept, Millis(now), {}, None if plan is None else run.program)
    return ForkedRun(first, program.plan, now)


def latest(run: Run, node: str) -> TokenId:
    """The last activation of a node."""
    return activations(run.program.plan, events_of(run))[NodeId(node)][-1]


def stand(run: Run) -> dict[str, Any]:
    """Where a run stands, but for times."""
    tokens, results = run.snapshot.tokens.items(), run.snapshot.results.items()
    return {
        "open": {name: (state.state, state.attempt, state.sources) for name, state in tokens},
        "ended": {name: (how.status, how.attempt, how.output, how.of, how.error, how.reason) for name, how in results},
        "joins": run.snapshot.joins,
        "frames": {name: frame.iteration for name, frame in run.snapshot.frames.items()},
        "failed": run.snapshot.head.failed,
    }
