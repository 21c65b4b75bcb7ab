"""How long what came in has been waiting in Redis."""

from __future__ import annotations

from pointsman.adapters.redis.partition import Partition
from pointsman.base.ids import Millis


async def waits_since(partition: Partition) -> Millis | None:
    """When the oldest signal or event came that nobody has finished with; None where there is none.

    Entries of the public list do not say when they came: as long as there are any it is taken to be long ago.
    """
    keys, ask = partition.keys, partition.connection.ask_all
    signals, events, *lists = await ask(
        [
            ("XRANGE", keys.signals, "-", "+", "COUNT", 1),
            ("XRANGE", keys.events, "-", "+", "COUNT", 1),
            ("LLEN", keys.pushed),
            ("LLEN", keys.staging),
        ]
    )
    if any(lists):
        return Millis(0)
    first = [int(entries[0][0].partition(b"-")[0]) for entries in (signals, events) if entries]
    return Millis(min(first)) if first else None
