"""Dead letters and stuck runs through real processes: what fails for good is listed, told, and redriven."""

from __future__ import annotations

import signal

import httpx
import pytest

from tests.integration.caller import Caller
from tests.integration.definitions import by_hand, definition, node
from tests.support.waiting import eventually


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


async def test_a_parked_node_is_redriven_in_its_run_with_another_input_and_goes_on(caller: Caller) -> None:
    # Given a run that waits for a node that failed
    run_id = await caller.start(
        definition(by_hand("charge", "redriven_hand"), node("ship", "take"), "charge->ship")
        | {"metadata": {"failure_policy": "park"}},
        {"order": 7},
    )
    (task,) = await caller.take("redriven_hand")
    await caller.fail(task, "bank_closed")
    told = await caller.letter_of(run_id)
    assert (told["parked"], told["run_status"], told["input"]) == (True, "RUNNING", {"order": 7})
    # When it is redriven with another input, twice under one key
    asked = {"json": {"input": {"order": 8}, "reason": "the bank is open"}, "headers": {"Idempotency-Key": "once"}}
    done, again = [await caller.client.post(f"/api/v1/dead-letters/{told['id']}/redrive", **asked) for _ in range(2)]
    assert done.status_code == 200, done.text
    assert done.json() == {
        "id": told["id"],
        "status": "redriven",
        "how": "attempt",
        "run_id": run_id,
        "attempt": 2,
        "seq": 3,
    }
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (done.json(), "true")
    # Then its worker is handed that, and the run goes on
    (task,) = await caller.take("redriven_hand")
    assert (task["attempt"], task["payload"]) == (2, {"order": 8})
    await caller.complete(task, "paid")
    assert await caller.completed(run_id) == {"ship": "paid"}
    # And the letter tells who decided, and what
    decided = (await caller.letter(told["id"]))["decided"]
    assert (decided["by"], decided["reason"], decided["edited"], decided["run_id"]) == (
        "local",
        "the bank is open",
        True,
        None,
    )
    # And another redrive of it is refused
    refused = await caller.client.post(f"/api/v1/dead-letters/{told['id']}/redrive")
    assert (refused.status_code, refused.json()["code"]) == (409, "API081")


async def test_a_poisonous_task_is_a_dead_letter_that_can_be_given_up(caller: Caller) -> None:
    # Given a task whose worker dies, which is all it may cost
    run_id = await caller.start(
        definition(by_hand("crunch", "poison_hand", max_deliveries=1, failure_policy="park"), node("rest", gives=1))
    )
    (task,) = await caller.take("poison_hand")
    await caller.push({"status": "worker_lost", "job_id": task["job_id"], "worker": "w1"})
    told = await caller.letter_of(run_id)
    assert (told["kind"], told["code"], told["parked"]) == ("poison", "poison", True)
    # When it is given up
    done = await caller.client.post(f"/api/v1/dead-letters/{told['id']}/skip", json={"reason": "never mind"})
    assert (done.status_code, done.json()["status"]) == (200, "skipped")
    # Then the run ends without it
    run = await caller.ended(run_id)
    assert (run["status"], run["nodes"]["crunch"]["status"]) == ("COMPLETED", "skipped")


async def test_a_rejected_signal_is_mended_and_put_back(caller: Caller) -> None:
    # Given a result that was set aside, since it misnamed its node
    run_id = await caller.start(definition(by_hand("a", "mended_hand"), node("b", "take"), "a->b"))
    await caller.take("mended_hand")
    await caller.push({"run_id": run_id, "node_id": "aa", "status": "completed", "result_data": "done"})
    told = await caller.letter_of(run_id)
    assert (told["kind"], told["code"], told["node"], told["workflow"]) == ("rejected", "RUN007", "aa", "test")
    # When it is put back as it should have been
    mended = {"run_id": run_id, "node_id": "a", "status": "completed", "result_data": "done"}
    done = await caller.client.post(f"/api/v1/dead-letters/{told['id']}/redrive", json={"input": mended})
    assert (done.status_code, done.json()["how"]) == (200, "signal")
    # Then the run goes on
    assert await caller.completed(run_id) == {"b": "done"}


