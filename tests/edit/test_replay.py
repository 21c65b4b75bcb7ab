"""Replaying again: only what has come in since is stepped, and it ends where a replay from the start ends."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from pointsman.base.errors import EditRefused
from pointsman.edit.replay import Replay, Replayed
from pointsman.plan import Plan
from pointsman.step import Program
from tests.support.definitions import definitions
from tests.support.driven import cel
from tests.support.edited import EditedRun
from tests.support.happenings import advance_by
from tests.support.plans import edge, looping, plan, task
from tests.support.random_edits import begun, compiled, compiling

SEEDS = st.integers(0, 2**32)


def told(done: Replayed) -> tuple[bytes, object, object]:
    """All that a replay gives."""
    done.state.blobs = {}
    return msgspec.json.encode(done.state, order="deterministic"), done.activations, done.lost


class Asked:
    """A replay that is asked again and again."""

    def __init__(self, made_of: Plan) -> None:
        self.program = Program(made_of, cel())
        self.kept = Replay(self.program)

    def agrees(self, run: EditedRun) -> bool:
        """Whether it ends where a replay from the start does."""
        return told(self.kept.of(run.snapshot, run.history)) == told(Replay(self.program).of(run.snapshot, run.history))


@given(st.data())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_replay_that_goes_on_ends_where_one_from_the_start_does(data: st.DataObject) -> None:
    # Given a run of any plan, somewhere on its way, replayed on its plan and on another
    document = data.draw(definitions(cel(), nodes=7, depth=2), label="document")
    order = Random(data.draw(SEEDS, label="order"))
    run = begun(document, data.draw(st.integers(0, 6), label="progress"), order, failing=10)
    others = compiling(order, document)
    replays = [Asked(compiled(document)), *map(Asked, others[:1])]
    assert all(asked.agrees(run) for asked in replays)
    # When it goes on, is edited, and goes on
    for _ in range(4):
        advance_by(run, data.draw(st.integers(0, 4), label="signals"), order, failing=10)
        # Then each time they end where a replay from the start ends
        assert all(asked.agrees(run) for asked in replays)
        if others and not run.snapshot.is_final and data.draw(st.booleans(), label="edit"):
            try:
                run.edit(data.draw(st.sampled_from(others), label="plan"), "cancel")
                event("edited on the way")
            except EditRefused:
                continue


def test_a_loop_that_goes_round_is_replayed_from_where_it_began() -> None:
    # Given a run that has gone round a loop behind other nodes
    score = looping(task("score"), "score", "output.x < 9")
    made_of = plan(task("a"), task("b"), score, task("end"), "a->b->score->end", edge("b->end"))
    run, asked = EditedRun(made_of), Asked(made_of)
    for name in ("a", "b", "score[1]:score", "score[2]:score"):
        run.complete(name, {"x": 1})
    first = asked.kept.of(run.snapshot, run.history).activations
    # When it goes round again and again, and the pass that was replayed gives way to the next
    for number in (3, 4, 5):
        run.complete(f"score[{number}]:score", {"x": 1})
        again = asked.kept.of(run.snapshot, run.history).activations
        # Then what was before the loop is the very same, not stepped again
        assert again[":a"] is first[":a"]
        assert again[":b"] is first[":b"]
        assert asked.agrees(run)
