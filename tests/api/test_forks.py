"""Forks: a new run goes on from where another was, on real servers."""

from __future__ import annotations

from typing import Any

from tests.api.room import Room

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


def statuses(run: dict[str, Any]) -> dict[str, str]:
    """The status of each node."""
    return {name: node["status"] for name, node in run["nodes"].items()}


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
