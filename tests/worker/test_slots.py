"""How the slots of a worker are shared out among the readers of its partitions."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from pointsman.worker.slots import Slots


async def test_slots_go_to_readers_in_the_order_in_which_they_ask() -> None:
    # Given a worker with one slot, which is taken, and readers that want it again as soon as they have had it
    slots = Slots(1)
    slots.take()
    served: list[int] = []

    async def read(number: int) -> None:
        for _ in range(3):
            count = await slots.reserve()
            served.append(number)
            slots.give(count)

    readers = [asyncio.create_task(read(number)) for number in range(4)]
    await asyncio.sleep(0)
    # When it is free
    slots.give()
    await asyncio.gather(*readers)
    # Then each has its turn before any has the next
    assert served == [0, 1, 2, 3] * 3
    assert slots.free == 1


async def test_a_reader_that_gives_up_leaves_its_turn_to_the_next() -> None:
    # Given two readers that wait for the only slot
    slots = Slots(1)
    slots.take()
    first, second = (asyncio.create_task(slots.reserve()) for _ in range(2))
    await asyncio.sleep(0)
    # When the first is gone before there is one
    first.cancel()
    await asyncio.sleep(0)
    slots.give()
    # Then the second has it
    assert await second == 1
    assert slots.free == 0


@given(st.integers(1, 300), st.integers(1, 20))
def test_more_is_never_reserved_than_there_is_and_something_always(size: int, readers: int) -> None:
    async def reserved() -> list[int]:
        slots = Slots(size)
        counts: list[int] = []
        while slots.free and len(counts) < readers:
            counts.append(await slots.reserve())
        assert slots.free == size - sum(counts)
        return counts

    # Given slots that are all free, when readers ask for some one after the other
    counts = asyncio.run(reserved())
    # Then each has at least one, and all of them together no more than there are
    assert sum(counts) <= size
    assert min(counts) >= 1


def test_a_quarter_of_the_slots_is_never_lent() -> None:
    # Given sixteen slots for sixteen readers
    slots = Slots(16, readers=16)
    # When readers are lent some as long as that may be
    lent = 0
    while slots.can_lend:
        slots.lend(lambda: None)
        lent += slots.share
    # Then a quarter of them is left for whoever has many tasks
    assert (lent, slots.free) == (12, 4)


def test_the_only_slot_is_lent_to_nobody() -> None:
    assert not Slots(1, readers=16).can_lend


async def test_lent_slots_are_recalled_when_none_are_left() -> None:
    # Given a slot that is lent, and no other free
    slots = Slots(2, readers=2)

    def recall() -> None:
        slots.give_back(recall)

    slots.lend(recall)
    slots.take()
    # When another reader needs one
    count = await slots.reserve()
    # Then it has that
    assert (count, slots.free) == (1, 0)
