"""Starting a run."""

from __future__ import annotations

from pointsman.base.ids import Digest
from pointsman.ports.run_store import Link
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
    await world.store.put_plan(other, b"{}")
    await world.store.put_plan(other, b"{}")
    patch = Patch(2, other, Digest("d" * 64), Digest("b" * 64), operations=({"op": "test"},))
    outcomes = await world.store.apply([Link(story.tell("patch", patch=patch))])
    # Then both are there, and the run is at its second revision
    assert outcomes == ["applied"]
    assert [await world.store.plan(digest) for digest in (PLAN, other)] == [PLAN_BODY, b"{}"]
    assert await world.store.load([story.run]) == {story.run: story.snapshot}
    assert await world.store.plan(Digest("f" * 64)) is None
