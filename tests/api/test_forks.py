"""Forks: a new run goes on from where another was, on real servers."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.base.ids import RunId
from pointsman.protocol.output import Output
from pointsman.protocol.signal import Completed
from pointsman.protocol.task import Task, decode_task
from tests.api.room import Room, in_partitions
from tests.support.driven import token

CHAIN = {
    "name": "chain",
    "nodes": [{"id": name, "type": "function"} for name in ("a", "b", "c")],
    "edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}],
}


async def completed_chain(room: Room, run_id: str = "run_1") -> None:
    """Run the chain to its end."""
    await room.start(CHAIN, run_id=run_id, input={"n": 1})
    for node in ("a", "b", "c"):
        change = await room.complete(run_id, node, {"did": node})
    await room.journal(run_id, change.seq)
    await room.cleaned_up(run_id)


async def only_task(room: Room, run_id: str) -> Task:
    """The one task that is on its stream, where a run lives."""
    ((_, fields),) = await room.ask(run_id, "XRANGE", room.partition(run_id).keys.tasks("function"), "-", "+")
    return decode_task(fields[fields.index(b"token") + 1])


def statuses(run: dict[str, Any]) -> dict[str, str]:
    """The status of each node."""
    return {name: node["status"] for name, node in run["nodes"].items()}


@in_partitions
async def test_a_fork_from_a_node_keeps_what_came_before_and_does_the_rest_anew(room: Room) -> None:
    # Given a chain that has ended, and is in Postgres alone
    await completed_chain(room)
    # When it is forked from its second node
    answered = await room.post("/runs/run_1/fork", {"from_node": "b", "reason": "a better b"})
    told = answered.json()
    assert (answered.status_code, answered.headers["location"]) == (201, f"/api/v1/runs/{told['run_id']}")
    # Then the new run has the first node's output, and its second is out
    assert told["forked_from"] == {"run_id": "run_1", "seq": 4, "anew": [":b"], "reason": "a better b", "by": "local"}
    fork = await room.run(told["run_id"])
    assert (fork["status"], fork["forked_from"], fork["input"]) == ("RUNNING", told["forked_from"], {"n": 1})
    assert statuses(fork) == {"a": "completed", "b": "dispatched", "c": "waiting"}
    assert fork["nodes"]["a"]["output"] == {"did": "a"}
    # And it ends when its workers have answered, as itself
    for node in ("b", "c"):
        change = await room.complete(told["run_id"], node, {"did": f"{node} again"})
    await room.journal(told["run_id"], change.seq)
    await room.cleaned_up(told["run_id"])
    fork = await room.run(told["run_id"])
    assert (fork["status"], fork["output"]) == ("COMPLETED", {"c": {"did": "c again"}})
    assert fork["nodes"]["a"]["output"] == {"did": "a"}
    # And what it was forked from is as it was
    assert (await room.run("run_1"))["output"] == {"c": {"did": "c"}}
    # And its events say what was kept
    events = (await room.get(f"/runs/{told['run_id']}/events")).json()["events"]
    assert [event["type"] for event in events] == ["fork", "completed", "completed"]
    assert {node["node"]: node.get("kept", False) for node in events[0]["nodes"]} == {"a": True, "b": False}


async def test_a_fork_at_an_event_goes_on_from_there(room: Room) -> None:
    # Given a chain that has ended
    await completed_chain(room)
    # When it is forked where its first node was done
    fork = (await room.post("/runs/run_1/fork", {"seq": 2, "run_id": "fork_1"})).json()
    # Then its second is out, and the run lists it as its only fork
    assert statuses(await room.run("fork_1")) == {"a": "completed", "b": "dispatched", "c": "waiting"}
    assert fork["forked_from"] == {"run_id": "run_1", "seq": 2, "anew": [], "reason": "", "by": "local"}
    listed = (await room.get("/runs?forked_from=run_1")).json()["runs"]
    assert [(run["run_id"], run["forked_from"]) for run in listed] == [("fork_1", "run_1")]
    assert (await room.get("/runs?forked_from=run_1&status=COMPLETED")).json()["runs"] == []


async def test_a_fork_may_change_what_is_done_anew(room: Room) -> None:
    # Given a chain that has ended
    await completed_chain(room)
    # When it is forked from its second node, with another config and another payload for that
    operations = [{"op": "add", "path": "/nodes/b/config", "value": {"prompt": "${ input.n + 1 }"}}]
    body = {"from_node": "b", "operations": operations, "payload": {"did": "by hand"}, "run_id": "fork_1"}
    answered = await room.post("/runs/run_1/fork", body)
    assert answered.status_code == 201, answered.text
    # Then its worker is handed these
    task = await only_task(room, "fork_1")
    assert (task.node_id, task.config, msgspec.json.decode(task.payload)) == ("b", {"prompt": 2}, {"did": "by hand"})
    # And the definition is the fork's own
    nodes = [(await room.get(f"/runs/{name}/definition")).json()["nodes"][1] for name in ("run_1", "fork_1")]
    assert [node.get("config") for node in nodes] == [None, {"prompt": "${ input.n + 1 }"}]


async def test_a_fork_may_not_change_what_it_keeps(room: Room) -> None:
    # Given a chain that has ended
    await completed_chain(room)
    # When forks would change the node whose work they keep, or the input that it was done for
    operations = [{"op": "add", "path": "/nodes/a/config", "value": {"x": 1}}]
    node = await room.post("/runs/run_1/fork", {"from_node": "b", "operations": operations})
    given = await room.post("/runs/run_1/fork", {"from_node": "b", "input": {"n": 2}})
    # Then neither is accepted
    assert (node.status_code, node.json()["code"]) == (409, "EDT028")
    assert (given.status_code, given.json()["errors"][0]["pointer"]) == (422, "/input")
    # But where nothing is kept the input may be another
    fork = await room.post("/runs/run_1/fork", {"seq": 1, "input": {"n": 2}, "run_id": "fork_1"})
    assert (fork.status_code, (await room.run("fork_1"))["input"]) == (201, {"n": 2})


@in_partitions
async def test_a_run_that_failed_is_retried_as_a_new_run(room: Room) -> None:
    # Given a run whose second node failed
    await room.start(CHAIN, run_id="run_1")
    await room.complete("run_1", "a", {"did": "a"})
    change = await room.fail("run_1", "b")
    await room.journal("run_1", change.seq)
    # When it is retried
    answered = await room.post("/runs/run_1/retry", {"reason": "it is back"})
    # Then a new run does that node again, and the failed one stays failed
    told = answered.json()
    assert (answered.status_code, told["forked_from"]["anew"]) == (201, [":b"])
    assert statuses(await room.run(told["run_id"])) == {"a": "completed", "b": "dispatched", "c": "waiting"}
    assert (await room.run("run_1"))["status"] == "FAILED"


async def test_a_run_that_was_cancelled_goes_on_in_its_retry(room: Room) -> None:
    # Given a run that was cancelled on its way
    await room.start(CHAIN, run_id="run_1")
    await room.complete("run_1", "a", {"did": "a"})
    await room.post("/runs/run_1/cancel")
    # When it is retried
    told = (await room.post("/runs/run_1/retry")).json()
    # Then what was open goes on
    assert statuses(await room.run(told["run_id"])) == {"a": "completed", "b": "dispatched", "c": "waiting"}


@in_partitions
async def test_a_run_that_waits_for_parked_nodes_is_retried_in_place(room: Room) -> None:
    # Given a run that parked its second node
    await room.start({**CHAIN, "metadata": {"failure_policy": "park"}}, run_id="run_1")
    await room.complete("run_1", "a", {"did": "a"})
    await room.fail("run_1", "b")
    # When it is retried
    answered = await room.post("/runs/run_1/retry", headers={"Idempotency-Key": "k"})
    # Then the same run goes on
    told = {"run_id": "run_1", "seq": 4, "redriven": [{"node": "b", "frame": "", "attempt": 2}]}
    assert (answered.status_code, answered.json()) == (200, told)
    assert (await room.run("run_1"))["nodes"]["b"]["status"] == "dispatched"
    # And the request sent again is answered again, and done once
    again = await room.post("/runs/run_1/retry", headers={"Idempotency-Key": "k"})
    assert (again.json(), (await room.run("run_1"))["seq"]) == (told, 4)


async def test_a_fork_that_is_asked_for_twice_is_made_once(room: Room) -> None:
    # Given a chain that has ended
    await completed_chain(room)
    # When one request comes twice
    body, headers = {"from_node": "b"}, {"Idempotency-Key": "once"}
    first, second = [await room.post("/runs/run_1/fork", body, headers=headers) for _ in range(2)]
    # Then one run was made, even if the answer to the first was never written down
    assert first.json() == second.json()
    await room.services.records.pool.execute("UPDATE idempotency_keys SET response = NULL, created_at = 0")
    third = await room.post("/runs/run_1/fork", body, headers=headers)
    assert third.json()["run_id"] == first.json()["run_id"]
    assert len((await room.get("/runs?forked_from=run_1")).json()["runs"]) == 1


async def test_forks_that_cannot_be_are_refused_with_the_reason(room: Room) -> None:
    # Given a run with a branch that was not taken, ended
    branches = [{"from": "a", "to": "b", "when": "output.did == 'b'"}, {"from": "a", "to": "c"}]
    await room.start({**CHAIN, "edges": branches}, run_id="run_1")
    await room.complete("run_1", "a", {"did": "a"})
    change = await room.complete("run_1", "c")
    await room.journal("run_1", change.seq)
    asked = {
        "fork": [
            ({"from_node": "b"}, 409, "RUN042"),
            ({"from_node": "a", "frame": "loop[1]"}, 409, "RUN042"),
            ({"seq": 9}, 404, "RUN043"),
            ({"seq": 3}, 409, "RUN044"),
            ({"seq": 1, "from_node": "a"}, 422, "API006"),
            ({"seq": 1, "payload": 1}, 422, "API006"),
            ({"seq": 1, "run_id": "run_1"}, 409, "API012"),
        ],
        "retry": [({}, 409, "RUN041")],
    }
    for verb, cases in asked.items():
        for body, status, code in cases:
            # When something impossible is asked for
            answered = await room.post(f"/runs/run_1/{verb}", body)
            # Then the reason is told
            assert (answered.status_code, answered.json()["code"]) == (status, code), body
    nowhere = await room.post("/runs/run_2/fork", {"seq": 1})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "RUN005")


async def test_a_fork_in_the_middle_of_a_pass_keeps_the_rest_of_the_pass(room: Room) -> None:
    # Given a run in the second pass of a loop with two nodes
    loop = {"condition": "output.again", "max_iterations": 5, "loop_back_to": "draft"}
    polish = {
        "name": "polish",
        "nodes": [{"id": "draft", "type": "function"}, {"id": "score", "type": "function", "loop": loop}],
        "edges": [{"from": "draft", "to": "score"}],
    }
    await room.start(polish, run_id="run_1")
    for number in (1, 2):
        await room.complete("run_1", f"score[{number}]:draft", {"draft": number})
        change = await room.complete("run_1", f"score[{number}]:score", {"again": number < 2})
    await room.journal("run_1", change.seq)
    # When it is forked from the node that closes the loop, which has ended
    told = (await room.post("/runs/run_1/fork", {"from_node": "score"})).json()
    assert told["forked_from"]["anew"] == ["score[2]:score"]
    # Then the draft of that pass is kept, and the loop goes on from there
    run = await room.run(told["run_id"])
    assert {name: (node["status"], node["frame"]) for name, node in run["nodes"].items()} == {
        "draft": ("completed", "score[2]"),
        "score": ("dispatched", "score[2]"),
    }
    assert run["nodes"]["draft"]["output"] == {"draft": 2}
    await room.complete(told["run_id"], "score[2]:score", {"again": True})
    assert (await room.run(told["run_id"]))["nodes"]["draft"]["frame"] == "score[3]"


async def test_a_large_output_is_kept_by_reference(room: Room) -> None:
    # Given a run with an output that lives in the blob store, which a condition reads
    branch = [{"from": "a", "to": "b", "when": "output.ok"}, {"from": "b", "to": "c"}]
    await room.start({**CHAIN, "edges": branch}, run_id="run_1")
    large = Output(ref=await room.services.blobs.put(b'{"ok":true,"text":"' + b"x" * 50_000 + b'"}'))
    await room.take(Completed(RunId("run_1"), token("a"), 1, large))
    change = await room.complete("run_1", "b")
    await room.journal("run_1", change.seq)
    # When it is forked behind that
    told = (await room.post("/runs/run_1/fork", {"from_node": "b"})).json()
    # Then the fork has the reference, took the branch, and its event does not repeat what is behind it
    run = await room.run(told["run_id"])
    assert run["nodes"]["a"]["output"] == {"$ref": large.ref}
    assert statuses(run) == {"a": "completed", "b": "dispatched", "c": "waiting"}
    await room.journal(told["run_id"], 1)
    (event,) = await room.services.records.journal.events(RunId(told["run_id"]), 0, 10)
    assert len(event.body) < 5_000


async def test_a_fork_of_an_edited_run_has_the_plan_of_its_event(room: Room) -> None:
    # Given a run that was edited after its first node, and has ended
    await room.start(CHAIN, run_id="run_1")
    await room.complete("run_1", "a", {"did": "a"})
    operations = [{"op": "add", "path": "/nodes/c/config", "value": {"edited": True}}]
    await room.post("/runs/run_1/patch", {"operations": operations})
    await room.complete("run_1", "b")
    change = await room.complete("run_1", "c")
    await room.journal("run_1", change.seq)
    # When it is forked before the edit, and after it
    for name, cut in (("before", {"seq": 2}), ("after", {"from_node": "b"})):
        answered = await room.post("/runs/run_1/fork", {**cut, "run_id": name})
        assert answered.status_code == 201, answered.text
    # Then each has the definition of its event
    nodes = [(await room.get(f"/runs/{name}/definition")).json()["nodes"][2] for name in ("before", "after")]
    assert [node.get("config") for node in nodes] == [None, {"edited": True}]
    assert [(await room.run(name))["revision"] for name in ("before", "after")] == [1, 1]
