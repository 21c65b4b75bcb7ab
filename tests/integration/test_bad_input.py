"""Bad input: each is set aside with a code and a reason, or fails its node, and nothing else notices."""

from __future__ import annotations

import re

import pytest

from tests.integration.caller import Caller
from tests.integration.definitions import by_hand, definition, node
from tests.integration.system import MAX_SIGNAL_BYTES
from tests.support.waiting import eventually


def mark_of(signal: bytes) -> str:
    """By what a signal of these tests is found again."""
    found = re.search(rb'mark"?: "?([a-zA-Z ]+)', signal)
    assert found is not None
    return found[1].decode()


@pytest.mark.parametrize(
    ("signal", "code", "reason"),
    [
        (b'{"mark": "not JSON', "SIG001", "a signal is not the JSON object of the wire contract"),
        (b'{"mark": "text it is not \xff", "status": "completed"}', "SIG001", "a signal is not the JSON object"),
        (b'"mark: a text"', "SIG001", "a signal is not the JSON object of the wire contract"),
        (b'{"mark": "no status", "run_id": "RUN"}', "SIG001", "Object missing required field `status`"),
        (b'{"mark": "odd status", "run_id": "RUN", "status": "fine"}', "SIG001", "Invalid enum value 'fine'"),
        (b'{"mark": "wrong type", "job_id": 7, "status": "completed"}', "SIG001", "Expected `str`, got `int`"),
        (b'{"mark": "nobody", "status": "completed"}', "SIG002", "names neither job_id nor run_id"),
        (b'{"mark": "foreign job", "job_id": "42", "status": "completed"}', "SIG003", "job_id '42' is not one"),
        (
            b'{"mark": "two runs", "run_id": "RUN", "job_id": "other::a:1", "status": "completed"}',
            "SIG003",
            "Send the token's job_id back unchanged",
        ),
        (b'{"mark": "unclear", "run_id": "RUN", "node_id": "z", "status": "completed"}', "SIG004", "has 0 open tokens"),
        (b'{"mark": "unknown run", "run_id": "run_nobody", "status": "completed"}', "SIG005", "no run run_nobody"),
        (
            b'{"mark": "unknown node", "job_id": "RUN::nowhere:1", "status": "completed"}',
            "RUN007",
            "names node `nowhere`, which revision 1 does not have",
        ),
        (
            b'{"mark": "never a node", "run_id": "RUN", "node_id": "nowhere", "status": "failed"}',
            "RUN007",
            "names node `nowhere`",
        ),
    ],
    ids=lambda value: mark_of(value) if isinstance(value, bytes) else "",
)
async def test_a_signal_nobody_can_act_on_is_set_aside_with_the_reason(
    caller: Caller, signal: bytes, code: str, reason: str
) -> None:
    # Given a run that waits for a signal
    run_id = await caller.start(definition(by_hand("a", "bad_hand"), node("z", "take"), "a->z"))
    (task,) = await caller.take("bad_hand")
    # When one comes that means nothing
    await caller.push(signal.replace(b"RUN", run_id.encode()))
    # Then it stands where operators look, with what is wrong with it
    found, told = await caller.rejected(mark_of(signal))
    assert found == code
    assert reason in told
    # And the run goes on as if nothing had been
    await caller.complete(task, "fine")
    assert await caller.completed(run_id) == {"z": "fine"}


async def test_what_is_no_signal_at_all_on_the_stream_stops_nobody(caller: Caller) -> None:
    before = await caller.letters(kind="rejected", limit="500")
    await caller.redis.xadd(caller.partitions[0].signals, {"sgnal": "{}"})

    async def set_aside() -> bool:
        return len(await caller.letters(kind="rejected", limit="500")) > len(before) and await caller.is_idle()

    await eventually(set_aside)
    assert await caller.completed(await caller.start(definition(node("a", gives=1)))) == {"a": 1}


async def test_ten_megabytes_pushed_by_a_worker_go_to_the_blob_store_and_to_who_reads_them(caller: Caller) -> None:
    # Given a task
    run_id = await caller.start(definition(by_hand("a", "large_hand"), node("b", "measure"), "a->b"))
    (task,) = await caller.take("large_hand")
    # When its result has ten megabytes
    await caller.complete(task, {"text": "x" * 10_000_000})
    # Then the next node gets it, and Redis and the journal held a reference
    run = await caller.ended(run_id)
    assert (run["status"], run["output"]) == ("COMPLETED", {"b": 10_000_000})
    assert run["nodes"]["a"]["output"]["$ref"].startswith("blob://")


async def test_a_result_above_the_limit_fails_its_node_and_says_what_to_do(caller: Caller) -> None:
    # Given a node whose failures are taken by an edge
    run_id = await caller.start(
        definition(
            by_hand("a", "too_large_hand", retry={"max_attempts": 3}),
            node("b", "take"),
            {"from": "a", "to": "b", "on": "error"},
        )
    )
    (task,) = await caller.take("too_large_hand")
    # When its result is larger than a signal may be
    await caller.complete(task, "x" * MAX_SIGNAL_BYTES)
    # Then it has failed, once and for all
    run = await caller.ended(run_id)
    error = run["nodes"]["a"]["error"]
    assert (run["status"], error["type"]) == ("COMPLETED", "output_too_large")
    assert f"POINTSMAN_COORDINATOR_MAX_SIGNAL_BYTES is {MAX_SIGNAL_BYTES}; store the result" in error["message"]


async def test_a_signal_nested_too_deep_to_read_is_set_aside(caller: Caller) -> None:
    run_id = await caller.start(definition(by_hand("a", "deep_hand")))
    (task,) = await caller.take("deep_hand")
    depth = 100_000
    await caller.push(f'{{"status":"completed","job_id":"{task["job_id"]}","metadata":{"[" * depth}{"]" * depth}}}')
    code, _ = await caller.rejected(task["job_id"])
    assert code == "SIG001"
    await caller.complete(task, 1)
    assert await caller.completed(run_id) == {"a": 1}


async def test_a_condition_on_output_of_the_wrong_type_falls_to_the_default_edge(caller: Caller) -> None:
    # Given a condition that reads a number
    run_id = await caller.start(
        definition(
            node("a", gives={"score": "high"}),
            node("good"),
            node("rest", gives="rest"),
            {"from": "a", "to": "good", "when": "output.score > 80"},
            "a->rest",
        )
    )
    # When the worker gives a text, then the run goes on, and says why it went that way
    assert await caller.completed(run_id) == {"rest": "rest"}
    notes = [note for change, _ in await caller.journal(run_id) for note in change.notes]
    assert [(note.kind, note.detail["expression"]) for note in notes] == [("condition_failed", "output.score > 80")]


async def test_tasks_of_a_type_nobody_serves_wait_are_counted_and_are_done_when_somebody_comes(caller: Caller) -> None:
    # Given a run with a node of a type that nobody serves
    run_id = await caller.start(definition(by_hand("a", "nobody_hand"), node("b", "take"), "a->b"))
    line = 'pointsman_waiting_for_worker{type="nobody_hand"}'
    # When time passes, then it waits, and the supervisor says so
    await eventually(lambda: caller.system.metric("supervisor", line) == 1.0)
    run = await caller.run(run_id)
    assert (run["status"], run["nodes"]["a"]["status"], run["nodes"]["b"]["status"]) == (
        "RUNNING",
        "dispatched",
        "waiting",
    )
    # And when somebody comes, it goes on
    (task,) = await caller.take("nobody_hand")
    await caller.complete(task, "here I am")
    assert await caller.completed(run_id) == {"b": "here I am"}
