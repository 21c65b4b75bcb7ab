"""Recovery of a store: what is restored is what the events fold to, and nothing passes before it is opened."""

from __future__ import annotations

from collections.abc import Awaitable
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Millis
from pointsman.plan import Retry, encode_plan
from pointsman.ports.recovery import Rebuilt
from pointsman.ports.run_store import Link
from pointsman.protocol.signal import Cancel, Continue
from pointsman.protocol.transition import decode_event, seal
from pointsman.step import advance, step
from pointsman.step.kept import read_history
from pointsman.step.past import Past, clock_of
from pointsman.step.recover import recover
from tests.conformance.worlds import World
from tests.support.driven import RUN, Run
from tests.support.plans import control, edge, looping, plan, task
from tests.support.stories import PLAN_BODY, Story

LATER = 4_000_000_000
"""An epoch behind all that a clock gives."""


def busy() -> Run:
    """Branches, a join, a loop, a retry with its timers, a wait, and a limit for all of it."""
    x = task("x", retry=Retry(max_attempts=3, backoff_ms=5), timeout_ms=50, deadline_ms=500)
    again = looping(task("again"), "x", "output.again")
    ways = ("a->x->again", edge("again->end"), "a->nap->end")
    return Run(plan(task("a"), x, again, control("wait", "nap", wait=100), task("end"), *ways))


def anything(run: Run, random: Random) -> None:
    """One thing that can happen to a run."""
    out = sorted(name for name, state in run.snapshot.tokens.items() if state.state == "dispatched")
    if any(state.state == "queued" for state in run.snapshot.tokens.values()):
        run.take(Continue(RUN))
    elif random.random() < 0.1:
        _ = run.resume() if run.status == "PAUSED" else run.pause()
    elif out and random.random() < 0.8:
        name = random.choice(out)
        _ = run.fail(name) if random.random() < 0.2 else run.complete(name, {"again": random.random() < 0.6})
    elif run.clock:
        run.fire(random.choice(sorted(run.clock)))


def rebuilt(run: Run) -> Rebuilt:
    """A run as its events have it, and how it goes on."""
    past = Past()
    for event, tip in run.events:
        assert past.take(decode_event(event), tip)
    assert past.run is not None
    sealed = seal(recover(run.program, past.run, Millis(run.now)))
    advance(past.run, sealed.transition, sealed.tip)
    return Rebuilt(past.run, past.history, past.plans, sealed)


async def refusal(doing: Awaitable[None]) -> str:
    """The code with which something is refused."""
    with pytest.raises(ServerUnavailable) as refused:
        await doing
    return refused.value.code


async def applied(world: World, link: Link) -> bool:
    """Whether a link passes; who was in another epoch has to try twice."""
    return ["applied"] in [await world.store.apply([link]), await world.store.apply([link])]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(random=st.randoms(use_true_random=False), steps=st.integers(0, 25))
async def test_a_restored_run_is_loaded_as_its_events_fold_to(world: World, random: Random, steps: int) -> None:
    # Given a run to which anything has happened, and a store that lost everything
    run = busy()
    for _ in range(steps):
        if not run.snapshot.is_final:
            anything(run, random)
    if run.snapshot.is_final:
        return
    await world.lose_everything()
    # When it is rebuilt from its events, restored, and the store opened
    made = rebuilt(run)
    await world.recovery.close(LATER)
    await world.recovery.restore([made])
    await world.recovery.open(LATER)
    # Then everything there is to see of it agrees
    found = await world.store.recall(RUN)
    assert found is not None
    assert found.run == made.run
    assert found.history == read_history(RUN, made.history)
    assert await world.counter(RUN) == len(made.run.tokens)
    assert await world.timers() == sorted(
        f"{RUN} {name} {timer.generation} {timer.due}" for name, timer in clock_of(made.run).items()
    )
    assert sorted(await world.tasks("function")) == sorted(made.body for made in made.sealed.transition.dispatches)
    (event,) = await world.events()
    assert (event.epoch, event.seq, event.tip) == (LATER, made.run.head.seq, made.run.head.tip)
    # And it goes on from there
    change = step(run.program, made.run, Cancel(RUN), Millis(run.now))
    assert await applied(world, Link(seal(change)))
    assert await world.tasks("function") == []
    assert await world.timers() == []


async def test_behind_the_fence_nothing_passes_until_it_is_opened(world: World) -> None:
    # Given a run, and a store that is being recovered
    story = Story("run_1", "a")
    await world.store.start(story.first, PLAN_BODY)
    await world.recovery.close(LATER)
    before = await world.store.dump()
    # When anything is to be changed
    link = Link(story.completes("a", last=True))
    outcomes = [await world.store.apply([link]), await world.store.start(Story("run_2").first, PLAN_BODY)]
    # Then nothing is
    assert outcomes == [["fenced"], "fenced"]
    assert await world.store.dump() == before
    assert not (await world.recovery.look()).is_open
    # Until it is opened
    await world.recovery.open(LATER)
    assert (await world.recovery.look()).is_open
    assert await applied(world, link)
    assert [event.epoch for event in await world.events()][-1] == LATER


async def test_a_dropped_run_takes_its_tasks_and_timers_along(world: World) -> None:
    # Given two runs with tasks and timers
    for name in ("run_1", "run_2"):
        story = Story(name, "a", "b")
        await world.store.start(story.first, PLAN_BODY)
    run = busy()
    await world.store.start(seal(decode_event(run.events[0][0])), encode_plan(run.program.plan))
    await world.recovery.close(LATER)
    # When one of them is dropped, and one that is not there
    await world.recovery.drop([Story("run_2").run, Story("run_9").run])
    # Then the other is as it was
    held = [run async for some in world.recovery.held() for run in some]
    assert "run_2" not in held
    assert {"run_1"} <= set(held)
    assert [task for task in await world.tasks("function") if b"run_2" in task] == []
    assert len([task for task in await world.tasks("function") if b"run_1" in task]) == 2


async def test_a_run_that_is_there_already_is_not_restored_over(world: World) -> None:
    # Given a run that was restored, and has the place it was restored at
    story = Story("run_1", "a")
    made = Rebuilt(story.snapshot, {}, (), story.first)
    await world.recovery.close(LATER)
    await world.recovery.restore([made])
    before = await world.store.dump()
    # When it is restored once more
    await world.recovery.restore([made])
    # Then nothing has changed
    assert await world.store.dump() == before
    places = await world.recovery.places([story.run, Story("run_2").run])
    assert places == {story.run: (1, story.first.tip)}


@pytest.mark.parametrize("lost", [False, True])
async def test_only_the_last_to_close_the_fence_may_go_on(world: World, lost: bool) -> None:
    # Given a recovery, and another one after it or a second loss
    await world.recovery.close(LATER)
    if lost:
        await world.lose_everything()
    else:
        await world.another_recovery().close(LATER + 1)
    # When the first goes on
    story = Story("run_1", "a")
    refusals = [
        await refusal(world.recovery.restore([Rebuilt(story.snapshot, {}, (), story.first)])),
        await refusal(world.recovery.put_plan(story.snapshot.head.plan, PLAN_BODY)),
        await refusal(world.recovery.open(LATER)),
    ]
    # Then it is told so
    assert refusals == ["SRV063"] * 3