async def test_a_signal_put_back_by_an_api_that_dies_counts_once(caller: Caller) -> None:
    # Given a failure that was set aside for its node, while its run waits for another
    system = caller.system
    run_id = await caller.start(definition(by_hand("a", "twice_hand"), node("b", "take"), "a->b"))
    await caller.take("twice_hand")
    await caller.push({"run_id": run_id, "node_id": "aa", "status": "completed", "result_data": 1})
    told = await caller.letter_of(run_id)
    path = f"/api/v1/dead-letters/{told['id']}/redrive"
    mended = {"input": {"run_id": run_id, "node_id": "a", "status": "completed", "result_data": "once"}}
    # When the API dies between putting it back and saying so
    system.stop("api")
    system.start("api", POINTSMAN_CRASH_AT="between_push_and_letter")
    await eventually(lambda: caller.client.get("/readyz"))
    with pytest.raises(httpx.RemoteProtocolError):
        await caller.client.post(path, json=mended)
    assert system.ended("api") == -signal.SIGKILL
    # Then the letter is open still, and being put back again changes nothing
    system.start("api")
    assert (await eventually(lambda: caller.letter(told["id"])))["status"] == "open"
    assert (await caller.client.post(path, json=mended)).status_code == 200
    assert await caller.completed(run_id) == {"b": "once"}
    await eventually(caller.is_idle)
    assert await caller.letters(run=run_id, status="open") == []


async def test_many_letters_are_redriven_by_a_filter_each_with_its_result(caller: Caller) -> None:
    # Given three runs that wait for the same node, one of them by now without it
    workflow = definition(by_hand("call", "many_hand", failure_policy="park"), name="many")
    runs = [await caller.start(workflow, number) for number in range(3)]
    for task in await caller.take("many_hand", 3):
        await caller.fail(task, "busy")
    letters = [await caller.letter_of(run_id) for run_id in runs]
    caller.system.kill("supervisor")
    (gone,) = [letter for letter in letters if letter["run_id"] == runs[0]]
    await caller.push({"run_id": runs[0], "node_id": "call", "status": "completed", "result_data": "by hand"})
    await eventually(caller.is_idle)
    caller.system.start("supervisor")
    # When all of them are redriven
    body = {"filter": {"workflow": "many", "code": "busy"}, "rate_per_s": 100, "reason": "it is back"}
    answered = await caller.client.post("/api/v1/dead-letters/redrive", json=body)
    assert answered.status_code == 200, answered.text
    found = {item["run_id"]: (item["outcome"], item["attempt"]) for item in answered.json()["items"]}
    # Then each says what became of it, and those that could go on do
    assert {run: outcome for run, outcome in found.items() if run != runs[0]} == dict.fromkeys(
        runs[1:], ("redriven", 2)
    ), answered.text
    for task in await caller.take("many_hand", 2):
        await caller.complete(task, "called")
    assert [await caller.completed(run_id) for run_id in runs] == [{"call": "by hand"}, *[{"call": "called"}] * 2]
    assert (await caller.letter(gone["id"]))["status"] == "closed"


async def test_a_node_whose_input_is_lost_fails_visibly_and_goes_on_once_it_is_restored(caller: Caller) -> None:
    # Given a node that will read a large output, which somebody deletes meanwhile
    run_id = await caller.start(
        definition(
            by_hand("a", "blob_hand"),
            by_hand("b", "blob_hand"),
            node("c", gives="${ctx.a.output.n}", failure_policy="park"),
            "a->b->c",
        )
    )
    (task,) = await caller.take("blob_hand")
    await caller.complete(task, {"n": 7, "text": "x" * 100_000})
    (task,) = await caller.take("blob_hand")
    ref = (await caller.run(run_id))["nodes"]["a"]["output"]["$ref"]
    (blob,) = caller.system.blobs.rglob(ref.removeprefix("blob://"))
    kept = blob.read_bytes()
    blob.unlink()
    # When its turn comes, then it has failed, and is a dead letter
    await caller.complete(task, "done")
    told = await caller.letter_of(run_id)
    assert (told["node"], told["code"], told["message"][:6], told["parked"]) == ("c", "template_error", "SRV031", True)
    # And once the output is restored, it can be redriven
    blob.write_bytes(kept)
    assert (await caller.client.post(f"/api/v1/dead-letters/{told['id']}/redrive")).status_code == 200
    assert await caller.completed(run_id) == {"c": 7}


async def test_a_run_that_lost_its_keys_is_found_within_ten_seconds_and_named_with_the_reason(caller: Caller) -> None:
    # Given a run whose keys somebody deletes
    run_id = await caller.start(definition(by_hand("a", "stuck_hand")))
    await caller.take("stuck_hand")
    await caller.redis.delete(*await caller.keys(run_id))

    # When ten seconds have passed at most, then it is told, with the reason
    async def stuck() -> bool:
        return (await caller.run(run_id))["stuck"] is not None

    await eventually(stuck, timeout=10)
    listed = (await caller.client.get("/api/v1/runs", params={"stuck": "true"})).json()["runs"]
    assert [(run["run_id"], run["stuck"]) for run in listed if run["run_id"] == run_id] == [
        (run_id, "Redis does not hold it")
    ]
    # And when it is rebuilt from its journal, its task goes out once more, and that alone
    repaired = await caller.client.post(f"/api/v1/runs/{run_id}/repair")
    assert (repaired.status_code, repaired.json()["status"]) == (200, "RUNNING"), repaired.text
    (task,) = await caller.take("stuck_hand")
    assert (task["attempt"], await caller.length(lambda keys: keys.tasks("stuck_hand"))) == (2, 1)
    await caller.complete(task, "done")
    assert await caller.completed(run_id) == {"a": "done"}
    assert [change.cause for change, _ in await caller.journal(run_id)] == ["start", "recovered", "completed"]


