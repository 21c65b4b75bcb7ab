"""Holding a run: for a moment it takes one writer only, so that a slow one gets its turn on a busy run."""

from __future__ import annotations

from pointsman.base.ids import RunId
from pointsman.ports.run_store import Link
from tests.conformance.test_apply import delivered, started
from tests.conformance.worlds import World
from tests.support.stories import completed_signal
from tests.support.waiting import eventually

LONG = 60_000


async def test_a_held_run_refuses_others_and_lets_the_holder_pass(world: World) -> None:
    # Given a run that an editor holds
    story = await started(world, "a", "b")
    assert await world.store.hold(story.run, "editor", LONG)
    before = await world.store.dump()
    # When a coordinator and another editor come, and then the holder
    others = await world.store.apply([Link(story.completes("a")), Link(story.completes("a"), owner="other")])
    unchanged = await world.store.dump()
    holder = await world.store.apply([Link(story.tell("patch"), owner="editor")])
    # Then only the holder passes
    assert others == ["held", "held"]
    assert unchanged == before
    assert holder == ["applied"]
    assert await world.store.load([story.run]) == {story.run: story.snapshot}


async def test_a_hold_ends_with_what_its_holder_applies(world: World) -> None:
    # Given a run that an editor held until its edit landed
    story = await started(world, "a", "b")
    await world.store.hold(story.run, "editor", LONG)
    await world.store.apply([Link(story.tell("patch"), owner="editor")])
    # When a coordinator comes
    outcomes = await world.store.apply([Link(story.tell("completed", closed=(story.token("a"),)))])
    # Then it need not wait
    assert outcomes == ["applied"]


async def test_a_dead_holder_blocks_a_run_only_until_its_hold_lapses(world: World) -> None:
    # Given an editor that took a hold and died
    story = await started(world, "a")
    assert await world.store.hold(story.run, "dead", 50)
    link = Link(story.completes("a", "b"))

    # When a coordinator tries again and again
    async def passes() -> bool:
        return await world.store.apply([link]) == ["applied"]

    await eventually(passes)
    # Then it gets through, with nobody having ended the hold
    story.take(link.sealed)
    assert await world.store.load([story.run]) == {story.run: story.snapshot}


async def test_a_signal_that_comes_while_a_run_is_held_is_kept(world: World) -> None:
    # Given a held run, and a signal of which nothing follows
    story = await started(world, "a")
    await world.store.hold(story.run, "editor", LONG)
    delivery = await delivered(world, completed_signal("run_1", ":gone"))
    # When the verdict on it is applied
    outcomes = await world.store.apply([Link(story.idles(), delivery.id)])
    # Then the signal is there to be stepped again: the edit may make something of it
    assert outcomes == ["held"]
    assert len(await world.waiting()) == 1


async def test_one_holder_at_a_time_and_its_own_hold_can_be_renewed(world: World) -> None:
    # Given two editors of one run
    story = await started(world, "a")
    # When both want it, and the first wants it again and lets it go
    told = [
        await world.store.hold(story.run, "first", LONG),
        await world.store.hold(story.run, "second", LONG),
        await world.store.hold(story.run, "second", 0),
        await world.store.hold(story.run, "first", LONG),
        await world.store.hold(story.run, "first", 0),
        await world.store.hold(story.run, "second", LONG),
    ]
    # Then the second gets it when the first is done with it
    assert told == [True, False, False, True, True, True]


async def test_a_hold_that_has_lapsed_stops_nobody_from_holding(world: World) -> None:
    # Given a hold that nobody ended
    story = await started(world, "a")
    await world.store.hold(story.run, "dead", 1)
    # When another wants the run
    # Then it gets it
    await eventually(lambda: world.store.hold(story.run, "living", LONG))
    assert await world.store.apply([Link(story.completes("a"))]) == ["held"]


async def test_a_hold_that_is_let_go_leaves_no_trace(world: World) -> None:
    # Given a run
    story = await started(world, "a")
    before = await world.store.dump()
    # When it is held and let go
    await world.store.hold(story.run, "editor", LONG)
    held = await world.store.dump()
    await world.store.hold(story.run, "editor", 0)
    # Then not one byte differs
    assert held != before
    assert await world.store.dump() == before


async def without_epochs(world: World) -> dict[str, object]:
    return {name: content for name, content in (await world.store.dump()).items() if not name.endswith("epoch")}


async def test_only_an_open_run_can_be_held(world: World) -> None:
    # Given a run that has ended, one that is not there, and a store that lost state
    story = await started(world, "a")
    await world.store.apply([Link(story.completes("a", last=True))])
    before = await without_epochs(world)
    # When they are to be held
    told = [await world.store.hold(story.run, "editor", LONG), await world.store.hold(RunId("run_2"), "editor", LONG)]
    await world.lose_state()
    told.append(await world.store.hold(story.run, "editor", LONG))
    # Then none is, and nothing appeared
    assert told == [False, False, False]
    await world.store.load([story.run])
    assert await without_epochs(world) == before
