"""A store hands the parts of a run out in any order; whoever steps it comes to the same transition."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.base.ids import Millis, TokenId
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Cancel, Completed, Failed, Pause, Resume, Signal
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import seal
from pointsman.step import step
from pointsman.step.recover import recover
from tests.support.definitions import definitions
from tests.support.driven import RUN, cel
from tests.support.random_edits import begun

DOCUMENTS = definitions(cel(), least=3, nodes=9, depth=2)
SEEDS = st.integers(0, 2**32)


def handed_out(run: Snapshot, order: Random) -> Snapshot:
    """The same run, its parts in another order."""
    parts = [list(part.items()) for part in (run.tokens, run.results, run.joins, run.frames)]
    for part in parts:
        order.shuffle(part)
    tokens, results, joins, frames = map(dict, parts)
    return Snapshot(run.head, tokens, results, joins, frames, run.blobs)


@settings(max_examples=200, deadline=None)
@given(document=DOCUMENTS, progress=st.integers(0, 9), order=SEEDS.map(Random))
def test_no_transition_tells_in_which_order_a_store_handed_the_run_out(
    document: dict[str, object], progress: int, order: Random
) -> None:
    # Given a run somewhere on its way, and all that could happen to it next
    run = begun(document, progress, order, failing=10, upset=10)
    state, now = run.snapshot, Millis(run.now + 1)
    signals: list[Signal] = [Cancel(RUN), Resume(RUN) if state.head.status == "PAUSED" else Pause(RUN)]
    for token, held in state.tokens.items():
        signals.append(Completed(RUN, TokenId(token), held.attempt, inline(1)))
        signals.append(Failed(RUN, TokenId(token), held.attempt, "boom", retryable=False))
    # When each happens to it, handed out in one order and in another
    if state.is_final:
        return
    other = handed_out(state, order)
    told = [[seal(step(run.program, each, signal, now)).event for signal in signals] for each in (state, other)]
    # Then the transitions are the same, and so is what a recovery makes of it
    assert told[0] == told[1]
    assert seal(recover(run.program, state, now)).event == seal(recover(run.program, other, now)).event
