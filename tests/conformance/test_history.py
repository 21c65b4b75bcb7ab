"""History: what the editor replays."""

from __future__ import annotations

from typing import Any

from pointsman.base.ids import FrameId, NodeId, RunId, TimerId, TokenId
from pointsman.ports.run_store import Link
from pointsman.protocol.history import EndedPass, HistoryRecord
from pointsman.protocol.note import Note
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Cancel, Completed, Continue, Failed, Pause, Resume, Signal, TimerFired, WorkerLost
from pointsman.protocol.state import Fork, Frame, Result
from tests.conformance.worlds import World
from tests.support.stories import PLAN_BODY, START, Story, dispatched

RESULT = Result("completed", 1, START, START)


class Told:
    """A run whose transitions are applied one by one."""

    def __init__(self, world: World, *nodes: str) -> None:
        self.world = world
        self.story = Story("run_1", *nodes)
        self.run = self.story.run

    async def begin(self) -> Told:
        await self.world.store.start(self.story.first, PLAN_BODY)
        return self

    async def takes(self, signal: Signal | None, **changes: Any) -> int:
        """The seq of the transition that took `signal`."""
        sealed = self.story.tell(signal=signal, **changes)
        assert await self.world.store.apply([Link(sealed)]) == ["applied"]
        return sealed.transition.seq

    async def records(self) -> list[HistoryRecord]:
        recalled = await self.world.store.recall(self.run)
        assert recalled is not None
        assert recalled.run == self.story.snapshot
        return recalled.history

    async def history(self) -> list[tuple[int, str | None, object]]:
        records = await self.records()
        assert [record.at for record in records] == [START + record.seq - 1 for record in records]
        return [(record.seq, record.token, record.fact) for record in records]


async def test_every_kind_of_signal_comes_back_as_it_was_taken(world: World) -> None:
    # Given a run that took one of each
    told = await Told(world, "a", "b", "c").begin()
    run, a = told.run, TokenId(":a")
    signals: list[tuple[str | None, Signal, dict[str, Any]]] = [
        (":a", Failed(run, a, 1, "boom", "line\nbreak", False, NodeId("a"), {"tokens": 3}), {}),
        (":a", TimerFired(run, TimerId("retry::a"), 2), {}),
        (":a", WorkerLost(run, a, 2, "w1"), {}),
        (":a", Completed(run, a, 3), {"closed": (a,)}),
        (":b", Completed(run, TokenId(":b"), 1, metadata={"tokens_used": [1, 2]}), {"closed": (":b",)}),
        (":c", Completed(run, None, 0, node=NodeId("c")), {"closed": (":c",), "opened": {":d": dispatched()}}),
        (":d", Failed(run, None, 0, node=NodeId("d")), {"opened": {":d": dispatched()}}),
        (None, Continue(run), {}),
        (None, Pause(run, "ann", "lunch"), {}),
        (None, TimerFired(run, TimerId("run"), 1), {}),
        (None, Cancel(run, "ann"), {"closed": (":d",), "status": "CANCELLED"}),
    ]
    expected = [(await told.takes(signal, **changes), token, signal) for token, signal, changes in signals]
    # When its history is read
    # Then it has them in order
    assert await told.history() == expected


async def test_starts_patches_and_idle_verdicts_leave_no_record(world: World) -> None:
    # Given a run that started, took a transition without a signal, and confirmed a verdict
    told = await Told(world, "a").begin()
    await told.takes(None, opened={":b": dispatched()})
    await world.store.apply([Link(told.story.idles())])
    # When its history is read
    # Then it is empty
    assert await told.history() == []


async def test_of_a_pass_that_ended_only_that_it_did_remains(world: World) -> None:
    # Given a pass with a retried task and a timer in it, after a task outside
    told = await Told(world, "a").begin()
    run, draft, score = told.run, TokenId("polish[1]:draft"), TokenId("polish[1]:score")
    taken = Completed(run, TokenId(":a"), 1)
    opening = {"frames": {"polish[1]": Frame(1, START, 1)}, "opened": {draft: dispatched()}}
    outside = await told.takes(taken, closed=(":a",), ended={":a": RESULT}, **opening)
    await told.takes(Failed(run, draft, 1))
    await told.takes(TimerFired(run, TimerId(f"retry:{draft}"), 3))
    await told.takes(Completed(run, draft, 2), closed=(draft,), ended={draft: RESULT}, opened={score: dispatched()})
    assert len(await told.history()) == 4
    # When its last task ends it, and the next pass begins
    note = Note("pass_started", NodeId("polish"), FrameId(""), 2)
    failed_condition = Note("condition_failed", NodeId("score"), FrameId("polish[1]"), {"expression": "x"})
    elsewhere = Note("node_parked", NodeId("b"))
    second = TokenId("polish[2]:draft")
    ending = {
        "closed": (score,),
        "forgotten": (draft,),
        "ended": {":draft": RESULT, ":polish": RESULT},
        "frames_ended": ("polish[1]",),
        "frames": {"polish[2]": Frame(1, START, 2)},
        "opened": {second: dispatched()},
        "notes": (failed_condition, note, elsewhere),
    }
    ended = await told.takes(Completed(run, score, 1), **ending)
    # Then its signals are gone, and that it ended stands under the loop's id in the frame around it
    passed = EndedPass(FrameId("polish[1]"), (failed_condition, note))
    assert await told.history() == [(outside, ":a", taken), (ended, ":polish", passed)]


