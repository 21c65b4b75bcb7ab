"""Partitions of one server: their names, where a run lives, and a store over all of them."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from pointsman.adapters.redis.address import read_addresses
from pointsman.adapters.redis.keys import PUSHED, Keyspace, slot_of
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.routed import RoutedRunStore, open_store
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import RunId, partition_of
from pointsman.ports.run_store import Link
from tests.adapters.conftest import COUNT
from tests.support.stories import PLAN, PLAN_BODY, Story
from tests.support.unreachable import without

RUNS = [f"run_{number}" for number in range(40)]


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789_-.", min_size=1, max_size=40), st.integers(2, 1_000))
def test_all_keys_of_a_run_are_in_the_slot_of_its_partition(name: str, count: int) -> None:
    # Given a run, in its partition
    run = RunId(name)
    number = partition_of(run, count)
    keys = Keyspace(number, count)
    # When its keys are placed in a cluster, by somebody else's reckoning
    names = (*keys.state(run), keys.ir(run), keys.tombstone(run), keys.timers, keys.signals, keys.events, keys.epoch)
    slots = {key_slot(key.encode()) for key in (*names, keys.tasks("agent"), keys.plan("d"), keys.lease("w"))}
    # Then they all are where the partition is
    assert 0 <= number < count
    assert slots == {keys.slot} == {slot_of(str(number))}


def test_the_public_list_is_beside_its_staging_list() -> None:
    # Given the public list, which has the same name whatever number of partitions there is
    keys = Keyspace(3, COUNT)
    # When it is placed, with the list it is drained through
    # Then both have one slot
    assert keys.pushed == Keyspace().pushed == PUSHED
    assert key_slot(keys.pushed.encode()) == key_slot(keys.staging.encode())


def test_with_one_partition_no_name_carries_a_tag() -> None:
    # Given the names of the only partition
    keys = Keyspace()
    # When they are spelled
    names = (*keys.state(RunId("r")), keys.tasks("t"), keys.signals, keys.staging)
    # Then none has a tag
    assert not any("{" in name for name in names)


def test_a_url_may_name_several_nodes() -> None:
    # Given a URL with a password and three nodes, one without a port
    url = "redis://me:secret@one:7000,two:7001,three/0"
    # When it is read
    addresses = read_addresses(url)
    # Then each is a node with that password
    assert [str(address) for address in addresses] == ["one:7000", "two:7001", "three:6379"]
    assert {address.sign_on[0] for address in addresses} == {("AUTH", "me", "secret")}


async def test_a_process_begins_though_the_server_of_a_partition_is_away(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given sixteen partitions, of which the first two cannot be reached
    there = without(partitions, 0, 1)
    monkeypatch.setattr(Partitions, "connected", partial(_connected, there))
    # When they are opened
    opened = await Partitions.open("redis://", COUNT)
    # Then that is told, and runs of the others begin
    assert opened.warnings == ["partitions 0, 1 of 16 are away: SRV001 nobody is there."]
    story = next(story for story in (Story(name, "a") for name in RUNS) if opened.of(story.run).number > 1)
    assert await open_store(opened).start(story.first, PLAN_BODY) == "started"
    # And the time is that of a server that is there
    assert abs(await open_store(opened).now() - await open_store(partitions).now()) < 10_000


async def test_a_process_does_not_begin_where_no_partition_can_be_reached(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given sixteen partitions of which none can be reached
    monkeypatch.setattr(Partitions, "connected", partial(_connected, without(partitions, *range(COUNT))))
    # When they are opened
    # Then the reason is told
    with pytest.raises(ServerUnavailable, match="SRV001"):
        await Partitions.open("redis://", COUNT)


async def _connected(there: Partitions, url: str, count: int) -> Partitions:
    return there


async def test_a_run_is_found_in_its_own_partition_only(partitions: Partitions) -> None:
    # Given runs started through a store over all partitions
    store = open_store(partitions)
    stories = [Story(name, "a") for name in RUNS]
    for story in stories:
        assert await store.start(story.first, PLAN_BODY) == "started"
    # When each partition is looked at by itself
    found = [await RedisRunStore(partition).load([RunId(name) for name in RUNS]) for partition in partitions.all]
    # Then each run is where its id says, and all are found together
    assert {run: number for number, few in enumerate(found) for run in few} == {
        RunId(name): partition_of(RunId(name), COUNT) for name in RUNS
    }
    assert await store.load([story.run for story in stories]) == {story.run: story.snapshot for story in stories}


async def test_outcomes_stand_in_the_order_of_what_was_applied(partitions: Partitions) -> None:
    # Given runs in several partitions, one of which has moved on, and one that is not there
    store = RoutedRunStore(partitions)
    stories = [Story(name, "a") for name in RUNS[:6]]
    for story in stories[:5]:
        await store.start(story.first, PLAN_BODY)
    await store.apply([Link(stories[2].tell("pause", status="PAUSED"))])
    links = [Link(Story(story.run, "a").tell("pause", status="PAUSED")) for story in stories]
    # When something is applied to all, from what each was at first
    outcomes = await store.apply(links)
    # Then each answer stands where its link stood
    assert outcomes == ["applied", "applied", "stale", "applied", "applied", "missing"]


async def test_a_plan_is_found_in_whichever_partition_has_it(partitions: Partitions) -> None:
    # Given a plan that was stored for one run
    store = RoutedRunStore(partitions)
    await store.put_plan(RunId("run_7"), PLAN, PLAN_BODY)
    # When it is asked for, and how many partitions hold it
    held = [await RedisRunStore(partition).plan(PLAN) for partition in partitions.all]
    # Then it is found, and only the run's has it
    assert await store.plan(PLAN) == PLAN_BODY
    assert [number for number, body in enumerate(held) if body] == [partition_of(RunId("run_7"), COUNT)]


async def test_final_runs_leave_every_partition_and_others_stay(partitions: Partitions) -> None:
    # Given runs in several partitions, every second one at its end
    store = RoutedRunStore(partitions)
    stories = [Story(name, "a") for name in RUNS[:8]]
    for story in stories:
        await store.start(story.first, PLAN_BODY)
    for story in stories[::2]:
        await store.apply([Link(story.tell("cancel", status="CANCELLED", closed=(":a",)))])
    # When all are to be finished
    answers = await store.finish([story.run for story in stories])
    # Then those at their end are gone
    assert answers == [True, False] * 4
    assert set(await store.load([story.run for story in stories])) == {story.run for story in stories[1::2]}
