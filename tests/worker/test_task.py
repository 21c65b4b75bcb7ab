"""What a handler reads off its task."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import msgspec
import pytest
import structlog.testing

from pointsman.protocol.output import NOTHING
from pointsman.worker import Cancellation
from tests.worker.wire_tasks import Shelf, a_task

BIG = {"text": "much"}


def test_the_payload_is_decoded_when_it_is_asked_for() -> None:
    task = a_task(payload={"score": 80, "big": 2**60})
    assert task.payload == {"score": 80, "big": 2**60}
    assert task.payload is task.payload
    assert a_task(payload=None).payload is None


def test_a_payload_that_is_no_json_fails_where_it_is_read() -> None:
    task = a_task(payload=None)
    task._wire.payload = msgspec.Raw(b"{oops")
    with pytest.raises(msgspec.DecodeError):
        _ = task.payload


@pytest.mark.parametrize(
    ("fields", "before", "after"),
    [
        ({"payload_ref": "blob://big"}, {"$ref": "blob://big"}, BIG),
        (
            {"payload": {"a": {"$ref": "blob://big"}, "b": 1, "c": {"$ref": "s3://x"}}},
            {"a": {"$ref": "blob://big"}, "b": 1, "c": {"$ref": "s3://x"}},
            {"a": BIG, "b": 1, "c": {"$ref": "s3://x"}},
        ),
        ({"payload_ref": "artifact://1"}, {"$ref": "artifact://1"}, {"$ref": "artifact://1"}),
        ({"payload": [1]}, [1], [1]),
    ],
)
async def test_large_payloads_are_fetched_on_request(fields: dict[str, Any], before: Any, after: Any) -> None:
    shelf = Shelf(big=BIG)
    task = a_task(blobs=shelf, **({"payload": None} | fields))
    if "payload_ref" in fields:
        task._wire.payload = NOTHING
    # Given that nothing is fetched unasked
    assert (task.payload, shelf.fetched) == (before, [])
    # When the handler asks, then it is there, from then on
    assert await task.load_payload() == after
    assert task.payload == after


async def test_large_outputs_of_earlier_nodes_are_fetched_on_request() -> None:
    shelf = Shelf(big=BIG)
    task = a_task(blobs=shelf, context={"far": {"output": {"$ref": "blob://big"}}, "near": {"output": 1}})
    assert await task.load_output("far") == BIG
    assert await task.load_output("near") == 1
    assert task.context == {"far": {"output": BIG}, "near": {"output": 1}}
    with pytest.raises(KeyError):
        await task.load_output("nowhere")


def test_a_task_knows_whether_something_must_be_fetched() -> None:
    assert not a_task(payload={"a": 1}, context={"n": {"output": {"b": 2}}}).carries_references
    assert a_task(payload_ref="blob://x").carries_references
    assert a_task(payload={"a": {"$ref": "blob://x"}}).carries_references
    assert a_task(context={"n": {"output": {"$ref": "blob://x"}}}).carries_references
    assert not a_task(payload_ref="artifact://x").carries_references


async def test_a_coroutine_can_wait_for_its_cancellation() -> None:
    task = a_task()
    waiting = asyncio.ensure_future(_cancelled(task.cancelled))
    await asyncio.sleep(0)
    assert not waiting.done()
    task.close()
    assert await waiting
    # Waiting for what has happened does not wait
    assert await _cancelled(task.cancelled)


def test_a_thread_can_wait_for_its_cancellation() -> None:
    task = a_task()
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.append(task.cancelled.wait(30)))
    cancelled = task.cancelled
    thread.start()
    task.close()
    thread.join(10)
    assert (told, cancelled.is_set(), cancelled.wait(0)) == ([True], True, True)


def test_a_cancellation_is_seen_even_if_asked_for_later() -> None:
    task = a_task()
    task.close()
    assert task.cancelled.is_set()


async def _cancelled(cancellation: Cancellation) -> bool:
    await cancellation
    return cancellation.is_set()


def test_the_log_of_a_task_says_what_it_is_about() -> None:
    with structlog.testing.capture_logs() as lines:
        a_task(attempt=2).log.info("mail_sent", to="bob")
    assert lines == [
        {
            "event": "mail_sent",
            "log_level": "info",
            "to": "bob",
            "run_id": "run_1",
            "node": "work",
            "token": ":work",
            "attempt": 2,
        }
    ]
