"""Events over HTTP: in pages, and as a stream without gap or duplicate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import pytest

from orchestrator_api import events
from orchestrator_api.__main__ import listening, serve, url_of
from pointsman.service import Service
from tests.api.room import CHAIN, HELLO, Room
from tests.support.waiting import eventually

STREAM = {"Accept": "text/event-stream"}


@asynccontextmanager
async def served(room: Room) -> AsyncIterator[tuple[httpx.AsyncClient, Service]]:
    """The room's API on a port: a stream needs a network under it."""
    service = room.service
    with listening("127.0.0.1", 0) as listener:
        serving = asyncio.create_task(serve(room.app, listener, service))
        async with httpx.AsyncClient(base_url=url_of(listener), timeout=20) as client:
            yield client, service
        service.drain.set()
        await serving


async def entries(
    client: httpx.AsyncClient, run_id: str, **headers: str
) -> AsyncGenerator[tuple[int, dict[str, Any]], None]:
    """What a stream sends, each event with its id."""
    async with client.stream("GET", f"/api/v1/runs/{run_id}/events", headers={**STREAM, **headers}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        name = 0
        async for line in stream.aiter_lines():
            if line.startswith("id: "):
                name = int(line.removeprefix("id: "))
            elif line.startswith("data: "):
                yield name, msgspec.json.decode(line.removeprefix("data: "))


async def test_events_are_given_in_pages_behind_a_seq(room: Room) -> None:
    # Given a run with three events
    run_id = await room.start(CHAIN)
    await room.complete(run_id, "a", 1)
    await room.complete(run_id, "b", 2)
    await room.cleaned_up(run_id)

    async def page(**query: int) -> tuple[list[tuple[int, str]], int | None]:
        told = (await room.get(f"/runs/{run_id}/events", params=query)).json()
        return [(event["seq"], event["type"]) for event in told["events"]], told["next_after_seq"]

    # Then they can be read at once or piece by piece
    assert await page() == ([(1, "start"), (2, "completed"), (3, "completed")], None)
    assert await page(limit=2) == ([(1, "start"), (2, "completed")], 2)
    assert await page(after_seq=2) == ([(3, "completed")], None)
    assert await page(after_seq=3) == ([], None)


async def test_only_what_is_durable_is_shown(room: Room) -> None:
    run_id = await room.start(CHAIN)
    await room.journal(run_id, 1)
    room.writing.clear()
    await room.complete(run_id, "a", 1)
    assert (await room.run(run_id))["seq"] == 2
    assert len((await room.get(f"/runs/{run_id}/events")).json()["events"]) == 1


async def test_a_stream_tells_each_event_once_over_reconnects_in_the_middle_of_the_run(room: Room) -> None:
    # Given a run of many steps that moves on while it is watched
    names = [f"n{number}" for number in range(40)]
    nodes = [{"id": name, "type": "function"} for name in names]
    edges = [{"from": one, "to": other} for one, other in pairwise(names)]
    run_id = await room.start({"name": "long", "nodes": nodes, "edges": edges})

    async def work() -> None:
        for name in names:
            await room.complete(run_id, name)

    async with served(room) as (client, _):
        working = asyncio.create_task(work())
        seen: list[int] = []
        connections = 0
        # When a watcher hangs up after every seventh event, and comes back with the id of the last one
        while len(seen) <= len(names):
            connections += 1
            headers = {"Last-Event-ID": str(seen[-1])} if seen else {}
            async with aclosing(entries(client, run_id, **headers)) as stream:
                async for name, event in stream:
                    assert event["seq"] == name
                    seen.append(name)
                    if len(seen) % 7 == 0:
                        break
        await working
    # Then it has seen every event once, in order
    assert seen == list(range(1, len(names) + 2))
    assert connections > 3


async def test_a_stream_ends_with_the_run_and_tells_clients_not_to_come_back(room: Room) -> None:
    # Given a run that ends while it is watched
    run_id = await room.start(HELLO)
    async with served(room) as (client, _):
        watching = entries(client, run_id)
        assert (await anext(watching))[1]["type"] == "start"
        await room.complete(run_id, "greet", 1)
        # Then the stream ends with its final event
        rest = [event async for _, event in watching]
        assert [(event["seq"], event["status"], event["output"]) for event in rest] == [(2, "COMPLETED", {"greet": 1})]
        # And who asks again with that event's id is told that there is nothing more
        path = f"/api/v1/runs/{run_id}/events"
        again = await client.get(path, headers={**STREAM, "Last-Event-ID": "2"})
        assert (again.status_code, again.content) == (204, b"")
        # While an earlier id gives the rest
        assert [name async for name, _ in entries(client, run_id, **{"Last-Event-ID": "1"})] == [2]


async def test_a_stream_shows_a_sign_of_life_while_nothing_happens(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.05)
    run_id = await room.start(HELLO)
    async with (
        served(room) as (client, _),
        client.stream("GET", f"/api/v1/runs/{run_id}/events", headers=STREAM) as stream,
    ):
        async for line in stream.aiter_lines():
            if line == ": still here":
                break


async def test_streams_end_cleanly_when_the_process_is_told_to_stop(room: Room) -> None:
    # Given a watcher of a run in which nothing happens
    run_id = await room.start(HELLO)
    async with served(room) as (client, service):
        watching = entries(client, run_id)
        await anext(watching)
        # When the process drains
        service.drain.set()
        # Then the stream ends as an answer should, without an error
        assert [name async for name, _ in watching] == []
    assert room.services.metrics.registry.get_sample_value("pointsman_event_streams") == 0


async def test_a_watcher_that_goes_away_leaves_nothing_behind(room: Room) -> None:
    run_id = await room.start(HELLO)
    async with served(room) as (client, _):
        async with client.stream("GET", f"/api/v1/runs/{run_id}/events", headers=STREAM) as stream:
            await anext(stream.aiter_lines())

        def gone() -> bool:
            return room.services.metrics.registry.get_sample_value("pointsman_event_streams") == 0

        await eventually(gone)


async def test_a_stream_of_a_run_that_never_was_is_a_problem(room: Room) -> None:
    answered = await room.get("/runs/nowhere/events", headers=STREAM)
    assert (answered.status_code, answered.headers["content-type"]) == (404, "application/problem+json")
