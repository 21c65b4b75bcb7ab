"""Workers at work: tasks come in, signals go out, whatever happens to Redis or the handlers."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from pointsman.embedded.redis import EmbeddedRedis
from pointsman.service import Exit
from pointsman.settings import WorkerSettings
from pointsman.worker import NonRetryable, Retryable, Task, Worker
from tests.support.servers import open_fence
from tests.support.waiting import eventually
from tests.worker.at_work import at_work
from tests.worker.wire_tasks import Shelf, wire_task

QUICK = WorkerSettings(heartbeat_ms=20, lease_ms=2_000)


def all_kinds() -> Worker:
    """A worker with a handler of each kind that doubles a number."""
    worker = Worker("function", concurrency=4)

    @worker.handler("async")
    async def in_loop(task: Task) -> int:
        return int(task.payload) * 2

    @worker.handler("thread")
    def in_thread(task: Task) -> int:
        assert threading.current_thread() is not threading.main_thread()
        return int(task.payload) * 2

    @worker.handler("inline", inline=True)
    def in_place(task: Task) -> int:
        assert threading.current_thread() is threading.main_thread()
        return int(task.payload) * 2

    return worker


class Gate:
    """A handler that ends when it is let to, and counts how many of it run."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside = 0
        self.most = 0

    async def __call__(self, task: Task) -> str:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.open.wait()
        finally:
            self.inside -= 1
        return "through"


def gated(gate: Gate, concurrency: int | None = None) -> Worker:
    """A worker whose one handler is `gate`."""
    worker = Worker("function", concurrency=concurrency)

    @worker.handler()
    async def handle(task: Task) -> str:
        return await gate(task)

    return worker


@pytest.mark.parametrize("kind", ["async", "thread", "inline"])
async def test_results_arrive_as_signals_whatever_the_kind_of_handler(redis_db: str, kind: str) -> None:
    async with at_work(redis_db, all_kinds()) as work:
        # When more tasks are handed out than run at a time
        for number in range(10):
            await work.streams.give(kind, run=f"run_{number}", payload=number)
        # Then each has one signal, in the form of the wire contract
        assert await work.streams.results(10) == {f"run_{number}": number * 2 for number in range(10)}
        assert (await work.streams.signals(10))[0] == {
            "status": "completed",
            "job_id": "run_0::work:1",
            "run_id": "run_0",
            "node_id": "work",
            "result_data": 0,
        }


async def test_failures_say_their_type_and_whether_to_try_again(redis_db: str) -> None:
    worker = Worker("function")
    errors = {
        "later": Retryable("busy", type="mail_busy"),
        "never": NonRetryable("gone", type="no_such_user"),
        "bug": ValueError("oops"),
    }

    @worker.handler("fail")
    async def fail(task: Task) -> None:
        raise errors[task.config["how"]]

    async with at_work(redis_db, worker) as work:
        for how in errors:
            await work.streams.give("fail", run=how, config={"how": how})
        await work.streams.give("fial", run="typo")
        # Then every error is told as it was meant, and an unknown handler ends the retries
        assert {signal["run_id"]: signal["metadata"] for signal in await work.streams.signals(4)} == {
            "later": {"error_type": "mail_busy", "error_message": "busy"},
            "never": {"error_type": "no_such_user", "error_message": "gone", "retryable": False},
            "bug": {"error_type": "ValueError", "error_message": "oops"},
            "typo": {
                "error_type": "unknown_handler",
                "error_message": "the 'function' worker has no handler 'fial', only fail. Did you mean 'fail'?",
                "retryable": False,
            },
        }


async def test_a_handler_that_ends_by_cancellation_or_exit_fails_only_its_task(redis_db: str) -> None:
    worker = Worker("function")

    @worker.handler("cancel")
    async def cancel(task: Task) -> None:
        raise asyncio.CancelledError

    @worker.handler("exit")
    def leave(task: Task) -> None:
        raise SystemExit(1)

    async with at_work(redis_db, worker) as work:
        await work.streams.give("cancel", run="cancelled")
        await work.streams.give("exit", run="exited")
        assert await work.streams.results(2) == {"cancelled": "CancelledError", "exited": "SystemExit"}


async def test_never_more_tasks_run_than_the_worker_allows(redis_db: str) -> None:
    gate = Gate()
    async with at_work(redis_db, gated(gate, concurrency=3)) as work:
        for number in range(8):
            await work.streams.give(run=f"run_{number}")
        # Then three are begun, and the rest is left on the stream for other workers
        await eventually(lambda: gate.inside == 3)
        assert await work.streams.pending() == 3
        gate.open.set()
        assert len(await work.streams.results(8)) == 8
        assert gate.most == 3


async def test_concurrency_is_that_of_the_settings_unless_given(redis_db: str) -> None:
    gate = Gate()
    settings = WorkerSettings(concurrency=2)
    async with at_work(redis_db, gated(gate), worker=settings) as work:
        for number in range(3):
            await work.streams.give(run=f"run_{number}")
        await eventually(lambda: gate.inside == 2)
        assert await work.streams.pending() == 2
        gate.open.set()


