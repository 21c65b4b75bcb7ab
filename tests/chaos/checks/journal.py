"""The journal of a run by itself: whole, and explained by `step`."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from pointsman.base.ids import parent_frame, split_token, token_id
from pointsman.edit.cut import remains
from pointsman.edit.fork import fork
from pointsman.protocol.signal import Completed, Signal
from pointsman.protocol.state import Fork, RunHead
from pointsman.protocol.transition import Transition, seal
from pointsman.step import OutputsNeeded, start, step
from pointsman.step.recover import CAUSE, recover
from tests.chaos.record import Moment, Run


def follows(run: Run) -> Iterator[str | tuple[str, int]]:
    """Events are numbered from 1 without a gap, and each names the tip of the one before."""
    numbers = [change.seq for change, _ in run.events]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"its events are numbered {numbers}"
    if len(run.moments) < len(run.events):
        at = len(run.moments)
        yield f"event {at + 1} does not follow the one before", at + 1


def is_explained(run: Run) -> Iterator[tuple[str, int]]:
    """Stepped again from the state before it, each signal makes the very transition that is in the journal.

    Left out are patches, which `edit` decides, and steps that read outputs from the blob store.
    """
    for moment in run.moments:
        change = moment.change
        if change.patch is not None:
            continue
        try:
            stepped = _stepped(moment, run.origin)
        except OutputsNeeded:
            continue
        if stepped is None:
            yield f"it is a {change.cause} without a signal", change.seq
            continue
        again = seal(stepped)
        if again.tip != moment.tip:
            made = again.event.decode(errors="replace")
            yield f"from the state before it, step makes {made[:600]}", change.seq


def _stepped(moment: Moment, origin: Run | None) -> Transition | None:
    """What `step` makes of the signal; None where there is none; a start, a recovery and a patch need none."""
    change, before = moment.change, moment.before
    if before is None:
        if change.started is None or change.started.forked is None:
            return start(moment.program, change.started, change.at) if change.started is not None else None
        return _forked(moment, change.started, change.started.forked, origin) if origin is not None else None
    if change.signal is None:
        return recover(moment.program, before, change.at) if change.cause == CAUSE else None
    return step(moment.program, before, _as_it_came(change, change.signal), change.at)


def _forked(moment: Moment, head: RunHead, told: Fork, origin: Run) -> Transition | None:
    """How a fork begins, by the journal of the run that it comes from."""
    if len(origin.moments) < told.seq:
        return None
    last = origin.moments[told.seq - 1]
    events = [earlier.change for earlier in origin.moments[: told.seq]]
    kept = remains(told.run_id, last.program.plan, events, told.anew)
    before = None if last.program.plan == moment.program.plan else last.program
    return fork(moment.program, head, kept, moment.change.at, {}, before)


def _as_it_came(change: Transition, signal: Signal) -> Signal:
    """A signal with the output that its event keeps in the result it became."""
    if not isinstance(signal, Completed) or signal.token is None:
        return signal
    frame, node = split_token(signal.token)
    result = change.ended.get(signal.token) or change.ended.get(token_id(parent_frame(frame), node))
    return signal if result is None else replace(signal, output=result.output)
