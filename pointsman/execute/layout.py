"""Layout: how many partitions there are says where each run is, so it changes only while Redis is empty."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from pointsman.base.errors import ServerUnavailable


class LayoutRecord(Protocol):
    """Where the number of partitions is written down."""

    async def partitions(self) -> int | None:
        """The number; None where no supervisor has opened Redis yet."""
        ...

    async def change(self, known: int | None, partitions: int) -> None:
        """Write another number down in place of the one known."""
        ...


async def settle(record: LayoutRecord, partitions: int, is_in_use: Callable[[int], Awaitable[bool]]) -> None:
    """See to it that this number of partitions is the one that counts.

    Args:
        record: See `LayoutRecord`.
        partitions: What this process was told.
        is_in_use: Whether Redis holds anything of a layout with so many partitions.

    Raises:
        ServerUnavailable: SRV065, another number counts.
    """
    known = await record.partitions()
    if known == partitions:
        return
    if known is not None and await is_in_use(known):
        raise other_layout(partitions, known)
    await record.change(known, partitions)
    counts = await record.partitions()
    if counts != partitions:
        raise other_layout(partitions, counts)


def other_layout(told: int, counts: int | None) -> ServerUnavailable:
    """The error for a process that was told another number of partitions than the one that counts."""
    return ServerUnavailable(
        "SRV065",
        f"POINTSMAN_PARTITIONS is {told}, and the runs in Redis are spread over {counts}. Nothing was opened or "
        f"changed. Set it to {counts}. To change the number: stop every process but the supervisors, wait until "
        'pointsman_backlog{stream="wf.events"} is 0, stop those too, FLUSHALL, and start all with the new number: '
        "every run comes back from the journal.",
    )
