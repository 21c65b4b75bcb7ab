"""The journal of a run by itself: whole, and explained by `step`."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from pointsman.base.ids import parent_frame, split_token, token_id
from pointsman.protocol.signal import Completed, Signal
from pointsman.protocol.transition import Transition, seal
from pointsman.step import OutputsNeeded, start, step
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
            stepped = _stepped(moment)
        except OutputsNeeded:
            continue
        if stepped is None:
            yield f"it is a {change.cause} without a signal", change.seq
            continue
        again = seal(stepped)
        if again.tip != moment.tip:
            made = again.event.decode(errors="replace")
            yield f"from the state before it, step makes {made[:600]}", change.seq


def _stepped(moment: Moment) -> Transition | None:
    """What `step` makes of the signal; None where there is none, which only a start and a patch may lack."""
    change, before = moment.change, moment.before
    if before is None:
        return start(moment.program, change.started, change.at) if change.started is not None else None
    if change.signal is None:
        return None
    return step(moment.program, before, _as_it_came(change, change.signal), change.at)


def _as_it_came(change: Transition, signal: Signal) -> Signal:
    """A signal with the output that its event keeps in the result it became."""
    if not isinstance(signal, Completed) or signal.token is None:
        return signal
    frame, node = split_token(signal.token)
    result = change.ended.get(signal.token) or change.ended.get(token_id(parent_frame(frame), node))
    return signal if result is None else replace(signal, output=result.output)
