"""The wire contract, kept with nothing but Redis commands."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.integration.caller import Caller
from tests.integration.definitions import by_hand, definition, node
from tests.support.waiting import eventually

pytestmark = pytest.mark.on_both


async def test_a_worker_needs_two_commands_and_acknowledges_nothing(caller: Caller) -> None:
    # Given a task for a type of its own
    run_id = await caller.start(
        definition(by_hand("score", "plain", config={"of": "${input.text}"}), node("after", "take"), "score->after"),
        {"text": "hello"},
    )
    # When a plain consumer takes it
    stream = caller.keys_of(run_id).tasks("plain")
    (entry,) = await raw_entries(caller, stream)
    task = json.loads(entry[b"token"])
    # Then it finds all that it needs, and its own id beside it
    assert (entry[b"run_id"], entry[b"node_id"], entry[b"job_id"].decode()) == (
        run_id.encode(),
        b"score",
        task["job_id"],
    )
    assert {name: task[name] for name in ("run_id", "node_id", "to_node", "type", "attempt", "payload", "config")} == {
        "run_id": run_id,
        "node_id": "score",
        "to_node": "score",
        "type": "plain",
        "attempt": 1,
        "payload": {"text": "hello"},
        "config": {"of": "hello"},
    }
    # And when it pushes the signal that the contract shows, the run goes on and the stream is empty
    signal = {
        "version": "1.0",
        "job_id": task["job_id"],
        "run_id": run_id,
        "node_id": "score",
        "status": "completed",
        "result_ref": "artifact://uuid",
        "metadata": {"tool_calls": ["execute_pipeline"], "tokens_used": 1523},
    }
    await caller.push(signal)
    assert await caller.completed(run_id) == {"after": {"$ref": "artifact://uuid"}}
    assert await caller.redis.xlen(stream) == 0


async def raw_entries(caller: Caller, stream: str) -> list[dict[bytes, bytes]]:
    """The entries of a task stream, once there are any, read as a consumer of the group."""

    async def read() -> Any:
        streams = await caller.redis.xreadgroup("workers", "plain-1", {stream: ">"}, count=10)
        return [fields for _, entries in streams for _, fields in entries]

    found: list[dict[bytes, bytes]] = await eventually(read)
    return found


async def test_a_signal_without_a_job_id_is_taken_where_one_token_can_be_meant(caller: Caller) -> None:
    run_id = await caller.start(definition(by_hand("a", "nameless"), by_hand("b", "nameless"), "a->b"))
    await caller.take("nameless")
    await caller.push({"run_id": run_id, "node_id": "a", "status": "completed", "result_data": 1})
    await caller.take("nameless")
    await caller.push({"run_id": run_id, "node_id": "b", "status": "completed", "result_data": 2})
    assert await caller.completed(run_id) == {"b": 2}


async def test_a_failed_signal_carries_its_type_and_ends_the_retries_if_it_says_so(caller: Caller) -> None:
    retry = {"max_attempts": 3, "backoff_ms": 1}
    run_id = await caller.start(definition(by_hand("a", "failing", retry=retry)))
    (first,) = await caller.take("failing")
    await caller.push({"job_id": first["job_id"], "status": "failed", "metadata": {"error_type": "busy"}})
    (second,) = await caller.take("failing")
    assert second["attempt"] == 2
    metadata = {"error_type": "hopeless", "error_message": "no such thing", "retryable": False}
    await caller.push({"job_id": second["job_id"], "status": "failed", "metadata": metadata})
    run = await caller.ended(run_id)
    assert (run["status"], run["nodes"]["a"]["attempt"], run["nodes"]["a"]["error"]) == (
        "FAILED",
        2,
        {"type": "hopeless", "message": "no such thing"},
    )


async def test_a_signal_sent_many_times_at_once_runs_what_follows_once(caller: Caller) -> None:
    # Given a task
    run_id = await caller.start(definition(by_hand("a", "twice"), by_hand("b", "twice"), "a->b"))
    (task,) = await caller.take("twice")
    # When its result is pushed twenty times, in different words
    await asyncio.gather(*(caller.complete(task, number) for number in range(20)))
    # Then one of them counted, and there is one task behind it
    (following,) = await caller.take("twice")
    await eventually(caller.is_idle)
    assert (following["node_id"], await caller.length(lambda keys: keys.tasks("twice"))) == ("b", 1)
    await caller.complete(following, following["payload"])
    assert (await caller.completed(run_id))["b"] in range(20)
    assert [change.cause for change, _ in await caller.journal(run_id)] == ["start", "completed", "completed"]


async def test_the_end_of_a_run_is_announced_on_the_channel(caller: Caller) -> None:
    async with caller.redis.pubsub() as channel:
        await channel.subscribe("completion_events")
        run_id = await caller.start(definition(node("a")))
        await caller.completed(run_id)

        async def heard() -> bool:
            message = await channel.get_message(ignore_subscribe_messages=True)
            return bool(message and message["data"] == run_id.encode())

        await eventually(heard)