async def test_plain_handlers_get_large_outputs_loaded(redis_db: str) -> None:
    async with at_work(redis_db, all_kinds(), blobs=Shelf(big=21)) as work:
        for kind in ("thread", "inline"):
            task = wire_task(kind, config={"handler": kind}, payload_ref="blob://big")
            await work.streams.give_as_it_is(task)
        assert await work.streams.results(2) == {"thread": 42, "inline": 42}


async def test_a_large_output_that_is_gone_fails_the_task_for_good(redis_db: str) -> None:
    async with at_work(redis_db, all_kinds()) as work:
        await work.streams.give_as_it_is(wire_task(config={"handler": "thread"}, payload_ref="blob://gone"))
        (signal,) = await work.streams.signals(1)
        assert signal["metadata"] == {
            "error_type": "BlobMissing",
            "error_message": "SRV031 blob://gone is not here",
            "retryable": False,
        }


async def test_an_entry_that_is_no_task_fails_its_node_and_stops_nobody(redis_db: str) -> None:
    async with at_work(redis_db, all_kinds()) as work:
        await work.streams.redis.xadd("wf.tasks.function", {"token": "{", "run_id": "run_1", "node_id": "work"})
        await work.streams.redis.xadd("wf.tasks.function", {"nonsense": "1"})
        await work.streams.give("inline", run="run_2", payload=4)
        assert await work.streams.results(2) == {"run_1": "unreadable_task", "run_2": 8}


async def test_a_handler_that_blocks_the_event_loop_keeps_the_lease(redis_db: str) -> None:
    worker = Worker("function")
    renewals: list[int] = []

    @worker.handler("block")
    async def block(task: Task) -> str:
        # Blocks the whole event loop for longer than two leases, and looks at the lease from where it is
        from redis import Redis as Blocking

        with Blocking.from_url(redis_db) as redis:
            deadline = time.monotonic() + 1.2
            while time.monotonic() < deadline:
                renewals.append(redis.exists(*redis.keys("worker:*")))
        return "done"

    async with at_work(redis_db, worker, worker=WorkerSettings(heartbeat_ms=50, lease_ms=500)) as work:
        await work.streams.give("block")
        assert await work.streams.results(1) == {"run_1": "done"}
        # Then the lease was there all the time
        assert set(renewals) == {1}


async def test_handlers_are_told_when_their_task_is_closed(redis_db: str) -> None:
    worker = Worker("function")

    @worker.handler("patient")
    async def patient(task: Task) -> str:
        await task.cancelled
        return "told"

    async with at_work(redis_db, worker, worker=QUICK) as work:
        closed = await work.streams.give("patient")
        await eventually(lambda: work.streams.pending())
        # When the run is cancelled, which closes the attempt
        await work.streams.close(closed)
        # Then the handler learns of it with a heartbeat
        assert await work.streams.results(1) == {"run_1": "told"}


async def test_a_worker_taken_for_dead_registers_again(redis_db: str) -> None:
    async with at_work(redis_db, all_kinds(), worker=QUICK) as work:
        await work.streams.redis.delete("wf.workers", f"worker:{work.shift.consumer}")

        async def registered() -> bool:
            return await work.registry.registered() == {work.shift.consumer: ("function",)}

        await eventually(registered)


async def test_a_worker_serves_again_after_redis_lost_everything(redis_db: str) -> None:
    async with at_work(redis_db, all_kinds(), worker=QUICK) as work:
        await work.streams.redis.flushdb()
        # Even if the next task is there before its group is
        await work.streams.give("async", payload=3)
        assert await work.streams.results(1) == {"run_1": 6}


async def test_results_are_kept_while_redis_is_away(tmp_path: Path) -> None:
    gate = Gate()
    with EmbeddedRedis(tmp_path) as server:
        open_fence(server.url)
        async with at_work(server.url, gated(gate), worker=QUICK) as work:
            for number in range(5):
                await work.streams.give(run=f"run_{number}")
            await eventually(lambda: gate.inside == 5)
            # When Redis dies, the handlers end, and Redis comes back
            server.kill()
            gate.open.set()
            await eventually(lambda: "results" in work.service.health.reasons)
            server.start()
            open_fence(server.url)
            # Then nothing is lost, and the worker takes new tasks
            assert await work.streams.results(5) == {f"run_{number}": "through" for number in range(5)}
            await work.streams.give(run="afterwards")
            assert len(await work.streams.results(6)) == 6
            await eventually(lambda: work.service.health.is_ready)


