"""What people do to a run on its way: pause, resume, cancel, and edits of its graph."""

from __future__ import annotations

import asyncio
from typing import Any

from pointsman.base.ids import RunId
from tests.integration.caller import Caller
from tests.integration.definitions import by_hand, definition, edge, node
from tests.support.waiting import eventually


def adding(name: str, behind: str) -> list[dict[str, Any]]:
    """The operations that add a node behind another."""
    return [
        {"op": "add", "path": "/nodes/-", "value": node(name, "take", mark=name)},
        {"op": "add", "path": "/edges/-", "value": edge(f"{behind}->{name}")},
    ]


async def test_a_node_added_while_a_run_is_on_its_way_is_executed(caller: Caller) -> None:
    # Given a run whose first node has ended, and whose second is in somebody's hands
    run_id = await caller.start(
        definition(node("first", gives="one"), by_hand("second", "edit_hand"), "first->second"), run_id="run_edited"
    )
    (task,) = await caller.take("edit_hand")
    # When one node is added behind the past, and one behind the present
    patched = await caller.patch(run_id, *adding("late", "first"), *adding("next", "second"))
    assert (patched["revision"], [fired["node"] for fired in patched["fired"]]) == (2, ["late"])
    # Then the first is caught up with, the second comes in its turn
    await caller.complete(task, "two")
    run = await caller.ended(run_id)
    assert (run["status"], run["output"]) == ("COMPLETED", {"late": "one", "next": "two"})
    assert [change.cause for change, _ in await caller.journal(run_id)].count("patch") == 1


async def test_what_is_added_keeps_its_config_and_its_condition(caller: Caller) -> None:
    # Given a run with a task in somebody's hands
    run_id = await caller.start(definition(by_hand("score", "gate_hand"), node("file", "take"), "score->file"))
    (task,) = await caller.take("gate_hand")
    # When two nodes are added behind it, each behind a condition
    config = {"handler": "give", "gives": {"to": "${ctx.score.output.who}", "deep": [{"n": 1}, None]}}
    gates = [node(name) | {"config": config} for name in ("high", "low")]
    ways = [
        edge("score->high", when="output.points >= 80"),
        edge("score->low", condition={"type": "cel", "expression": "output.points < 80"}),
    ]
    nodes = [{"op": "add", "path": "/nodes/-", "value": added} for added in gates]
    edges = [{"op": "add", "path": "/edges/-", "value": added} for added in ways]
    await caller.patch(run_id, *nodes, *edges)
    # Then the definition has them as they were sent
    stored = (await caller.client.get(f"/api/v1/runs/{run_id}/definition")).json()
    assert (stored["nodes"][2:], stored["edges"][1:]) == (gates, ways)
    # And the run goes by them
    await caller.complete(task, {"points": 90, "who": "ann"})
    run = await caller.ended(run_id)
    assert run["output"] == {"high": {"to": "ann", "deep": [{"n": 1}, None]}}
    assert run["nodes"]["low"]["status"] == "skipped"


async def test_an_edit_that_meets_the_end_of_its_run_lands_or_is_refused_whole(caller: Caller) -> None:
    # Given runs that end at the very moment they are edited
    for number in range(8):
        run_id = await caller.start(definition(by_hand("only", "race_hand")), run_id=f"run_race_{number}")
        (task,) = await caller.take("race_hand")
        headers = {"Content-Type": "application/json-patch+json"}
        _, answered = await asyncio.gather(
            caller.complete(task, "done"),
            caller.client.patch(f"/api/v1/runs/{run_id}", json=adding("more", "only"), headers=headers),
        )
        # Then whoever asked knows which came first, and it is so
        run = await caller.ended(run_id)
        landed = {"more": "done"}, 2
        refused = {"only": "done"}, 1
        expected = landed if answered.status_code == 200 else refused
        assert (run["status"], (run["output"], run["revision"])) == ("COMPLETED", expected)
        assert answered.status_code == 200 or answered.json()["code"] == "RUN004"


