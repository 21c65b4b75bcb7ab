"""apply_transition: what the conformance suite does not see of it."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.base.ids import Digest, Millis, TokenId
from pointsman.ports.run_store import Link
from pointsman.protocol.output import inline
from pointsman.protocol.state import Timer
from pointsman.protocol.transition import Patch
from tests.lua.conftest import FillMemory
from tests.support.stories import PLAN_BODY, START, Story, completed_signal, dispatched


async def test_a_task_entry_carries_all_that_its_protocol_promises(store: RedisRunStore, operator: Redis) -> None:
    # Given a run
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    # When a transition dispatches a task
    await store.apply([Link(story.completes("a", "polish[1]:b"))])
    # Then its entry has the fields any worker reads, and the token knows the entry
    ((entry, fields),) = await operator.xrange("wf.tasks.function")
    assert list(fields) == ["token", "run_id", "node_id", "job_id"]
    assert (fields["run_id"], fields["node_id"], fields["job_id"]) == ("run_1", "b", "run_1:polish[1]:b:1")
    tokens = await operator.hgetall("tokens:run_1")
    assert {token: record.split(" ")[0] for token, record in tokens.items()} == {"polish[1]:b": entry}
    # And any worker can read it: the group is there
    assert len(await operator.xreadgroup("workers", "shell", {"wf.tasks.function": ">"})) == 1
    assert await operator.smembers("wf.types") == {"function"}


async def test_a_task_that_a_worker_holds_is_acknowledged_and_deleted(store: RedisRunStore, operator: Redis) -> None:
    # Given a task that a worker has read
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    await operator.xreadgroup("workers", "w1", {"wf.tasks.function": ">"})
    # When its completion is applied
    await store.apply([Link(story.completes("a"))])
    # Then neither the stream nor the group knows it any more
    assert await operator.xlen("wf.tasks.function") == 0
    assert (await operator.xpending("wf.tasks.function", "workers"))["pending"] == 0


async def test_the_counter_is_written_only_when_it_changes(store: RedisRunStore, operator: Redis) -> None:
    # Given a run of one token, and a counter that somebody has defaced
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    await operator.set("counter:run_1", "defaced")
    # When one token replaces another, and then a second opens
    await store.apply([Link(story.tell(closed=(":a",), opened={":b": dispatched()}))])
    untouched = await operator.get("counter:run_1")
    await store.apply([Link(story.tell(opened={":c": dispatched()}))])
    # Then the first left it alone and the second counted
    assert untouched == "defaced"
    assert await operator.get("counter:run_1") == "2"


async def test_the_end_of_a_run_is_announced_once_its_count_is_zero(store: RedisRunStore, operator: Redis) -> None:
    # Given somebody who listens
    story = Story("run_1", "a", "b")
    await store.start(story.first, PLAN_BODY)
    async with operator.pubsub() as listener:
        await listener.subscribe("completion_events")
        assert (await listener.get_message(timeout=30))["type"] == "subscribe"
        # When a run goes on, and when it ends
        await store.apply([Link(story.tell(closed=(":a",)))])
        await store.apply([Link(story.completes("b", last=True, output=inline(1)))])
        # Then its id is heard once
        heard = await listener.get_message(timeout=30)
        assert (heard["type"], heard["data"]) == ("message", "run_1")
        assert await listener.get_message(timeout=0) is None


async def test_a_hold_is_respected_until_its_time_is_over(store: RedisRunStore, operator: Redis) -> None:
    # Given a run on which an edit is landing
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    link = Link(story.completes("a", "b"))
    await operator.hset("run:run_1", "hold", f"{await store.now() + 60_000} editor")
    before = await store.dump()
    # When a transition comes, before and after the hold's deadline
    held = await store.apply([link])
    unchanged = await store.dump()
    await operator.hset("run:run_1", "hold", f"{await store.now() - 1} editor")
    # Then it waits for its turn
    assert held == ["held"]
    assert unchanged == before
    assert await store.apply([link]) == ["applied"]


async def test_in_an_older_epoch_nothing_is_applied_and_the_store_joins_the_new_one(
    store: RedisRunStore, operator: Redis
) -> None:
    # Given a recovery that has raised the epoch
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    raised = int(await operator.get("epoch")) + 1
    await operator.set("epoch", raised)
    # When a transition comes twice
    link = Link(story.completes("a", "b"))
    outcomes = [*await store.apply([link]), *await store.apply([link])]
    # Then the first only joins the new epoch: what it was stepped from may be outdated; the second's event carries it
    assert outcomes == ["stale", "applied"]
    assert [fields["epoch"] for _, fields in await operator.xrange("wf.events")] == [str(raised - 1), str(raised)]


async def test_a_begun_transition_passes_when_memory_is_full(
    store: RedisRunStore, source: RedisSignalSource, operator: Redis, fill_memory: FillMemory
) -> None:
    # Given a run, a signal that was delivered, and a server without memory
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    await source.send([completed_signal("run_1", ":a")])
    (delivery,) = await source.read(1, 1_000)
    await fill_memory()
    with pytest.raises(OutOfMemoryError):
        await operator.xadd("wf.events", {"a": "b"})
    # When its transition is applied, which adds tasks, results, timers and events
    timer = {"armed": {"run": Timer(2, Millis(START))}}
    answer = Link(story.completes("a", "b", output=inline(1), **timer), delivery.id)
    story.take(answer.sealed)
    outcomes = await store.apply([answer])
    # Then all of it is written; and so is a command, which answers no signal
    command = Link(story.tell("cancel", status="CANCELLED", closed=(":b",), withdrawn={":b": "function"}))
    assert outcomes == ["applied"]
    assert await store.apply([command]) == ["applied"]
    assert await store.load([story.run]) == {story.run: story.snapshot}
    assert await operator.xlen("wf.events") == 3


async def test_a_patch_counts_the_plans_a_run_uses(store: RedisRunStore, operator: Redis) -> None:
    # Given a run with one plan, and a second one stored for a patch
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    old, new = story.snapshot.head.plan, Digest("c" * 64)
    await store.put_plan(story.run, new, b"{}")
    assert await operator.ttl(f"plan:{new}") > 0
    # When the patch is applied
    await store.apply([Link(story.tell("patch", patch=Patch(2, new, Digest("d" * 64), old)))])
    # Then the run names the new plan, and both stay for as long as the run is there
    assert await operator.get("ir:run_1") == new
    assert await operator.hgetall("wf.plans") == {old: "1", new: "1"}
    assert [await operator.ttl(f"plan:{digest}") for digest in (old, new)] == [-1, -1]


async def test_a_withdrawn_task_without_an_entry_does_no_harm(store: RedisRunStore) -> None:
    # Given a token whose task has no entry on any stream, as after a recovery
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    await store.apply([Link(story.tell(opened={":b": dispatched()}))])
    # When it is withdrawn
    outcomes = await store.apply([Link(story.tell(closed=(":b",), withdrawn={TokenId(":b"): "function"}))])
    # Then the rest is applied
    assert outcomes == ["applied"]
    assert await store.load([story.run]) == {story.run: story.snapshot}
