"""What is put off comes again, once; and what stands unread is counted."""

from __future__ import annotations

from pointsman.base.ids import RunId
from pointsman.ports.run_store import Link
from pointsman.protocol.signal import Continue, WireSignal, decode_signal, encode_wire
from tests.conformance.worlds import World
from tests.support.stories import PLAN_BODY, Story, dispatched

CONTINUE = encode_wire(WireSignal("continue", run_id="run_1"))


async def test_a_postponed_continue_comes_again_once_for_each_run(world: World) -> None:
    # Given two `continue` of a run in the hands of a coordinator
    source = world.source("one")
    await source.send([CONTINUE, CONTINUE])
    deliveries = await source.read(2, 1_000)
    # When both are put off, the first of them twice
    for delivery in (*deliveries, deliveries[0]):
        await source.postpone(delivery, RunId("run_1"), 0)
    # Then nothing is left on the stream, nor with the coordinator
    assert await world.waiting() == []
    assert await world.source("two").claim(0, 10) == []
    # And one comes again
    assert await world.store.fire_timers(10) == 1
    assert [decode_signal(body) for body in await world.waiting()] == [Continue(RunId("run_1"))]
    assert await world.timers() == []


async def test_nothing_is_postponed_where_state_was_lost(world: World) -> None:
    source = world.source("one")
    await source.send([CONTINUE])
    (delivery,) = await source.read(1, 1_000)
    await world.lose_state()
    await source.postpone(delivery, RunId("run_1"), 0)
    assert (await world.waiting(), await world.timers()) == ([CONTINUE], [])


async def test_what_no_worker_has_taken_is_counted_by_the_longest_of_the_streams(world: World) -> None:
    # Given a run with three tasks of one type and one of another
    story = Story("run_1", "a", "b", "c")
    other = {"dispatches": (story.dispatch(story.token("d"), task_type="agent"),)}
    opened = {"opened": {story.token("d"): dispatched(story.now, task_type="agent")}, "tokens_made": 1}
    await world.store.start(story.first, PLAN_BODY)
    await world.store.apply([Link(story.tell(**other, **opened))])
    # When it is asked how many nobody has taken
    assert await world.congestion.unread(["function", "agent"]) == 3
    await world.give_out("function", 2)
    # Then those that are in somebody's hands are not among them, nor is there any of a type that never was
    counts = [await world.congestion.unread(types) for types in (["function"], ["agent", "nobody"], ["nobody"], [])]
    assert counts == [1, 1, 0, 0]


async def test_events_that_the_journal_has_not_got_are_counted(world: World) -> None:
    await world.store.start(Story("run_1", "a").first, PLAN_BODY)
    assert (await world.congestion.unwritten(), await world.congestion.memory()) == (1, 0)
