"""Forks whose acceptor died: a supervisor starts them, with the history out of the journal."""

from __future__ import annotations

import asyncio

from pointsman.base.ids import Millis, TokenId
from pointsman.execute import Starting
from pointsman.protocol.state import Fork
from supervisor.reconcile import Reconcile
from tests.supervisor.depot import Depot
from tests.support.waiting import eventually


async def test_a_fork_that_was_accepted_and_not_started_is_started(depot: Depot) -> None:
    # Given a fork of a run that has ended, whose acceptor died before it could start it
    origin = await depot.run_through()
    async with depot.journalling():
        await eventually(lambda: depot.is_written(origin, 4))
    forked = Fork(origin, 4, (TokenId(":b"),), reason="once more")
    run = await depot.accept("run_2", created_at=Millis(await depot.store.now() - 60_000), forked=forked)
    # When accepted and started runs are compared
    starting = Starting(depot.executor, depot.journal, depot.documents)
    now, drain, metrics = depot.store.now, asyncio.Event(), depot.metrics
    reconcile = Reconcile(depot.index, depot.documents, starting, now, drain, metrics, partitions=1, interval_ms=1_000)
    await reconcile.start_what_was_accepted()
    # Then it runs with the history that it was to keep
    snapshot = (await depot.store.load([run.run_id]))[run.run_id]
    assert (snapshot.head.status, snapshot.head.forked) == ("RUNNING", forked)
    assert (list(snapshot.results), list(snapshot.tokens)) == ([":a"], [":b"])