async def test_nothing_is_taken_from_a_redis_that_came_back_until_it_is_opened(tmp_path: Path) -> None:
    gate = Gate()
    with EmbeddedRedis(tmp_path) as server:
        open_fence(server.url)
        async with at_work(server.url, gated(gate), worker=QUICK) as work:
            # Given a task that the worker has begun, and a Redis that dies and is back with it and with another
            await work.streams.give(run="begun")
            await eventually(lambda: gate.inside == 1)
            server.kill()
            server.start()
            await work.streams.redis.connection_pool.disconnect()
            await work.streams.give(run="another")
            # When the worker has noticed, and nobody has said yet that nothing is missing
            await eventually(lambda: "read_function" in work.service.health.reasons)
            await eventually(lambda: "read_function" not in work.service.health.reasons)
            # Then it takes nothing
            assert gate.inside == 1
            # Until somebody has
            open_fence(server.url)
            await eventually(lambda: gate.inside == 2)
            gate.open.set()
            assert await work.streams.results(2) == {"begun": "through", "another": "through"}


async def test_results_are_kept_while_redis_has_no_memory(redis_db: str) -> None:
    gate = Gate()
    async with at_work(redis_db, gated(gate)) as work:
        await work.streams.give()
        await eventually(lambda: gate.inside == 1)
        # When Redis refuses whatever takes memory
        await work.streams.redis.config_set("maxmemory", 1)
        try:
            gate.open.set()
            await eventually(lambda: "SRV008" in work.service.health.reasons.get("results", ""))
        finally:
            await work.streams.redis.config_set("maxmemory", 0)
        # Then the result arrives as soon as there is some again
        assert await work.streams.results(1) == {"run_1": "through"}


async def test_tasks_that_a_broken_connection_took_with_it_are_done(redis_db: str) -> None:
    async with at_work(redis_db, all_kinds()) as work:
        await work.streams.give("async", run="before", payload=1)
        await work.streams.results(1)
        # Given a read whose answer never arrived: Redis has given the task to the worker, who knows nothing of it
        await work.streams.give_unseen(work.shift.consumer, "async", run="lost", payload=2)
        # When the connection breaks
        await work.streams.redis.client_kill_filter(_type="normal", skipme=True)
        # Then the worker asks for what it was given, and does it; what it did before it does not do again
        assert await work.streams.results(2) == {"before": 2, "lost": 4}
        await work.streams.give("async", run="after", payload=3)
        assert await work.streams.results(3) == {"before": 2, "lost": 4, "after": 6}
        assert len(await work.streams.signals(3)) == 3


async def test_a_drain_lets_running_handlers_end_and_signs_off(redis_db: str) -> None:
    gate = Gate()
    async with at_work(redis_db, gated(gate, concurrency=2)) as work:
        for number in range(3):
            await work.streams.give(run=f"run_{number}")
        await eventually(lambda: gate.inside == 2)
        # When the process is told to stop while two tasks run and one waits
        work.service.drain.set()
        await asyncio.sleep(0)
        gate.open.set()
        assert await work.running == Exit.DRAINED
        # Then both have reported, the third is untouched, and the worker is on no list
        assert len(await work.streams.signals(2)) == 2
        assert await work.streams.redis.xlen("wf.signals") == 2
        assert await work.streams.pending() == 2
        assert await work.registry.registered() == {}


async def test_what_a_drain_cannot_wait_for_is_handed_to_others_at_once(redis_db: str) -> None:
    gate, stuck = Gate(), threading.Event()
    worker = gated(gate)
    other = Worker("slow")
    other.handler()(lambda task: stuck.wait())
    async with at_work(redis_db, [worker, other], grace_period_ms=400) as work:
        await work.streams.give(run="never")
        await work.streams.give(run="stuck", type="slow")
        await eventually(lambda: gate.inside == 1)
        # When the grace period ends before the handlers do
        assert await work.drained() == Exit.DRAINED
        # Then nothing was reported, and the worker counts as dead with both tasks in its hands, at once
        assert await work.streams.redis.xlen("wf.signals") == 0
        assert (await work.streams.pending(), await work.streams.pending("slow")) == (1, 1)

        async def lost() -> bool:
            return await work.registry.lost() == {work.shift.consumer: ("function", "slow")}

        await eventually(lost)
    stuck.set()


async def test_workers_of_several_types_share_one_process(redis_db: str) -> None:
    mail = Worker("mail")
    mail.handler(inline=True)(lambda task: "mailed")
    async with at_work(redis_db, [all_kinds(), mail]) as work:
        assert await work.registry.registered() == {work.shift.consumer: ("function", "mail")}
        await work.streams.give("async", run="one", payload=1)
        await work.streams.give(run="two", type="mail")
        assert await work.streams.results(2) == {"one": 2, "two": "mailed"}


async def test_tasks_are_counted_by_type_and_outcome(redis_db: str) -> None:
    async with at_work(redis_db, all_kinds()) as work:
        await work.streams.give("inline", run="good", payload=1)
        await work.streams.give("inline", run="bad", payload="x")
        await work.streams.results(2)
        text = work.service.metrics.render().decode()
        assert 'pointsman_tasks_total{outcome="completed",type="function"} 1.0' in text
        assert 'pointsman_tasks_total{outcome="failed",type="function"} 1.0' in text
        assert 'pointsman_task_seconds_count{type="function"} 2.0' in text