async def test_only_the_last_pass_of_a_loop_is_kept(world: World) -> None:
    # Given two passes that ended one after the other
    told = await Told(world).begin()
    await told.takes(None, frames={"polish[1]": Frame(1, START, 1)})
    await told.takes(None, frames_ended=("polish[1]",), frames={"polish[2]": Frame(1, START, 2)})
    # When the second has ended
    seq = await told.takes(None, frames_ended=("polish[2]",), ended={":polish": RESULT})
    # Then the first is forgotten
    assert await told.history() == [(seq, ":polish", EndedPass(FrameId("polish[2]")))]


async def test_inner_passes_go_with_the_frame_around_them(world: World) -> None:
    # Given an outer pass with an inner loop: one inner pass has ended, the next is open
    told = await Told(world).begin()
    run, task = told.run, TokenId("outer[1]/inner[2]:x")
    frames = {"outer[1]": Frame(1, START, 1), "outer[1]/inner[1]": Frame(1, START, 1)}
    await told.takes(None, frames=frames)
    exported = {"outer[1]:inner": RESULT, "outer[1]:x": RESULT}
    await told.takes(
        None,
        frames_ended=("outer[1]/inner[1]",),
        ended=exported,
        frames={"outer[1]/inner[2]": Frame(1, START, 2)},
        opened={task: dispatched()},
    )
    await told.takes(Failed(run, task, 1))
    assert len(await told.history()) == 2
    # When the outer pass ends, and the inner one with it
    ends = ("outer[1]/inner[2]", "outer[1]")
    seq = await told.takes(None, frames_ended=ends, closed=(task,), forgotten=tuple(exported), ended={":outer": RESULT})
    # Then only the outer pass is told
    assert await told.history() == [(seq, ":outer", EndedPass(FrameId("outer[1]")))]


async def test_a_loop_of_many_passes_leaves_no_more_than_one(world: World) -> None:
    # Given a loop of fifty passes, a task in each
    told = await Told(world).begin()
    sizes = []
    for number in range(1, 51):
        frame, token = f"polish[{number}]", TokenId(f"polish[{number}]:draft")
        await told.takes(None, frames={frame: Frame(1, START, number)}, opened={token: dispatched()})
        await told.takes(
            Completed(told.run, token, 1), closed=(token,), frames_ended=(frame,), ended={":polish": RESULT}
        )
        sizes.append(len(await told.history()))
    # When its history is read on the way
    # Then it never grew
    assert sizes == [1] * 50
    assert isinstance((await told.records())[0], HistoryRecord)


async def test_a_run_and_its_history_are_recalled_together(world: World) -> None:
    # Given a run that took a signal
    told = await Told(world, "a", "b").begin()
    seq = await told.takes(Completed(told.run, TokenId(":a"), 1), closed=(":a",), ended={":a": RESULT})
    # When it is recalled, and one that is not there
    recalled = await world.store.recall(told.run)
    missing = await world.store.recall(Story("run_x").run)
    # Then the state and the history are those of one moment
    assert recalled is not None
    assert recalled.run == told.story.snapshot
    assert [(record.seq, record.token) for record in recalled.history] == [(seq, ":a")]
    assert missing is None


async def test_a_fork_begins_with_the_history_that_it_kept(world: World) -> None:
    # Given the first transition of a fork, with history of another run: retries of a token, a pass, a command
    run, a = RunId("run_1"), TokenId(":a")
    ended = EndedPass(FrameId("loop[2]"), (Note("pass_ended", NodeId("loop"), FrameId("loop[2]"), "break"),))
    kept = (
        HistoryRecord(-4, START, a, Failed(run, a, 1, "boom", retried=True)),
        HistoryRecord(-3, START, a, TimerFired(run, TimerId("retry::a"), -4)),
        HistoryRecord(-2, START, a, Completed(run, a, 2)),
        HistoryRecord(-1, START, TokenId(":loop"), ended),
        HistoryRecord(0, START, None, Resume(run, reason="forked")),
    )
    forked = Fork(RunId("run_0"), 7, (TokenId(":b"),), {TokenId(":b"): inline([1])}, "why", "ann")
    told = Told(world)
    told.story = Story("run_1", "b", begins={"kept": kept, "ended": {a: RESULT}}, forked=forked)
    # When it is started, and goes on
    await told.begin()
    await told.takes(Completed(run, TokenId(":b"), 1), closed=(":b",))
    # Then the run says what it was forked from, and its own history follows what was kept
    records = await told.records()
    assert (await world.store.load([run]))[run].head.forked == forked
    assert records == [*kept, HistoryRecord(2, records[-1].at, TokenId(":b"), Completed(run, TokenId(":b"), 1))]
