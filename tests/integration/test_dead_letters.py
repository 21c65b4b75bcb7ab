"""Dead letters through real processes: what fails for good is listed, told, and redriven."""

from __future__ import annotations

from tests.integration.caller import Caller
from tests.integration.definitions import definition, node


async def test_a_node_that_exhausted_its_retries_is_a_dead_letter_with_its_whole_story(caller: Caller) -> None:
    # Given a run whose second node fails twice, which is all it may
    retry = {"max_attempts": 2, "backoff_ms": 1}
    run_id = await caller.start(
        definition(node("first", gives={"order": 7}), node("charge", "fail", retry=retry), "first->charge")
    )
    assert (await caller.ended(run_id))["status"] == "FAILED"
    # Then there is one letter of it, which tells what happened and what the worker was handed
    told = await caller.letter_of(run_id)
    assert {name: told[name] for name in ("kind", "status", "run_id", "node", "frame", "type", "code", "message")} == {
        "kind": "failed",
        "status": "open",
        "run_id": run_id,
        "node": "charge",
        "frame": "",
        "type": "function",
        "code": "busy",
        "message": "not this time",
    }
    assert (told["workflow"], told["run_status"], told["parked"], told["decided"]) == ("test", "FAILED", False, None)
    assert [(failed["attempt"], failed["type"]) for failed in told["attempts"]] == [(1, "busy"), (2, "busy")]
    assert told["input"] == {"order": 7}
