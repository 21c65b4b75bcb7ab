"""finish_run: what the conformance suite does not see of it."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.wire import Answer
from pointsman.base.ids import Digest
from pointsman.ports.run_store import Link
from pointsman.protocol.output import inline
from pointsman.protocol.state import Frame
from pointsman.protocol.transition import Patch
from tests.support.stories import PLAN, PLAN_BODY, START, Story


async def ended(store: RedisRunStore, run: str = "run_1") -> Story:
    """A run that has something in each of its keys, has had two plans, and is final."""
    story = Story(run, "a", "b")
    await store.start(story.first, PLAN_BODY)
    await store.put_plan(story.run, Digest("c" * 64), b"{}")
    patch = Patch(2, Digest("c" * 64), Digest("d" * 64), story.snapshot.head.definition)
    await store.apply([Link(story.tell("patch", patch=patch, frames={"x[1]": Frame(1, START, 1)}))])
    await store.apply([Link(story.tell(joined={":j": {"a->j": "live"}}))])
    link = Link(story.completes("a"))
    story.take(link.sealed)
    await store.apply([link, Link(story.completes("b", last=True, output=inline(1)))])
    return story


async def test_no_key_of_a_finished_run_is_left(store: RedisRunStore, operator: Redis) -> None:
    # Given a final run
    story = await ended(store)
    assert len(await operator.keys("*:run_1")) == 7  # all its hashes but that of tokens, which is empty
    # When it is finished
    finished = await store.finish([story.run])
    # Then nothing names it any more but its events, and for a while the sign that it has ended
    assert finished == [True]
    assert await operator.keys("*run_1*") == ["ended:run_1"]
    assert 19_000 < await operator.pttl("ended:run_1") <= 20_000
    assert await operator.zcard("wf.timers") == 0


async def test_plans_go_an_hour_after_their_last_run(store: RedisRunStore, operator: Redis) -> None:
    # Given two final runs that have both had two plans
    stories = [await ended(store, "run_1"), await ended(store, "run_2")]
    # When one is finished, and then the other
    await store.finish([stories[0].run])
    counts = await operator.hgetall("wf.plans")
    stays = await operator.ttl(f"plan:{PLAN}")
    await store.finish([stories[1].run])
    # Then the plans stay for the other, and for an hour after that
    assert counts == {PLAN: "1", "c" * 64: "1"}
    assert stays == -1
    assert await operator.hgetall("wf.plans") == {}
    assert [3_500 < await operator.ttl(f"plan:{digest}") <= 3_600 for digest in (PLAN, "c" * 64)] == [True, True]


async def test_a_run_that_had_other_plans_than_it_was_thought_to_is_left_alone(
    store: RedisRunStore, operator: Redis
) -> None:
    # Given a final run that names a plan its finisher has not read
    story = await ended(store)
    before = await operator.hget("run:run_1", "plans")
    keys = store._keys
    names = (*keys.state(story.run), keys.ir(story.run), keys.plans, keys.tombstone(story.run), keys.plan(PLAN))
    # When it is finished with what was read before
    status, _ = await store._partition.run("finish_run", names, (PLAN, 3_600, 20_000, PLAN))
    # Then it stays, to be read again
    assert status == "stale"
    assert await operator.hget("run:run_1", "plans") == before


async def test_many_runs_are_removed_in_two_round_trips(
    store: RedisRunStore, operator: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given forty runs that have ended, and one that has not
    stories = [Story(f"run_{number}", "a") for number in range(41)]
    for story in stories:
        await store.start(story.first, PLAN_BODY)
    await store.apply([Link(story.completes("a", last=True)) for story in stories[1:]])
    exchange, asked = store._connection.exchange, []

    async def counted(data: bytes, answers: int, patience_s: float = 10) -> list[Answer]:
        asked.append(answers)
        return await exchange(data, answers, patience_s)

    monkeypatch.setattr(store._connection, "exchange", counted)
    # When all are to be finished
    finished = await store.finish([story.run for story in stories])
    # Then only the open one is left, after one question and one call each, sent together
    assert finished == [False] + [True] * 40
    assert await operator.keys("run:*") == ["run:run_0"]
    assert asked == [82, 41]
