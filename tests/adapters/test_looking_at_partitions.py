"""All partitions looked at together: sums, and what is said while one of them is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pointsman.adapters.redis import congestion
from pointsman.adapters.redis.address import read_address
from pointsman.adapters.redis.backlog import RoutedBacklog, open_backlog
from pointsman.adapters.redis.congestion import open_congestion
from pointsman.adapters.redis.faults import replaced, unavailable
from pointsman.adapters.redis.keys import PUSHED
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.routed import open_store
from pointsman.adapters.redis.survey import Survey
from pointsman.adapters.redis.waiting import waits_since
from pointsman.adapters.redis.workers import WorkerRegistry
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import RunId
from pointsman.execute.admission import Admission
from pointsman.ports.backlog import TaskBacklog
from tests.support.stories import PLAN_BODY, Story
from tests.support.unreachable import without

RUNS = [f"run_{number}" for number in range(6)]


async def started(partitions: Partitions) -> None:
    """Start runs in several partitions, each with two tasks."""
    for name in RUNS:
        await open_store(partitions).start(Story(name, "a", "b").first, PLAN_BODY)
    assert len(partitions.split(map(RunId, RUNS))) > 1


async def take_one(partitions: Partitions, run: str) -> None:
    """Have a worker that never registered take a task, where a run lives."""
    there = partitions.of(RunId(run))
    stream = there.keys.tasks("function")
    assert await there.connection.ask("XREADGROUP", "GROUP", "workers", "w", "COUNT", 1, "STREAMS", stream, ">")


async def test_the_backlog_is_the_sum_of_what_all_partitions_have(partitions: Partitions) -> None:
    # Given runs in several partitions
    backlog = open_backlog(partitions)
    await started(partitions)
    # When everything is looked at, and again after a worker took a task in one of them
    before, streams = await backlog.tasks(), await backlog.streams()
    await take_one(partitions, RUNS[0])
    # Then it is told as if there were one partition
    assert before == [TaskBacklog("function", 12, 12, False)]
    assert streams == {"wf.signals": 0, "wf.events": 6, "wf.outbox": 0}
    assert await backlog.tasks() == [TaskBacklog("function", 12, 11, True)]


async def test_a_type_is_served_where_any_partition_has_a_worker_for_it(partitions: Partitions) -> None:
    # Given a worker that one partition knows, and a task that somebody holds in another
    backlog = open_backlog(partitions)
    await started(partitions)
    await WorkerRegistry(partitions.all[3]).register("w1", ["agent"], 60_000)
    nobody = await backlog.unserved({"agent", "function", "mail"})
    await take_one(partitions, RUNS[0])
    # When it is asked which types nobody serves
    # Then those that a worker has in any partition are not among them
    assert (nobody, await backlog.unserved({"agent", "function", "mail"})) == ({"function", "mail"}, {"mail"})


async def test_congestion_is_that_of_all_partitions(partitions: Partitions) -> None:
    # Given runs in several partitions
    await started(partitions)
    # When it is asked how much waits
    looking = open_congestion(partitions)
    # Then it is all of it, and the memory that of the fullest server
    assert await looking.unread(["function", "agent"]) == 12
    assert (await looking.unwritten(), await looking.memory()) == (6, 0)


async def test_many_who_ask_at_once_whether_to_start_are_not_all_told_to(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given room for twenty tasks, of which twelve wait, and thirty runs that might start
    monkeypatch.setattr(congestion, "_COUNT_EVERY_S", 60.0)
    await started(partitions)
    admission = Admission(open_congestion(partitions), 20)
    # When each asks whether it may, at the same time
    told = await asyncio.gather(*(admission.admits(["function"]) for _ in range(30)))
    # Then as many may as there is room for
    assert told == [True] * 8 + [False] * 22


async def test_what_waits_longest_is_found_in_any_partition(partitions: Partitions) -> None:
    # Given nothing, then events in two partitions, then something on the public list
    assert await waits_since(partitions) is None
    for number, at in ((9, 5_000), (4, 7_000)):
        there = partitions.all[number]
        await there.connection.ask("XADD", there.keys.events, f"{at}-0", "event", "x")
    # When it is asked since when something waits
    oldest = await waits_since(partitions)
    # Then it is the oldest of all; what is on the list may have been there for ever
    assert oldest == 5_000
    await partitions.public.ask("RPUSH", PUSHED, "x")
    assert await waits_since(partitions) == 0


async def test_nothing_is_said_to_wait_nowhere_while_a_partition_is_away(partitions: Partitions) -> None:
    # Given partitions one of which cannot be asked
    away = without(partitions, 5)
    # When it is asked since when something waits
    # Then that is not known
    with pytest.raises(ServerUnavailable, match="SRV001"):
        await waits_since(away)
    # And what the others have is told all the same
    assert await RoutedBacklog(away).streams() == {"wf.signals": 0, "wf.events": 0, "wf.outbox": 0}


class Places:
    """Some that answer and some that do not; counts how often each was asked."""

    def __init__(self, *away: int) -> None:
        self.away = set(away)
        self.asked: list[int] = []
        self.survey = Survey(range(4))

    async def look(self) -> list[int]:
        """Who answered."""
        return await self.survey.each(self._answer())

    def _answer(self) -> Callable[[int], Awaitable[int]]:
        async def answer(number: int) -> int:
            self.asked.append(number)
            if number in self.away:
                raise unavailable("SRV002", f"{number} is away.")
            return number

        return answer


async def test_a_partition_that_is_away_is_left_out_and_left_alone_for_a_while() -> None:
    # Given four of which one is away
    places = Places(2)
    # When they are looked at twice
    found = [await places.look(), await places.look()]
    # Then the others are told each time, and that one was asked once
    assert found == [[0, 1, 3], [0, 1, 3]]
    assert places.asked == [0, 1, 2, 3, 0, 1, 3]


async def test_a_partition_whose_server_was_started_again_is_asked_again_at_once() -> None:
    # Given four of which the server of one is another process by now
    survey, asked = Survey(range(4)), list[int]()

    async def answer(number: int) -> int:
        asked.append(number)
        if (number, asked.count(2)) == (2, 1):
            raise replaced(read_address("redis://"))
        return number

    # When they are looked at
    found = await survey.each(answer)
    # Then that one tells what it has now
    assert (found, sorted(asked)) == ([0, 1, 2, 3], [0, 1, 2, 2, 3])


async def test_where_no_partition_answers_the_reason_is_told() -> None:
    # Given four that are away
    places = Places(0, 1, 2, 3)
    # When they are looked at twice
    # Then each time it is said why nothing is known
    for _ in range(2):
        with pytest.raises(ServerUnavailable, match="SRV002"):
            await places.look()
