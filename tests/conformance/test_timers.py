"""Timers: armed and disarmed with a transition, fired once."""

from __future__ import annotations

from pointsman.base.ids import Millis, TimerId
from pointsman.ports.run_store import Link
from pointsman.protocol.signal import TimerFired, decode_signal
from pointsman.protocol.state import Timer
from tests.conformance.worlds import World
from tests.support.stories import PLAN_BODY, Story

LONG_AGO = Millis(1_000)
FAR_OFF = Millis(9_000_000_000_000)


async def with_timers(world: World, **armed: Timer) -> Story:
    story = Story("run_1", "a")
    await world.store.start(story.first, PLAN_BODY)
    names = {TimerId(name): timer for name, timer in armed.items()}
    await world.store.apply([Link(story.tell(armed=names))])
    return story


async def test_a_timer_that_is_due_becomes_one_signal(world: World) -> None:
    # Given a timer that is due and one that is not
    story = await with_timers(world, **{"retry:polish[2]/x[1]:a": Timer(2, LONG_AGO), "run": Timer(2, FAR_OFF)})
    # When due timers are fired, twice
    fired = [await world.store.fire_timers(10), await world.store.fire_timers(10)]
    # Then the due one is a signal, once; the other is on the clock still
    assert fired == [1, 0]
    (body,) = await world.waiting()
    assert decode_signal(body) == TimerFired(story.run, TimerId("retry:polish[2]/x[1]:a"), 2)
    assert await world.timers() == [f"run_1 run 2 {FAR_OFF}"]


async def test_timers_fire_in_the_order_they_are_due_and_at_most_so_many(world: World) -> None:
    # Given three that are due
    await with_timers(world, b=Timer(2, Millis(3)), c=Timer(2, Millis(2)), a=Timer(2, Millis(1)))
    # When two are fired
    fired = await world.store.fire_timers(2)
    # Then they are the earliest
    assert fired == 2
    signals = [decode_signal(body) for body in await world.waiting()]
    assert [signal.timer for signal in signals if isinstance(signal, TimerFired)] == ["a", "c"]


async def test_a_timer_that_was_disarmed_never_fires(world: World) -> None:
    # Given an armed timer
    story = await with_timers(world, **{"timeout::a": Timer(2, LONG_AGO)})
    # When a transition disarms it, and arms its successor
    change = {"disarmed": {"timeout::a": 2}, "armed": {"timeout::a": Timer(3, FAR_OFF)}}
    await world.store.apply([Link(story.tell(**change))])
    # Then it does not fire, and only the successor is on the clock
    assert await world.store.fire_timers(10) == 0
    assert await world.timers() == [f"run_1 timeout::a 3 {FAR_OFF}"]


async def test_disarming_what_has_fired_does_no_harm(world: World) -> None:
    # Given a timer that fired while its token ended otherwise
    story = await with_timers(world, **{"timeout::a": Timer(2, LONG_AGO)})
    await world.store.fire_timers(1)
    # When it is disarmed
    outcomes = await world.store.apply([Link(story.completes("a", disarmed={"timeout::a": 2}))])
    # Then that is all
    assert outcomes == ["applied"]
    assert await world.timers() == []


async def test_no_timer_fires_where_state_was_lost(world: World) -> None:
    # Given a due timer and a lost epoch
    await with_timers(world, run=Timer(2, LONG_AGO))
    await world.lose_state()
    # When due timers are fired
    fired = await world.store.fire_timers(10)
    # Then it stays
    assert fired == 0
    assert await world.timers() == [f"run_1 run 2 {LONG_AGO}"]


async def test_the_clock_of_the_store_is_about_right(world: World) -> None:
    # Given nothing but the store
    # When it is asked for the time, twice
    first, second = await world.store.now(), await world.store.now()
    # Then it is a time after this was written, and does not run backwards
    assert 1_700_000_000_000 < first <= second < first + 5_000