async def test_a_paused_run_keeps_results_and_goes_on_when_resumed(caller: Caller) -> None:
    # Given a paused run with a task in somebody's hands
    run_id = await caller.start(definition(by_hand("a", "pause_hand"), node("b", "take"), "a->b"))
    (task,) = await caller.take("pause_hand")
    assert (await caller.command(run_id, "pause"))["status"] == "PAUSED"
    # When its result comes in
    await caller.complete(task, "kept")

    async def taken() -> bool:
        return bool((await caller.run(run_id))["nodes"]["a"]["status"] == "completed")

    await eventually(taken)
    # Then what follows waits, until the run is resumed
    assert (await caller.run(run_id))["nodes"]["b"]["status"] == "waiting"
    await caller.command(run_id, "resume")
    assert await caller.completed(run_id) == {"b": "kept"}


async def test_a_paused_timer_keeps_the_time_it_has_left(caller: Caller) -> None:
    # Given a run that sleeps, paused before it is time
    run_id = await caller.start(definition({"id": "nap", "type": "wait", "wait": 300}, node("b"), "nap->b"))
    await caller.command(run_id, "pause")
    timers = await caller.redis.zrange(caller.keys_of(run_id).timers, 0, -1)
    assert not [timer for timer in timers if timer.startswith(run_id.encode())]
    # When it is resumed, then it sleeps on
    await caller.command(run_id, "resume")
    assert "b" in await caller.completed(run_id)


async def test_a_cancelled_run_takes_its_tasks_off_the_streams_and_late_results_change_nothing(caller: Caller) -> None:
    # Given a run with two tasks out, one of them in somebody's hands
    run_id = await caller.start(definition(by_hand("a", "cancel_hand"), by_hand("b", "cancel_hand")))
    (task,) = await caller.take("cancel_hand")
    # When it is cancelled
    assert (await caller.command(run_id, "cancel"))["status"] == "CANCELLED"
    # Then there is nothing to do any more, not even for who holds a task
    stream = caller.keys_of(run_id).tasks("cancel_hand")
    assert await caller.redis.xlen(stream) == 0
    assert (await caller.redis.xpending(stream, "workers"))["pending"] == 0
    # And a result that comes all the same is put away without a word
    run = await caller.ended(run_id)
    await caller.complete(task, "too late")
    await eventually(caller.is_idle)
    assert await caller.run(run_id) == run
    assert await caller.letters(run=run_id) == []
    rejected = await caller.entries(lambda keys: keys.rejected)
    assert not [entry for _, entry in rejected if run_id in str(entry)]


async def test_nothing_that_an_open_run_needs_has_a_time_to_live(caller: Caller) -> None:
    # Given an open run in the middle of a loop, with a task out, a timer running and an edit taken
    loop = {"condition": "true", "max_iterations": 9, "loop_back_to": "draft"}
    run_id = await caller.start(
        definition(
            by_hand("draft", "lasting_hand"),
            by_hand("review", "lasting_hand", loop=loop),
            {"id": "nap", "type": "wait", "wait": 60_000},
            {"id": "now", "type": "parallel"},
            by_hand("both", "lasting_hand"),
            "draft->review->both",
            "nap->both",
            "now->both",
        )
    )
    for _ in range(3):
        (task,) = await caller.take("lasting_hand")
        await caller.complete(task, 1)
    await caller.take("lasting_hand")
    await caller.patch(run_id, *adding("more", "both"))
    # Then no key of it, nor the plan it runs, nor a stream it is on, will go by itself
    names = caller.keys_of(run_id)
    plan = names.plan((await caller.redis.get(names.ir(RunId(run_id)))).decode())
    kept = [*await caller.keys(run_id), plan, names.epoch, names.timers, names.tasks("lasting_hand")]
    assert {key: await caller.redis.ttl(key) for key in kept} == dict.fromkeys(kept, -1)
    assert [key.rpartition("}")[2].partition(":")[0] for key in await caller.keys(run_id)] == [
        "context",
        "counter",
        "frames",
        "history",
        "ir",
        "joins",
        "run",
        "tokens",
    ]
    await caller.command(run_id, "cancel")
    await caller.ended(run_id)
