"""The cut: which signals of a run remain where another begins with its history (SEMANTICS §7).

A signal that counted for an activation that is done anew does not remain, nor one that counted for anything behind it.
What stopped the run does not either: who forks a run that was cancelled, or took too long, wants it to go on. All else
remains, in its order, with the output that it brought.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from pointsman.base.ids import Millis, RunId, TokenId, split_pass, token_id
from pointsman.edit.downstream import Downstream
from pointsman.plan import Plan
from pointsman.protocol.history import EndedPass, HistoryRecord
from pointsman.protocol.signal import Cancel, TimerFired
from pointsman.protocol.state import Result
from pointsman.protocol.transition import Transition
from pointsman.step.draft import RUN_TIMER
from pointsman.step.kept import keep, read_history, token_of


class Remains(NamedTuple):
    """What a fork takes over."""

    records: list[HistoryRecord]
    results: dict[TokenId, Result]
    """Among them, what the records brought: a pass that ended has left its own in the frame around it."""
    at: Millis
    """When the last event up to the cut happened, whether it remains or not."""


def remains(run: RunId, plan: Plan, events: Iterable[Transition], anew: Collection[TokenId]) -> Remains:
    """What remains of a run.

    Args:
        run: Its id.
        plan: The one it has at the cut.
        events: Its events, from the first to the cut.
        anew: The activations to be done anew.
    """
    after = Downstream(plan, anew)
    fields: dict[str, bytes] = {}
    results: dict[TokenId, Result] = {}
    at = Millis(0)
    for change in events:
        at = change.at
        if not _goes(change, after):
            for token in change.forgotten:
                results.pop(token, None)
            results.update(change.ended)
            keep(fields, change)
    records = [record for record in read_history(run, fields) if not _is_after(record, after)]
    return Remains(records, results, at)


def _goes(change: Transition, after: Downstream) -> bool:
    signal = change.signal
    if signal is None:
        return False
    if isinstance(signal, Cancel) or (isinstance(signal, TimerFired) and signal.timer == RUN_TIMER):
        return True
    token = token_of(signal, change)
    return token is not None and after.covers(token)


def _is_after(record: HistoryRecord, after: Downstream) -> bool:
    """Of a run that was itself forked, what its first event took over is no event of its own."""
    if isinstance(record.fact, EndedPass):
        return after.covers(token_id(record.fact.frame, split_pass(record.fact.frame)[0]))
    return record.token is not None and after.covers(record.token)
