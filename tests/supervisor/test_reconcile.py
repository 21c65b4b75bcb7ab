from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.runs import Runs
from pointsman.adapters.redis.congestion import RedisCongestion
from pointsman.base.ids import Millis, RunId
from pointsman.execute import Executor
from pointsman.execute.admission import Admission
from pointsman.plan import encode_plan
from pointsman.ports.run_index import NewRun
from pointsman.protocol.output import inline
from supervisor.reconcile import Reconcile
from tests.supervisor.depot import CHAIN, Depot
from tests.support.journalled import Story
from tests.support.plans import plan, task
from tests.support.waiting import eventually


@pytest.fixture
def drain() -> asyncio.Event:
    """Set by a test that wants the duty to end."""
    return asyncio.Event()


@pytest.fixture
def reconcile(depot: Depot, drain: asyncio.Event) -> Reconcile:
    """The duty, for runs accepted a second ago or earlier."""
    return Reconcile(
        depot.index,
        depot.documents,
        depot.executor,
        depot.store.now,
        drain,
        depot.metrics,
        partitions=1,
        interval_ms=1_000,
    )


async def accept_long_ago(depot: Depot, run_id: str = "run_1", **fields: Any) -> NewRun:
    return await depot.accept(run_id, created_at=Millis(await depot.store.now() - 60_000), **fields)


async def open_runs(depot: Depot, *runs: str) -> set[str]:
    return set(await depot.store.load([RunId(run) for run in runs]))


async def test_a_run_that_was_accepted_and_not_started_is_started(depot: Depot, reconcile: Reconcile) -> None:
    # Given a run whose acceptor died before it could start it
    run = await accept_long_ago(depot, input=inline({"order": 7}), metadata={"team": "blue"})
    # When accepted and started runs are compared, by two supervisors
    await asyncio.gather(reconcile.start_what_was_accepted(), reconcile.start_what_was_accepted())
    # Then it runs as it was accepted, once
    snapshot = (await depot.store.load([run.run_id]))[run.run_id]
    assert (snapshot.head.status, snapshot.head.input, snapshot.head.metadata) == ("RUNNING", run.input, run.metadata)
    assert list(snapshot.tokens) == [":a"]
    assert len(await depot.streamed()) == 1
    assert depot.metrics.runs_reconciled._value.get() == 1


async def test_a_run_accepted_just_now_is_left_to_its_acceptor(depot: Depot, reconcile: Reconcile) -> None:
    await depot.accept()
    await reconcile.start_what_was_accepted()
    assert await open_runs(depot, "run_1") == set()


async def test_a_run_that_is_in_the_journal_is_not_started_again(depot: Depot, reconcile: Reconcile) -> None:
    # Given a run that ended and left Redis, and one whose journal has only just begun
    await accept_long_ago(depot, "run_1")
    await depot.journal.append(Story("run_1").start().end().events)
    # When accepted and started runs are compared
    await reconcile.start_what_was_accepted()
    # Then there is nothing to start
    assert await open_runs(depot, "run_1") == set()


async def test_a_run_that_runs_already_is_left_alone(depot: Depot, reconcile: Reconcile) -> None:
    # Given a run that was started, of which the journal has not heard yet
    run = await accept_long_ago(depot)
    assert await depot.executor.start(run.head(), encode_plan(CHAIN), await depot.store.now()) == "started"
    before = await depot.store.dump()
    # When accepted and started runs are compared
    await reconcile.start_what_was_accepted()
    # Then not a byte of it differs
    assert await depot.store.dump() == before
    assert depot.metrics.runs_reconciled._value.get() == 0


async def test_a_run_that_cannot_be_started_keeps_no_other_from_it(depot: Depot, reconcile: Reconcile) -> None:
    # Given a run whose plan was written by a newer release, and a run behind it
    newer = plan(task("a"), format=99)
    await accept_long_ago(depot, "run_1", made_of=newer)
    await accept_long_ago(depot, "run_2")
    # When both are to be started
    with structlog.testing.capture_logs() as logs:
        await reconcile.start_what_was_accepted()
        await reconcile.start_what_was_accepted()
    # Then the second one runs, and the first is complained about, once
    assert await open_runs(depot, "run_1", "run_2") == {"run_2"}
    (told,) = [line for line in logs if line["event"] == "start_failed"]
    assert told["run_id"] == "run_1"
    assert told["reason"].startswith("RUN001 a stored plan has format 99")


