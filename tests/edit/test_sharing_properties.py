"""What the replay on the new plan takes over from the one on the old: never what it would have done otherwise.

The rule is two whole replays. The short cut is held to it on random plans, at random moments, and while runs go on.
"""

from __future__ import annotations

from itertools import islice
from random import Random

import msgspec
from hypothesis import assume, event
from hypothesis import strategies as st

from pointsman.base.errors import EditRefused
from pointsman.base.ids import Digest, Millis, TokenId
from pointsman.edit import Editing, OnRunning, Replay
from pointsman.edit.replay import Replayed
from pointsman.plan import Plan
from pointsman.protocol.signal import Failed
from pointsman.protocol.state import ErrorInfo
from pointsman.protocol.transition import Patch, Transition
from pointsman.step import Program
from tests.support.cases import thousands
from tests.support.definitions import definitions
from tests.support.driven import RUN, cel
from tests.support.edited import EditedRun
from tests.support.happenings import advance_by
from tests.support.random_edits import begun, compiled, edits

DOCUMENTS = definitions(cel(), least=3, nodes=7, depth=2)
SEEDS = st.integers(0, 2**32)
ON_RUNNING: st.SearchStrategy[OnRunning] = st.sampled_from(["refuse", "cancel", "restart"])
PATCH = Patch(2, Digest("d" * 64), Digest("e" * 64), Digest("f" * 64))


def told(done: Replayed) -> tuple[bytes, object, object]:
    """All that a replay gives."""
    done.state.blobs = {}
    return msgspec.json.encode(done.state, order="deterministic"), done.activations, done.lost


def verdict(editing: Editing, run: EditedRun) -> Transition | tuple[object, ...]:
    """What an edit would change, or every reason why it is refused."""
    try:
        return editing.weigh(run.snapshot, run.history, PATCH, Millis(run.now))
    except EditRefused as refused:
        return refused.message, refused.problems


class Editor:
    """Weighs one edit of one run again and again, by the short cut."""

    def __init__(self, run: EditedRun, before: Replay, plan: Plan, on_running: OnRunning) -> None:
        self._programs = run.program, Program(plan, cel())
        self._on_running = on_running
        self.before, self.after = before, Replay(self._programs[1], before)
        self._editing = Editing(before, self.after, on_running)

    def agrees(self, run: EditedRun) -> bool:
        """Whether its verdict, and the marking it rests on, are those of two whole replays."""
        whole = Replay(self._programs[0]), Replay(self._programs[1])
        expected = verdict(Editing(*whole, self._on_running), run)
        found = verdict(self._editing, run)
        markings = (told(replay.of(run.snapshot, run.history)) for replay in (self.after, whole[1]))
        return found == expected and len({repr(marking) for marking in markings}) == 1

    def shared(self) -> bool:
        """Whether it took anything over."""
        return any(mine is theirs for mine, theirs in zip(self.after.moves, self.before.moves, strict=True))


@thousands
def test_a_shared_replay_comes_to_the_verdict_of_two_whole_ones(data: st.DataObject) -> None:
    # Given a run of any plan, somewhere on its way, and editors who each weigh an edit of it
    document, order = data.draw(DOCUMENTS, label="document"), Random(data.draw(SEEDS, label="order"))
    run = begun(document, data.draw(st.integers(1, 9), label="progress"), order, failing=10, upset=10)
    plans = [edited.plan for edited in islice(edits(order, document), 2)]
    assume(plans and not run.snapshot.is_final)
    on_running, before = data.draw(ON_RUNNING, label="on_running"), Replay(run.program)
    editors = [Editor(run, before, plan, on_running) for plan in plans]
    # When they weigh it, and again when the run has gone on
    for signals in (0, data.draw(st.integers(1, 3), label="signals")):
        advance_by(run, signals, order, failing=10, upset=10)
        if run.snapshot.is_final:
            break
        # Then each comes to what two whole replays come to
        assert all(editor.agrees(run) for editor in editors)
        event("shared" if any(editor.shared() for editor in editors) else "nothing shared")


def test_only_what_led_to_a_changed_node_is_stepped_again() -> None:
    # Given a run of three tasks, two of which have ended, replayed on its plan
    nodes = [{"id": name, "type": "function"} for name in "abcd"]
    edges = [{"from": source, "to": target} for source, target in ("ab", "bc", "cd")]
    run = EditedRun(compiled({"nodes": nodes[:3], "edges": edges[:2]}))
    run.complete("a")
    run.complete("b")
    before = Replay(run.program)
    # When an edit adds a node behind the last
    editor = Editor(run, before, compiled({"nodes": nodes, "edges": edges}), "refuse")
    assert editor.agrees(run)
    # Then every record but the one that led to the changed node is taken over
    assert [mine is theirs for mine, theirs in zip(editor.after.moves, before.moves, strict=True)] == [True, False]


def test_a_failure_that_only_the_new_plan_leaves_unhandled_is_not_overlooked() -> None:
    # Given a run of two tasks that failed, the first of which somebody has handled
    nodes = [{"id": name, "type": "function", "failure_policy": "continue"} for name in "abcd"]
    document = {"nodes": nodes, "edges": [{"from": "a", "to": "d", "on": "error"}]}
    run = EditedRun(compiled(document))
    for name in "ab":
        run.take(Failed(RUN, TokenId(f":{name}"), 1, f"{name}_broke"))
    # When an edit takes the handler away
    editor = Editor(run, Replay(run.program), compiled({"nodes": nodes[:3], "edges": []}), "cancel")
    # Then the second failure is not the first of the run any more
    assert editor.agrees(run)
    assert editor.after.of(run.snapshot, run.history).state.head.error == ErrorInfo("a_broke", "node `a` failed")
