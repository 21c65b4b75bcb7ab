"""Every way a run can take, on real processes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.caller import Caller
from tests.integration.definitions import control, definition, edge, node

pytestmark = pytest.mark.on_both


def statuses(run: dict[str, Any]) -> dict[str, str]:
    """How each node of a run stands."""
    return {name: found["status"] for name, found in run["nodes"].items()}


async def test_nodes_in_a_row_hand_on_their_outputs(caller: Caller) -> None:
    run_id = await caller.start(
        definition(node("a", gives={"x": 1}), node("b", "take"), node("c", "take"), "a->b->c"), {"order": 7}
    )
    assert await caller.completed(run_id) == {"c": {"x": 1}}


async def test_the_nodes_of_a_fan_out_run_side_by_side_and_are_joined_once(caller: Caller) -> None:
    names = ["left", "middle", "right"]
    run_id = await caller.start(
        definition(
            control("split", "parallel"),
            *(node(name, gives=name) for name in names),
            node("both", "take"),
            *(f"split->{name}->both" for name in names),
        )
    )
    run = await caller.ended(run_id)
    assert run["output"] == {"both": {name: name for name in names}}
    assert set(statuses(run).values()) == {"completed"}


async def test_a_branch_takes_the_first_true_condition_and_skips_the_rest(caller: Caller) -> None:
    branching = definition(
        node("score", gives="${input}"),
        node("good"),
        node("fair"),
        node("poor"),
        node("end", join="any"),
        edge("score->good", when="output.points > 80"),
        edge("score->fair", when="output.points > 50"),
        "score->poor->end",
        "good->end",
        "fair->end",
    )
    taken = {}
    for points in (90, 60, 10):
        run = await caller.ended(await caller.start(branching, {"points": points}))
        taken[points] = [name for name, status in statuses(run).items() if status == "skipped"]
    assert taken == {90: ["fair", "poor"], 60: ["good", "poor"], 10: ["good", "fair"]}


async def test_a_loop_goes_round_until_its_condition_is_false(caller: Caller) -> None:
    looping = definition(
        node("draft", "count", **{"pass": "${loop.iteration}"}),
        node(
            "review",
            "take",
            loop={
                "condition": "output.pass < 3",
                "max_iterations": 5,
                "loop_back_to": "draft",
                "break_path": "publish",
                "timeout_path": "give_up",
            },
        ),
        node("publish", "take"),
        node("give_up"),
        "draft->review",
    )
    run = await caller.ended(await caller.start(looping))
    assert statuses(run) == {"draft": "completed", "review": "completed", "publish": "completed", "give_up": "skipped"}
    assert run["nodes"]["publish"]["output"] == {"pass": 3}


async def test_a_failed_attempt_is_tried_again_after_its_backoff(caller: Caller) -> None:
    run_id = await caller.start(definition(node("flaky", "fail", until=3, retry={"max_attempts": 3, "backoff_ms": 20})))
    assert await caller.completed(run_id) == {"flaky": {"attempt": 3}}


async def test_an_attempt_that_takes_too_long_is_over_and_its_late_result_changes_nothing(caller: Caller) -> None:
    # Given a node whose first attempt times out
    slow = {"id": "slow", "type": "slow_hand", "timeout_ms": 100, "retry": {"max_attempts": 2, "backoff_ms": 1}}
    run_id = await caller.start(definition(slow, node("after", "take"), "slow->after"))
    (first,) = await caller.take("slow_hand")
    (second,) = await caller.take("slow_hand")
    assert (first["attempt"], second["attempt"]) == (1, 2)
    # When both attempts report, the failure of the first and the result of the second
    await caller.push({"job_id": first["job_id"], "status": "failed", "metadata": {"retryable": False}})
    await caller.complete(second, "in time")
    # Then the failure counts no more
    assert await caller.completed(run_id) == {"after": "in time"}


async def test_an_error_edge_takes_what_failed_for_good(caller: Caller) -> None:
    run_id = await caller.start(
        definition(
            node("charge", "refuse", retry={"max_attempts": 5}),
            node("ship"),
            node("apologise", "take"),
            "charge->ship",
            edge("charge->apologise", on="error"),
        )
    )
    run = await caller.ended(run_id)
    assert (run["status"], statuses(run)) == (
        "COMPLETED",
        {"charge": "failed", "ship": "skipped", "apologise": "completed"},
    )
    assert run["nodes"]["apologise"]["output"] == {"error": {"type": "impossible", "message": "it cannot be done"}}


async def test_a_failure_nobody_takes_fails_the_run_and_says_which_node(caller: Caller) -> None:
    run = await caller.ended(await caller.start(definition(node("a", "refuse"), node("b"), "a->b")))
    assert (run["status"], run["error"]) == (
        "FAILED",
        {"type": "impossible", "message": "node `a` failed: it cannot be done"},
    )


async def test_a_wait_node_sleeps_for_the_time_it_is_told(caller: Caller) -> None:
    run_id = await caller.start(
        definition(node("a", gives={"ms": 150}), control("nap", "wait", wait="ctx.a.output.ms"), node("b"), "a->nap->b")
    )
    run = await caller.ended(run_id)
    slept = run["nodes"]["b"]["started_at"] - run["nodes"]["a"]["ended_at"]
    assert (run["status"], 150 <= slept < 2_000) == ("COMPLETED", True)


async def test_more_nodes_than_one_transition_emits_are_all_run(caller: Caller) -> None:
    names = [f"n{number}" for number in range(300)]
    run_id = await caller.start(
        definition(
            control("split", "parallel"),
            *(node(name, gives=1) for name in names),
            control("join", "join"),
            *(f"split->{name}->join" for name in names),
            metadata={"output": "size(ctx.join.output)"},
        )
    )
    assert await caller.completed(run_id) == 300