async def test_many_accepted_runs_are_started_page_by_page(depot: Depot, reconcile: Reconcile) -> None:
    names = [f"run_{number}" for number in range(150)]
    for name in names:
        await accept_long_ago(depot, name)
    await reconcile.start_what_was_accepted()
    assert await open_runs(depot, *names) == set(names)


async def test_comparing_goes_on_until_the_service_drains(
    depot: Depot, reconcile: Reconcile, drain: asyncio.Event
) -> None:
    running = asyncio.create_task(reconcile.run())
    await accept_long_ago(depot)
    await eventually(lambda: open_runs(depot, "run_1"))
    drain.set()
    await running


async def test_runs_that_wait_are_started_in_turn_between_tenants_while_there_is_room(depot: Depot) -> None:
    # Given forty runs of one tenant, and later one of each of two others; room for some tasks only
    for number in range(40):
        await accept_long_ago(depot, f"many_{number:02}", tenant="many")
    await accept_long_ago(depot, "one", tenant="one")
    await accept_long_ago(depot, "other", tenant="other")
    admission = Admission(RedisCongestion(depot.partition), 20)
    executor = Executor(depot.store, depot.programs, open_blobs("memory://"), 32_768, admission)
    reconcile = Reconcile(
        depot.index,
        depot.documents,
        executor,
        depot.store.now,
        asyncio.Event(),
        depot.metrics,
        partitions=1,
        interval_ms=1_000,
    )
    # When what waits is started
    assert await reconcile.start_what_was_accepted()
    # Then nobody had to wait for all of the first, whose oldest go first; and some wait still
    names = [f"many_{number:02}" for number in range(40)]
    begun = await open_runs(depot, *names, "one", "other")
    assert {"one", "other", "many_00"} <= begun
    assert len(begun) < 42
    # And when workers have taken what there is, those go too, and nobody is left out
    while await reconcile.start_what_was_accepted():
        await depot.partition.connection.ask("XTRIM", "wf.tasks.function", "MAXLEN", 0)
    assert len(await open_runs(depot, *names, "one", "other")) == 42


async def test_runs_whose_type_nobody_serves_keep_no_others_from_starting(depot: Depot) -> None:
    # Given more runs of a type that nobody serves than there is room for, and behind them one of another type
    unserved = plan(task("a", type="nobody"))
    for number in range(30):
        await accept_long_ago(depot, f"run_{number:02}", made_of=unserved)
    await accept_long_ago(depot, "served")
    executor = Executor(
        depot.store, depot.programs, open_blobs("memory://"), 32_768, Admission(RedisCongestion(depot.partition), 5)
    )
    reconcile = Reconcile(
        depot.index,
        depot.documents,
        executor,
        depot.store.now,
        asyncio.Event(),
        depot.metrics,
        partitions=1,
        interval_ms=1_000,
    )
    # When what waits is started
    await reconcile.start_what_was_accepted()
    # Then that one runs
    assert await open_runs(depot, "served") == {"served"}
    assert len(await open_runs(depot, *(f"run_{number:02}" for number in range(30)))) < 30


async def test_a_run_that_ended_while_the_supervisor_was_halted_is_not_started_again(
    depot: Depot, drain: asyncio.Event
) -> None:
    # Given an accepted run, and a supervisor that is halted for a minute once it has read of it
    run = await depot.accept(created_at=Millis(await depot.store.now() - 600_000))
    is_halted = True

    async def now() -> Millis:
        return Millis(await depot.store.now() - 60_000 * is_halted)

    class Halting(Runs):
        async def accepted_not_started(self, *asked: Any, **more: Any) -> list[NewRun]:
            nonlocal is_halted
            found = await super().accepted_not_started(*asked, **more)
            if found and is_halted:
                is_halted = False
                # Meanwhile another starts it, it ends, and all trace of it leaves Redis
                assert await depot.executor.start(run.head(), encode_plan(CHAIN), await now()) == "started"
                await depot.complete(run.run_id, "a", "b", "c")
                assert await depot.store.finish([run.run_id]) == [True]
                await depot.partition.connection.ask("DEL", f"ended:{run.run_id}")
            return found

    # When it goes on with what it has read
    halting = Halting(depot.pool)
    reconcile = Reconcile(
        halting, depot.documents, depot.executor, now, drain, depot.metrics, partitions=1, interval_ms=1_000
    )
    await reconcile.start_what_was_accepted()
    # Then the run is not there again
    assert not is_halted
    assert await open_runs(depot, run.run_id) == set()
