"""Requests with an Idempotency-Key whose API dies before it answers: sent again, they are answered, not repeated."""

from __future__ import annotations

import signal
from typing import Any

import httpx
import pytest

from tests.integration.caller import Caller
from tests.integration.definitions import by_hand, definition, edge, node
from tests.support.waiting import eventually

MINUTE_MS = 60_000
ADDED = [
    {"op": "add", "path": "/nodes/-", "value": node("late", "take")},
    {"op": "add", "path": "/edges/-", "value": edge("a->late")},
]


async def let_claims_lapse(caller: Caller) -> None:
    """Have it be a minute later for whoever asks how old a claim on a key is."""
    await (await caller.postgres()).execute("UPDATE idempotency_keys SET created_at = created_at - $1", MINUTE_MS)


async def sent(caller: Caller, run_id: str, key: str) -> httpx.Response:
    """The patch, for the revision that the run began with."""
    headers = {"Idempotency-Key": key, "If-Match": '"1"'}
    body = {"operations": ADDED, "description": "once"}
    return await caller.client.post(f"/api/v1/runs/{run_id}/patch", json=body, headers=headers)


@pytest.mark.parametrize("has_ended", [False, True])
async def test_a_patch_whose_api_died_before_it_answered_is_carried_out_once(caller: Caller, has_ended: bool) -> None:
    # Given a run whose first node has ended
    system, key = caller.system, f"patch_{has_ended}"
    run_id = await caller.start(definition(node("a", gives=1), by_hand("b", key), "a->b"))
    (task,) = await caller.take(key)
    # When the API dies between a patch and its answer, and the request comes again a minute later
    system.stop("api")
    system.start("api", POINTSMAN_CRASH_AT="between_patch_and_answer")
    await eventually(lambda: caller.client.get("/readyz"))
    with pytest.raises(httpx.RemoteProtocolError):
        await sent(caller, run_id, key)
    assert system.ended("api") == -signal.SIGKILL
    system.start("api")
    if has_ended:
        await caller.complete(task, 2)
        await eventually(lambda: caller.has_ended(run_id))
    early = await eventually(lambda: sent(caller, run_id, key))
    await let_claims_lapse(caller)
    answered = await sent(caller, run_id, key)
    # Then it was told to come again before that, and is given the answer that there should have been
    assert (early.status_code, early.json()["code"]) == (409, "API014")
    assert answered.status_code == 200, answered.text
    told = answered.json()
    assert (told["revision"], told["changed"], [fired["node"] for fired in told["fired"]]) == (2, True, ["late"])
    assert answered.headers["ETag"] == '"2"'
    again = await sent(caller, run_id, key)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (told, "true")
    # And the run was patched once
    if not has_ended:
        await caller.complete(task, 2)
    assert await caller.completed(run_id) == {"late": 1, "b": 2}
    assert [change.cause for change, _ in await caller.journal(run_id)].count("patch") == 1


async def test_a_patch_under_a_new_key_is_another_patch(caller: Caller) -> None:
    # Given a run that was patched under a key
    run_id = await caller.start(definition(by_hand("a", "new_key_hand")))
    add: dict[str, Any] = {"op": "add", "path": "/nodes/-", "value": node("more", gives=1)}
    told = [await patched(caller, run_id, key, add) for key in ("one", "two")]
    # Then the same under another key is carried out, here to be refused: there is such a node
    assert [answered.status_code for answered in told] == [200, 422]
    # And what the first did can be told from the journal alone, as it was told then
    await (await caller.postgres()).execute("DELETE FROM idempotency_keys")
    assert (await patched(caller, run_id, "one", add)).json() == told[0].json()
    (task,) = await caller.take("new_key_hand")
    await caller.complete(task, 2)
    assert await caller.completed(run_id) == {"a": 2, "more": 1}


async def patched(caller: Caller, run_id: str, key: str, *operations: dict[str, Any]) -> httpx.Response:
    """The answer to a patch under a key."""
    headers = {"Idempotency-Key": key}
    return await caller.client.post(f"/api/v1/runs/{run_id}/patch", json={"operations": operations}, headers=headers)


async def test_a_fork_that_is_asked_for_again_is_that_fork_however_far_its_run_has_come(caller: Caller) -> None:
    # Given a run that was forked as it was then
    run_id = await caller.start(definition(by_hand("a", "forked_hand"), by_hand("b", "forked_hand"), "a->b"))
    (task,) = await caller.take("forked_hand")
    await caller.complete(task, 1)
    await eventually(lambda: caller.is_journalled(run_id, 2))
    asked = {"json": {"from_node": "b", "run_id": "the_fork"}, "headers": {"Idempotency-Key": "fork"}}
    first = await caller.client.post(f"/api/v1/runs/{run_id}/fork", **asked)
    # When it has ended, and the request comes again of which nobody knows any more that it was answered
    tasks = await caller.take("forked_hand", 2)
    for task in tasks:
        await caller.complete(task, 2)
    await caller.completed(run_id)
    await (await caller.postgres()).execute("DELETE FROM idempotency_keys")
    again = await caller.client.post(f"/api/v1/runs/{run_id}/fork", **asked)
    # Then the answer is the same run
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert again.json()["run_id"] == "the_fork"
    assert again.json()["forked_from"] == first.json()["forked_from"]
    # And it ran once
    assert await caller.completed("the_fork") == {"b": 2}
