"""`python -m supervisor`: connects to the servers and does every duty."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from functools import partial

from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.layout import PostgresLayout
from pointsman.adapters.postgres.migrate import check_schema
from pointsman.adapters.redis.event_source import RedisEventSource
from pointsman.adapters.redis.leases import PartitionLeases
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.remains import is_in_use
from pointsman.execute.holding import Holding, Tenure
from pointsman.execute.layout import settle
from pointsman.service import Exit, Loop, Service, main
from pointsman.settings import Settings
from supervisor.deps import Duties
from supervisor.sharing import Sharing


async def run(settings: Settings) -> Exit:
    """Be a supervisor until told to stop.

    Raises:
        ServerUnavailable: Redis, Postgres or the port for metrics is not as needed, or SRV065.
    """
    service = Service(settings, settings.supervisor.metrics_port)
    async with AsyncExitStack() as stack:
        partitions = await Partitions.open(settings.redis_dsn, settings.partitions)
        service.warn(partitions.warnings)
        stack.push_async_callback(partitions.aclose)
        pool = await open_pool(settings.database_dsn, name="pointsman supervisor", size=4)
        stack.callback(pool.terminate)
        async with pool.acquire() as connection:
            await check_schema(connection)
        await settle(PostgresLayout(pool), settings.partitions, partial(is_in_use, settings.redis_dsn))
        duties = Duties(service, partitions, pool)
        if settings.partitions > 1:
            own = await _shared(service, partitions, duties, stack)
        else:
            source = await stack.enter_async_context(aclosing(RedisEventSource(partitions.all[0])))
            own = duties.of_partition(0, source, service.drain, _stand_by)
        return await service.run({**duties.of_all(), **own})


def _stand_by() -> None:
    """Ask for the lease again and again: whoever has it is newer."""


async def _shared(
    service: Service, partitions: Partitions, duties: Duties, stack: AsyncExitStack
) -> Mapping[str, Loop]:
    """The partitions, each of them served by one supervisor at a time."""

    async def serve(number: int, tenure: Tenure) -> None:
        async with aclosing(RedisEventSource(partitions.all[number])) as source:
            of_this = duties.of_partition(number, source, tenure.stop, sharing.stand_back)
            loops = {f"{name} {number}": loop for name, loop in of_this.items()}
            await asyncio.gather(*(service.keep_running(name, loop, tenure.stop) for name, loop in loops.items()))
            for name in loops:
                service.health.ready(name)
            duties.forget(number)

    async def hold(end: asyncio.Event) -> None:
        await Holding(leases, len(partitions.all), serve, end, service.metrics.partitions_held.set).run()

    consumer = f"{socket.gethostname()}:{os.getpid()}"
    leases = await stack.enter_async_context(aclosing(PartitionLeases(partitions, "supervisor", consumer)))
    sharing = Sharing(hold, service.drain)
    return {"partitions": sharing.run}


if __name__ == "__main__":
    sys.exit(main("supervisor", run))