async def test_a_task_deleted_from_its_stream_is_handed_out_again(caller: Caller) -> None:
    # Given a task that somebody deletes
    run_id = await caller.start(definition(by_hand("a", "deleted_hand")))
    (task,) = await caller.take("deleted_hand")
    assert await caller.redis.delete(caller.keys_of(run_id).tasks("deleted_hand")) == 1
    # When the supervisor has found out, then a worker finds it anew
    (again,) = await eventually(lambda: caller.take("deleted_hand"))
    assert (again["id"], again["attempt"]) == (task["id"], 2)
    # And the first result counts, whoever brings it
    await caller.complete(task, "done")
    assert await caller.completed(run_id) == {"a": "done"}


async def test_types_that_nobody_serves_are_told_with_the_run_and_in_the_list(caller: Caller) -> None:
    run_id = await caller.start(definition(by_hand("a", "nobody_hand"), node("b", "hold", gate="/nowhere")))

    async def waits() -> bool:
        return (await caller.run(run_id))["waiting_for_worker"] == ["nobody_hand"]

    await eventually(waits)
    types = {one["type"]: one for one in (await caller.client.get("/api/v1/task-types")).json()["types"]}
    assert types["nobody_hand"] == {"type": "nobody_hand", "tasks": 1, "waiting": 1, "served": False}
    assert types["function"]["served"]
    await caller.command(run_id, "cancel")


async def test_failures_of_a_final_run_are_redriven_together_in_a_linked_fork(caller: Caller) -> None:
    # Given a run that two nodes have failed, and that kept what came before
    policy = {"failure_policy": "continue"}
    run_id = await caller.start(
        definition(
            by_hand("pick", "fork_hand"),
            by_hand("pay", "fork_hand", **policy),
            by_hand("pack", "fork_hand", **policy),
            node("ship", "take"),
            "pick->pay->ship",
            "pick->pack->ship",
        )
    )
    (task,) = await caller.take("fork_hand")
    await caller.complete(task, {"order": 7})
    for task in await caller.take("fork_hand", 2):
        await caller.fail(task, "busy")
    assert (await caller.ended(run_id))["status"] == "FAILED"
    letters = await eventually(lambda: caller.letters(run=run_id))
    named = next(letter for letter in letters if letter["node"] == "pay")
    # When all are redriven
    body = {"filter": {"run": run_id}, "reason": "not busy any more"}
    answered = await caller.client.post("/api/v1/dead-letters/redrive", json=body)
    assert answered.status_code == 200, answered.text
    # Then one new run does both anew, and nothing else
    (fork,) = {item["run_id"] for item in answered.json()["items"]}
    assert answered.json()["redriven"] == 2
    for task in await caller.take("fork_hand", 2):
        assert (task["run_id"], task["payload"]) == (fork, {"order": 7})
        await caller.complete(task, task["node_id"])
    assert await caller.completed(fork) == {"ship": {"pay": "pay", "pack": "pack"}}
    # And each knows of the other
    forked = (await caller.run(fork))["forked_from"]
    assert (forked["run_id"], forked["reason"], sorted(forked["anew"])) == (
        run_id,
        "not busy any more",
        [":pack", ":pay"],
    )
    decided = (await caller.letter(named["id"]))["decided"]
    assert (decided["run_id"], decided["by"]) == (fork, "local")


async def test_a_failure_of_a_final_run_is_redriven_with_another_input(caller: Caller) -> None:
    # Given a run that failed
    run_id = await caller.start(definition(by_hand("pay", "input_hand")), {"order": 7})
    (task,) = await caller.take("input_hand")
    await caller.fail(task, "no_such_order")
    await caller.ended(run_id)
    told = await caller.letter_of(run_id)
    # When it is redriven with another input
    done = await caller.client.post(f"/api/v1/dead-letters/{told['id']}/redrive", json={"input": {"order": 8}})
    assert (done.status_code, done.json()["how"]) == (200, "fork"), done.text
    # Then a new run does it with that
    (task,) = await caller.take("input_hand")
    assert (task["run_id"], task["payload"]) == (done.json()["run_id"], {"order": 8})
    await caller.complete(task, "paid")
    assert await caller.completed(task["run_id"]) == {"pay": "paid"}
