"""Starting a run."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from pointsman.adapters.memory.run_store import MemoryRunStore
from pointsman.adapters.memory.server import MemoryServer
from pointsman.base.ids import Digest, Millis
from pointsman.ports.run_store import LATEST_START_MS, Link
from pointsman.protocol.outcome import StartOutcome
from pointsman.protocol.output import inline
from pointsman.protocol.state import Timer
from pointsman.protocol.transition import Patch, decode_event
from tests.conformance.worlds import World
from tests.support.stories import PLAN, PLAN_BODY, START, Story, body


async def test_a_started_run_is_there_whole(world: World) -> None:
    # Given a run that starts with two tasks and a time limit
    limit = Timer(1, START)
    begins = {"timer": limit, "armed": {"run": limit}}
    story = Story("run_1", "a", "b", begins=begins, metadata={"by": "ann", "n": 12345678901234567890})
    # When it is started
    outcome = await world.store.start(story.first, PLAN_BODY)
    # Then its snapshot, its tasks, its timer, its plan and its event are what the transition says
    assert outcome == "started"
    assert await world.store.load([story.run]) == {story.run: story.snapshot}
    assert await world.tasks("function") == [body("run_1", ":a"), body("run_1", ":b")]
    assert await world.timers() == [f"run_1 run 1 {START}"]
    assert await world.store.plan(PLAN) == PLAN_BODY
    assert await world.counter(story.run) == 2
    events = await world.events()
    assert [(event.run_id, event.seq, event.tip, event.body) for event in events] == [
        (story.run, 1, story.first.tip, story.first.event)
    ]
    assert decode_event(events[0].body).started == story.first.transition.started


async def test_a_run_that_exists_is_not_started_again(world: World) -> None:
    # Given a run that has gone on
    story = Story("run_1", "a")
    await world.store.start(story.first, PLAN_BODY)
    await world.store.apply([Link(story.completes("a", "b"))])
    before = await world.store.dump()
    # When its start is repeated, as after a lost answer
    outcome = await world.store.start(story.first, PLAN_BODY)
    # Then nothing changes
    assert outcome == "exists"
    assert await world.store.dump() == before


async def test_a_run_without_tasks_may_end_as_it_starts(world: World) -> None:
    # Given a run that has nothing to do
    story = Story("run_1", begins={"status": "COMPLETED", "output": inline([])})
    # When it is started
    outcome = await world.store.start(story.first, PLAN_BODY)
    # Then it is final, and its counter says zero
    assert outcome == "started"
    assert await world.store.load([story.run]) == {story.run: story.snapshot}
    assert story.snapshot.is_final
    assert await world.counter(story.run) == 0


async def test_nothing_is_started_where_state_was_lost(world: World) -> None:
    # Given a store whose epoch is gone
    story = Story("run_1", "a")
    await world.lose_state()
    before = await world.store.dump()
    # When a run is started
    outcome = await world.store.start(story.first, PLAN_BODY)
    # Then nothing is written
    assert outcome == "fenced"
    assert await world.store.dump() == before


async def test_a_plan_is_stored_for_a_patch_and_kept(world: World) -> None:
    # Given a run that uses one plan, and another plan
    story = Story("run_1", "a")
    await world.store.start(story.first, PLAN_BODY)
    other = Digest("c" * 64)
    # When the other is stored, and stored again, and a patch points the run at it
    await world.store.put_plan(story.run, other, b"{}")
    await world.store.put_plan(story.run, other, b"{}")
    patch = Patch(2, other, Digest("d" * 64), Digest("b" * 64), operations=({"op": "test"},))
    outcomes = await world.store.apply([Link(story.tell("patch", patch=patch))])
    # Then both are there, and the run is at its second revision
    assert outcomes == ["applied"]
    assert [await world.store.plan(digest) for digest in (PLAN, other)] == [PLAN_BODY, b"{}"]
    assert await world.store.load([story.run]) == {story.run: story.snapshot}
    assert await world.store.plan(Digest("f" * 64)) is None


async def test_a_start_that_is_late_writes_nothing(world: World) -> None:
    # Given a start that was to begin a second ago at the latest
    story, now = Story("run_1", "a"), await world.store.now()
    before = await world.store.dump()
    # When it arrives now
    outcome = await world.store.start(story.first, PLAN_BODY, Millis(now - 1_000))
    # Then nothing is written, and one that is in time begins the run
    assert outcome == "late"
    assert await world.store.dump() == before
    assert await world.store.start(story.first, PLAN_BODY, Millis(now + LATEST_START_MS)) == "started"


async def test_a_run_that_has_ended_and_is_gone_is_not_started_again(world: World) -> None:
    # Given a run that has ended and was removed, while a start of it was on its way
    story, now = Story("run_1", "a"), await world.store.now()
    await world.store.start(story.first, PLAN_BODY)
    await world.store.apply([Link(story.completes("a", last=True))])
    assert await world.store.finish([story.run]) == [True]
    before = await world.store.dump()
    # When that start arrives, within its time and with none
    starts = [await world.store.start(story.first, PLAN_BODY, by) for by in (Millis(now + LATEST_START_MS), None)]
    # Then nothing of the run is begun
    assert starts == ["exists", "exists"]
    assert await world.store.dump() == before


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = Millis(START)

    def now(self) -> Millis:
        return self.at


@given(st.lists(st.integers(0, 5 * LATEST_START_MS), min_size=3, max_size=3))
def test_no_start_however_late_runs_a_run_twice(instants: list[int]) -> None:
    """A run that had not ended when somebody looked, was removed after that, and is started after that."""
    seen, removed, arrives = sorted(instants)
    clock, story = Watch(), Story("run_1", "a")
    store = MemoryRunStore(MemoryServer(clock))

    async def story_of_a_late_start() -> StartOutcome:
        await store.start(story.first, PLAN_BODY)
        await store.apply([Link(story.completes("a", last=True))])
        clock.at = Millis(START + removed)
        await store.finish([story.run])
        clock.at = Millis(START + arrives)
        return await store.start(story.first, PLAN_BODY, Millis(START + seen + LATEST_START_MS))

    assert asyncio.run(story_of_a_late_start()) in ("exists", "late")
