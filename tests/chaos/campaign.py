"""One round of the campaign: a load, faults, calm, and everything checked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final, NamedTuple

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pointsman.adapters.postgres.connect import open_pool
from pointsman.base.ids import RunId
from tests.chaos.asking import Asking
from tests.chaos.chaos_system import PAIRED, ChaosSystem
from tests.chaos.checks import violations
from tests.chaos.checks.rest import is_left_behind
from tests.chaos.faults import carry_out_all
from tests.chaos.gather import Dump, Sources, dump, forget_ledgers, gathered, kept_runs, losses
from tests.chaos.load import Amount, Load
from tests.chaos.record import Kept, Run, Violation
from tests.chaos.schedule import KINDS, SERVERS, KindName, is_server, schedule
from tests.integration.system import MODULES
from tests.support.waiting import eventually, let_pass

OF_NO_RUN: Final = RunId("")
PATIENCE_S: Final = 180.0
"""How long runs may take to end once nothing strikes any more."""
LOOK_EVERY_S: Final = 2.0
OPEN_LETTERS: Final = """
SELECT count(*) FROM dead_letters AS l WHERE l.run_id = ANY($1) AND l.kind <> 'rejected' AND l.status = 'open'
    AND NOT EXISTS (SELECT FROM events AS e WHERE e.run_id = l.run_id AND e.epoch > l.epoch AND e.seq <= l.seq)
"""


class Round(NamedTuple):
    """What happens in a round. All of it follows from these, but for the order in which processes get to work."""

    name: str
    seed: int
    seconds: float
    """How long there are faults and edits."""
    amount: Amount
    faults_per_s: float
    among: tuple[str, ...] = (*MODULES, *PAIRED, *SERVERS)
    kinds: Collection[KindName] = tuple(KINDS)
    again: str = ""
    """The command that plays it again."""


class Outcome(NamedTuple):
    """What came of a round."""

    round: Round
    runs: list[Run]
    faults: Counter[str]
    looks: int
    """How often all of Redis was kept, to be compared."""
    violations: list[Violation]


async def play(system: ChaosSystem, plan: Round) -> Outcome:
    """Play a round on a system that is whole; it is whole again afterwards."""
    done: Counter[str] = Counter()
    looks: list[dict[RunId, Kept]] = []
    faults = schedule(plan.seed, plan.seconds, plan.faults_per_s, _struck(system, plan), plan.kinds)
    system.wrong.clear()
    async with _sources(system) as sources:
        asking = Asking(sources.client, system.urls)
        load = Load(asking, plan.seed, plan.amount)
        known = await losses(sources.pool)
        meanwhile = asyncio.gather(_watch(system, sources, looks), load.letters.look_after_all())
        async with asyncio.TaskGroup() as group:
            group.create_task(load.start_all())
            group.create_task(load.edit_for(plan.seconds))
            group.create_task(load.pause_for(plan.seconds))
            group.create_task(load.fork_for(plan.seconds))
            group.create_task(carry_out_all(system, faults, done))
        last = await _settled(sources, load)
        meanwhile.cancel()
        with suppress(asyncio.CancelledError):
            await meanwhile
        runs = await gathered(sources, load, looks, [loss for loss in await losses(sources.pool) if loss not in known])
        found = violations(runs)
        found += [Violation("Redis is empty in the end", OF_NO_RUN, wrong) for wrong in is_left_behind(last)]
        found += [Violation("processes end when told to, and only then", OF_NO_RUN, wrong) for wrong in system.wrong]
        found += [
            Violation("every answer of the API is one that it foresaw", OF_NO_RUN, wrong) for wrong in asking.failed
        ]
        found += [Violation("the journal raises no alarm", OF_NO_RUN, wrong) for wrong in await _alarms(sources)]
        forget_ledgers(system.ledgers)
    return Outcome(plan, runs, done, len(looks), found)


def _struck(system: ChaosSystem, plan: Round) -> tuple[str, ...]:
    """What a round strikes: where it strikes Redis, every server that is part of it."""
    if "redis" not in plan.among:
        return plan.among
    processes = tuple(name for name in plan.among if not is_server(name))
    return (*processes, *system.all_servers)


@asynccontextmanager
async def _sources(system: ChaosSystem) -> AsyncIterator[Sources]:
    pool = await open_pool(system.postgres.dsn, name="test", size=2)
    try:
        async with AsyncExitStack() as opened:
            limits = httpx.Limits(max_connections=200)
            client = await opened.enter_async_context(httpx.AsyncClient(base_url=system.url, timeout=15, limits=limits))
            nodes = [
                await opened.enter_async_context(Redis.from_url(node.url, protocol=2)) for node in system.redis.nodes
            ]
            yield Sources(nodes, system.redis.partitions, pool, client, system.ledgers)
    finally:
        pool.terminate()


async def _watch(system: ChaosSystem, sources: Sources, looks: list[dict[RunId, Kept]]) -> None:
    """Keep what Redis holds now and then, if it is there, and start again what could not begin without its servers."""
    while True:
        await let_pass(LOOK_EVERY_S)
        system.bring_back()
        try:
            async with asyncio.timeout(5):
                looks.append(kept_runs(await dump(sources.nodes)))
        except (RedisError, OSError, TimeoutError):
            continue


async def _settled(sources: Sources, load: Load) -> Dump:
    """Wait until every run has ended and nothing is left of it; what Redis holds then, or when patience has ended."""

    async def is_over() -> bool:
        open_runs = await sources.pool.fetchval(
            "SELECT count(*) FROM runs WHERE run_id = ANY($1) AND ended_at IS NULL", load.asked
        )
        unread = await sources.pool.fetchval(OPEN_LETTERS, load.asked)
        return not open_runs and not unread and not list(is_left_behind(await dump(sources.nodes)))

    with suppress(AssertionError):
        await eventually(is_over, timeout=PATIENCE_S)
    return await dump(sources.nodes)


async def _alarms(sources: Sources) -> list[str]:
    rows = await sources.pool.fetch("SELECT kind, run_id, epoch, seq, detail FROM journal_alarms ORDER BY id")
    return [str(dict(row)) for row in rows]
