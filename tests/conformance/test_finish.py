"""Finishing: final runs are removed, others never."""

from __future__ import annotations

import pytest

from pointsman.base.errors import ServerUnavailable
from pointsman.ports.run_store import Link
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Cancel
from tests.conformance.worlds import World
from tests.support.stories import PLAN, PLAN_BODY, Story


async def test_a_final_run_is_removed_and_an_open_one_is_not(world: World) -> None:
    # Given a run that has ended, one that has not, and one that never was
    ended, open_one = Story("run_1", "a"), Story("run_2", "a")
    for story in (ended, open_one):
        await world.store.start(story.first, PLAN_BODY)
    await world.store.apply([Link(ended.completes("a", last=True, output=inline(1)))])
    # When all are to be finished
    finished = await world.store.finish([ended.run, open_one.run, Story("run_3").run])
    # Then the open one is as it was, and of the others nothing is there
    assert finished == [True, False, True]
    assert await world.store.load([ended.run, open_one.run]) == {open_one.run: open_one.snapshot}
    assert await world.store.recall(ended.run) is None
    assert await world.counter(ended.run) is None


async def test_a_final_run_with_an_open_token_stays(world: World) -> None:
    # Given a run that says it is final, and a token of which says it is open
    story = Story("run_1", "a", "b")
    await world.store.start(story.first, PLAN_BODY)
    await world.store.apply([Link(story.completes("a", last=True))])
    before = await world.store.dump()
    # When it is to be finished
    finished = await world.store.finish([story.run])
    # Then it stays for somebody to look at
    assert finished == [False]
    assert await world.store.dump() == before


async def test_nothing_is_removed_where_state_was_lost(world: World) -> None:
    # Given a final run and a lost epoch
    story = Story("run_1", "a")
    await world.store.start(story.first, PLAN_BODY)
    await world.store.apply([Link(story.tell("cancel", signal=Cancel(story.run), status="CANCELLED", closed=(":a",)))])
    await world.lose_state()
    before = await world.store.dump()
    # When it is to be finished, or a plan stored
    for act in (world.store.finish([story.run]), world.store.put_plan(story.run, PLAN, PLAN_BODY)):
        with pytest.raises(ServerUnavailable) as refused:
            await act
        assert refused.value.code == "SRV061"
    # Then nothing has changed
    assert await world.store.dump() == before
