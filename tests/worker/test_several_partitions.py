"""A worker whose runs are divided into partitions: it serves all of them, and takes no more than it may hold."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from redis.asyncio import Redis

from pointsman.base.ids import RunId, partition_of
from pointsman.service import Exit
from pointsman.settings import WorkerSettings
from pointsman.worker import Task, Worker
from tests.support.servers import open_fences
from tests.support.waiting import eventually
from tests.worker.at_work import AtWork, at_work, entry_of
from tests.worker.test_shift import Gate, all_kinds, gated
from tests.worker.wire_tasks import wire_task

COUNT = 16
QUICK = WorkerSettings(heartbeat_ms=20, lease_ms=2_000)


@pytest.fixture
def redis_parts(redis_db: str) -> str:
    """An empty Redis, all partitions of which are open."""
    open_fences(redis_db, COUNT)
    return redis_db


def run_in(number: int) -> str:
    """The name of a run that lives in this partition."""
    names = (f"run_{tried}" for tried in range(100_000))
    return next(name for name in names if partition_of(RunId(name), COUNT) == number)


async def pending(work: AtWork) -> int:
    """How many tasks workers have in their hands, in all partitions."""
    return sum(await asyncio.gather(*(part.pending() for part in work.parts)))


async def reported(work: AtWork, count: int) -> bool:
    """Whether so many results are there, in all partitions."""
    lengths = [await part.redis.xlen(part.keys.signals) for part in work.parts]
    return bool(sum(lengths) == count)


async def all_wait(redis: Redis) -> bool:
    """Whether every reader waits for something to come."""
    return bool((await redis.info("clients"))["blocked_clients"] == COUNT)


@pytest.mark.parametrize("kind", ["async", "thread", "inline"])
async def test_tasks_of_runs_in_every_partition_are_done_and_reported_there(redis_parts: str, kind: str) -> None:
    async with at_work(redis_parts, all_kinds(), partitions=COUNT) as work:
        # When each partition has tasks of a run that lives there
        for number, part in enumerate(work.parts):
            for payload in range(3):
                await part.give(kind, run=run_in(number), node=f"work_{payload}", payload=number)
        # Then their results stand on the streams of signals of those very partitions
        for number, part in enumerate(work.parts):
            told = [(signal["run_id"], signal["result_data"]) for signal in await part.signals(3)]
            assert told == [(run_in(number), number * 2)] * 3


async def test_a_worker_with_one_slot_never_holds_tasks_of_two_partitions(redis_parts: str) -> None:
    inside: list[int] = []
    held: list[int] = []
    worker = Worker("function", concurrency=1)

    @worker.handler()
    async def look(task: Task) -> str:
        inside.append(1)
        held.append(len(inside))
        held.append(await pending(work))
        inside.pop()
        return "seen"

    async with at_work(redis_parts, worker, partitions=COUNT) as work:
        # When tasks come to all partitions at once
        await asyncio.gather(*(part.give(run=run_in(number)) for number, part in enumerate(work.parts)))
        for part in work.parts:
            await part.signals(1)
        # Then each was taken when the one before had ended; what was done stays pending until a transition closes it
        assert held == [expected for done in range(COUNT) for expected in (1, done + 1)]


@pytest.mark.parametrize(("size", "flooded"), [(3, COUNT), (16, COUNT), (16, 1)])
async def test_all_slots_are_used_and_never_more_wherever_the_tasks_are(
    redis_parts: str, monkeypatch: pytest.MonkeyPatch, size: int, flooded: int
) -> None:
    # Given a worker that has nothing to do, whose readers wait long, some of them with slots in their hands
    monkeypatch.setattr("pointsman.worker.reader.BLOCK_MS", 15_000)
    gate = Gate()
    async with at_work(redis_parts, gated(gate, size), partitions=COUNT) as work:
        redis = work.streams.redis
        await eventually(partial(all_wait, redis))
        # When one partition has more tasks than there are slots, or all of them together have
        for number in range(2 * COUNT):
            await work.parts[number % flooded].give(run=run_in(number % flooded), node=f"work_{number}")
        # Then as many run as there are slots, long before those reads end by themselves, and no others are taken
        await eventually(lambda: gate.inside == size, timeout=10)
        assert (await pending(work), gate.most) == (size, size)
        # And all of them have their turn
        gate.open.set()
        await eventually(partial(reported, work, 2 * COUNT))
        assert gate.most == size
        work.service.drain.set()
        await redis.client_kill_filter(_type="normal", skipme=True)


async def test_two_workers_share_the_tasks_of_one_partition(redis_parts: str) -> None:
    gates = [Gate(), Gate()]
    async with (
        at_work(redis_parts, gated(gates[0], 1), partitions=COUNT) as work,
        at_work(redis_parts, gated(gates[1], 1), partitions=COUNT),
    ):
        # When one partition has three tasks, and each of two workers does one at a time
        for node in ("a", "b", "c"):
            await work.parts[5].give(run=run_in(5), node=node)
        await eventually(lambda: [gate.inside for gate in gates] == [1, 1])
        # Then each has one, and the third is left on the stream
        assert await pending(work) == 2
        for gate in gates:
            gate.open.set()
        assert len(await work.parts[5].signals(3)) == 3


async def test_every_partition_is_served_while_one_is_flooded(redis_parts: str) -> None:
    done: list[str] = []
    worker = Worker("function", concurrency=2)

    @worker.handler()
    async def note(task: Task) -> None:
        done.append(task.run_id)
        await asyncio.sleep(0)

    async with at_work(redis_parts, worker, partitions=COUNT) as work:
        # Given a partition with far more tasks than can be done in a while
        flood = work.parts[0].redis.pipeline(transaction=False)
        for _ in range(5_000):
            flood.xadd(work.parts[0].keys.tasks("function"), entry_of(wire_task(run_in(0))))
        await flood.execute()
        await eventually(lambda: done)
        # When each of the others has one
        await asyncio.gather(*(part.give(run=run_in(number)) for number, part in enumerate(work.parts) if number))
        for part in work.parts[1:]:
            await part.signals(1)
        # Then those were not kept waiting until the flood was over
        assert await work.parts[0].redis.xlen(work.parts[0].keys.signals) < 5_000


async def test_a_closed_task_of_one_partition_is_told_to_its_own_handler_only(redis_parts: str) -> None:
    told: list[str] = []
    worker = Worker("function")

    @worker.handler()
    async def patient(task: Task) -> None:
        await task.cancelled
        told.append(task.run_id)

    async with at_work(redis_parts, worker, partitions=COUNT, worker=QUICK) as work:
        # Given tasks with the same entry id in two partitions
        entries = [await work.parts[number].give_at("7-7", run=run_in(number)) for number in (2, 3)]
        await eventually(lambda: pending(work))
        # When one is closed, and later the other
        # Then each of the two learns it in its turn
        await work.parts[2].close(entries[0])
        assert [signal["run_id"] for signal in await work.parts[2].signals(1)] == told == [run_in(2)]
        await work.parts[3].close(entries[1])
        assert [signal["run_id"] for signal in await work.parts[3].signals(1)] == told[1:] == [run_in(3)]


async def cut_off_while_they_wait(redis: Redis) -> None:
    """Break all connections, at a moment when every reader has asked for something."""

    async def broken() -> bool:
        async with redis.pipeline(transaction=True) as at_once:
            at_once.info("clients")
            at_once.client_kill_filter(_type="normal", skipme=True)
            told, _ = await at_once.execute()
        return bool(told["blocked_clients"] == COUNT)

    while not await eventually(partial(all_wait, redis)) or not await broken():
        pass


async def test_tasks_that_a_broken_connection_took_are_done_in_every_partition(
    redis_parts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointsman.worker.reader.BLOCK_MS", 500)
    async with at_work(redis_parts, all_kinds(), partitions=COUNT) as work:
        for number, part in enumerate(work.parts):
            await part.give("async", run=run_in(number), node="before", payload=1)
            await part.signals(1)
        # Given tasks that Redis has given to the worker, who knows nothing of them
        for number, part in enumerate(work.parts):
            await part.give_unseen(work.shift.consumer, "async", run=run_in(number), node="lost", payload=2)
        # When all connections break
        await cut_off_while_they_wait(work.streams.redis)
        # Then it does them, and nothing twice
        for part in work.parts:
            assert [signal["node_id"] for signal in await part.signals(2)] == ["before", "lost"]


async def test_a_drained_worker_leaves_no_trace_in_any_partition(redis_parts: str) -> None:
    gate = Gate()
    async with at_work(redis_parts, gated(gate, 1), partitions=COUNT) as work:
        registered = [await registry.registered() for registry in work.registries]
        assert registered == [{work.shift.consumer: ("function",)}] * COUNT
        for number in (1, 2):
            await work.parts[number].give(run=run_in(number))
        await eventually(lambda: gate.inside == 1)
        # When it is told to stop with one task in its hands and one waiting elsewhere
        work.service.drain.set()
        gate.open.set()
        assert await work.running == Exit.DRAINED
        # Then it has reported that one, has not begun the other, and is on no list
        assert [await part.redis.xlen(part.keys.signals) for part in work.parts[1:3]] in ([1, 0], [0, 1])
        assert await pending(work) == 1
        assert [await registry.registered() for registry in work.registries] == [{}] * COUNT
