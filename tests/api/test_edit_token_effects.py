"""What a patch with an edit token may do over HTTP; what it may not do changes nothing and is written down."""

from __future__ import annotations

import asyncio
from typing import Any

from biscuit_auth import Biscuit, BlockBuilder

from pointsman.base.codes import CODES
from pointsman.base.ids import RunId
from pointsman.rights.biscuit import key_in, narrow
from pointsman.rights.grant import PREFIX, Limits
from pointsman.settings import EditSettings, Settings
from tests.api.room import Room, journalled, room_on
from tests.api.test_access import bearer
from tests.api.test_problems import told
from tests.api.token_holders import PLANNED, adding, assert_denied, planning, refused, send, stored, token_for
from tests.support.waiting import eventually

QUOTED = {"id": "a" * 16, "allowed": {'agent", "http'}}

TOO_FAR: list[tuple[list[dict[str, Any]], str]] = [
    (adding("dig", type="http"), "EDT060"),
    (adding("dig", behind="begin"), "EDT063"),
    (adding("dig", before="other"), "EDT064"),
    ([{"op": "remove", "path": "/nodes/report"}, {"op": "remove", "path": "/edges/plan->report"}], "EDT066"),
    ([{"op": "replace", "path": "/nodes/report/type", "value": "agent"}], "EDT066"),
    ([{"op": "add", "path": "/name", "value": "mine"}], "EDT066"),
    ([{"op": "add", "path": "/metadata", "value": {"output": "1"}}], "EDT066"),
    (adding("dig", loop={"condition": "true", "max_iterations": 9, "loop_back_to": "dig"}), "EDT067"),
    ([*adding("dig", before=None), {"op": "add", "path": "/edges/3/on", "value": "error"}], "EDT068"),
    # A node that is allowed, made one of another type in the same patch
    ([*adding("dig"), {"op": "replace", "path": "/nodes/dig/type", "value": "http"}], "EDT060"),
    # The same by copy
    (
        [
            {"op": "copy", "from": "/nodes/begin", "path": "/nodes/-"},
            {"op": "replace", "path": "/nodes/4/id", "value": "dig"},
            {"op": "add", "path": "/edges/-", "value": {"from": "plan", "to": "dig"}},
        ],
        "EDT060",
    ),
    ([{"op": "move", "from": "/nodes/0", "path": "/nodes/-"}], "EDT066"),
    ([{"op": "move", "from": "/edges/2", "path": "/edges/0"}], "EDT066"),
    ([{"op": "replace", "path": "/edges/plan->report/to", "value": "other"}], "EDT066"),
    ([{"op": "add", "path": "/edges/-", "value": {"from": "other", "to": "report"}}], "EDT063"),
]


async def test_what_a_token_does_not_allow_changes_nothing(room: Room) -> None:
    # Given a task with a token
    run_id = await planning(room)
    token = await token_for(room, run_id)
    before = await stored(room)
    for operations, code in TOO_FAR:
        # When it sends a patch that goes too far
        answered = await send(room, run_id, token, operations)
        # Then that is denied with everything that is wrong, and only the audit knows of it
        await assert_denied(room, run_id, answered, 403, answered.json()["code"], before)
        assert code in {error["code"] for error in answered.json()["errors"]}, answered.text
        row = (await refused(room, run_id))[-1]
        assert (row["by"], row["operations"]) == ("edit token :plan (attempt 1, local)", operations)
        assert row["problems"] == answered.json()["errors"]


RACED = {
    "name": "raced",
    "nodes": [
        *(
            {"id": name, "type": kind}
            for name, kind in (("plan", "agent"), ("fast", "function"), ("after", "function"))
        ),
        {"id": "first", "type": "function", "join": "any"},
    ],
    "edges": [{"from": "plan", "to": "first"}, {"from": "fast", "to": "first"}, {"from": "first", "to": "after"}],
}


GUARDED = {
    "name": "guarded",
    "nodes": [{"id": name, "type": kind} for name, kind in (("plan", "agent"), ("check", "function"))]
    + [{"id": name, "type": "function"} for name in ("publish", "alarm")],
    "edges": [
        {"from": "plan", "to": "check"},
        {"from": "check", "to": "publish"},
        {"from": "check", "to": "alarm", "on": "error"},
    ],
}
"""What is published has passed a check."""


async def test_no_token_leads_around_what_others_decide(room: Room) -> None:
    # Given a task with a token, and behind it a node that runs only if another has not failed
    run_id = await room.start(GUARDED)
    await room.journal(run_id, 1)
    token = await token_for(room, run_id)
    before = await stored(room)
    # When it would have that node started by one of its own
    answered = await send(room, run_id, token, adding("dig", before="publish"))
    # Then that is denied, and nothing has changed
    await assert_denied(room, run_id, answered, 403, "EDT065", before)


def test_each_denial_there_is_has_been_shown_over_http_to_change_nothing() -> None:
    # Given the codes of what a token does not allow, and those for which a test here compares everything there is
    of_tokens = {code for code, page in CODES.items() if code.startswith("EDT06") and page.http == 403}
    shown = {code for _, code in TOO_FAR} | {"EDT061", "EDT062", "EDT065", "EDT069"}
    # Then there is no other
    assert shown == of_tokens


async def test_no_token_ends_what_others_have_begun(room: Room) -> None:
    # Given a task that is still out, while a node behind it was reached by another way and is running
    run_id = await room.start(RACED)
    await room.complete(run_id, "fast")
    await room.journal(run_id, (await room.complete(run_id, "first")).seq)
    token = await token_for(room, run_id)
    before = await stored(room)
    operations = adding("dig", behind="first", before="after")
    for options, verdict in (
        ({"on_running": "cancel"}, (403, "EDT066")),
        ({"on_running": "cancel", "dry_run": "true"}, (403, "EDT066")),
        ({"on_running": "restart"}, (409, "EDT021")),
        ({}, (409, "EDT021")),
    ):
        # When it would have that node wait for another
        answered = await send(room, run_id, token, operations, **options)
        # Then its task is not taken back, and nothing has changed
        assert told(answered) == verdict
        assert await stored(room) == before
    # While what the token has added itself may be taken back
    assert (await send(room, run_id, token, adding("mine", behind="first", before=None))).status_code == 200
    gone = [{"op": "remove", "path": "/edges/first->mine"}, {"op": "remove", "path": "/nodes/mine"}]
    taken_back = await send(room, run_id, token, gone, on_running="cancel")
    assert (taken_back.status_code, len(taken_back.json()["cancelled"])) == (200, 1)


async def test_a_pattern_is_held_to_the_same_as_its_operations(room: Room) -> None:
    run_id = await planning(room)
    token = await token_for(room, run_id)
    node = {"id": "dig", "type": "agent"}
    before = await stored(room)
    # Given patterns that would change or remove what others have made
    for pattern, found in (
        ({"pattern": "insert_between", "from": "plan", "to": "report", "node": node}, {"EDT066"}),
        ({"pattern": "delete", "nodes": "report"}, {"EDT066"}),
        ({"pattern": "wrap_with_retry", "nodes": "report", "retry": {"max_attempts": 2}}, {"EDT060", "EDT066"}),
        ({"pattern": "insert_parallel", "to": "other", "node": node}, {"EDT063"}),
    ):
        answered = await room.post(f"/runs/{run_id}/edits", pattern, headers=bearer(token))
        # Then they are denied
        assert {error["code"] for error in answered.json()["errors"]} == found
        await assert_denied(room, run_id, answered, 403, answered.json()["code"], before)
    # While one that adds behind the task is taken
    between = {"pattern": "insert_parallel", "to": "report", "node": node}
    answered = await room.post(f"/runs/{run_id}/edits", between, headers=bearer(token))
    assert answered.status_code == 200, answered.text


async def test_a_merge_patch_is_held_to_its_effect(room: Room) -> None:
    run_id = await planning(room)
    token = await token_for(room, run_id)
    media = {"Content-Type": "application/merge-patch+json"}
    before = await stored(room)
    answered = await room.client.patch(f"/api/v1/runs/{run_id}", json={"name": "mine"}, headers=bearer(token) | media)
    await assert_denied(room, run_id, answered, 403, "EDT066", before)


async def test_a_preview_is_held_to_what_the_token_allows(room: Room) -> None:
    # Given a token for one node
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=1)
    before = await stored(room)
    # Then it may look at what an edit would do, as often as it likes
    for _ in range(2):
        shown = await send(room, run_id, token, adding("one"), dry_run="true")
        assert (shown.status_code, shown.json()["revision"]) == (200, 2)
    # But at nothing that it may not do
    two = adding("one") + adding("two")
    denied = await send(room, run_id, token, two, dry_run="true")
    assert told(denied) == (403, "EDT061")
    assert await stored(room) == before


async def test_counts_hold_over_many_patches(room: Room) -> None:
    # Given a token for two nodes
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=2)
    # When two are added, one is taken away, and another is to be added
    assert (await send(room, run_id, token, adding("one"))).status_code == 200
    assert (await send(room, run_id, token, adding("two"))).status_code == 200
    gone = [{"op": "remove", "path": path} for path in ("/edges/plan->two", "/edges/two->report", "/nodes/two")]
    assert (await send(room, run_id, token, gone)).status_code == 200
    before = await stored(room)
    answered = await send(room, run_id, token, adding("three"))
    # Then that is one too many
    await assert_denied(room, run_id, answered, 403, "EDT061", before)
    # With another token of the same task, too
    again = await token_for(room, run_id, nodes=2)
    await assert_denied(room, run_id, await send(room, run_id, again, adding("three")), 403, "EDT061", before)


async def test_operations_are_counted_over_many_patches(room: Room) -> None:
    run_id = await planning(room)
    token = await token_for(room, run_id, operations=5)
    assert (await send(room, run_id, token, adding("one"))).status_code == 200
    before = await stored(room)
    await assert_denied(room, run_id, await send(room, run_id, token, adding("two")), 403, "EDT062", before)
    config = [{"op": "add", "path": "/nodes/one/config", "value": {"depth": 2}}]
    assert (await send(room, run_id, token, config)).status_code == 200


async def test_patches_at_the_same_moment_do_not_exceed_a_count(room: Room) -> None:
    # Given a token for two nodes
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=2)
    # When four are added at once
    answers = await asyncio.gather(*(send(room, run_id, token, adding(f"n{place}")) for place in range(4)))
    # Then two are taken
    assert sorted(answered.status_code for answered in answers) == [200, 200, 403, 403]
    assert len((await room.run(run_id))["nodes"]) == len(PLANNED["nodes"]) + 2


async def test_what_is_not_in_the_journal_yet_is_counted_all_the_same(room: Room) -> None:
    # Given a token for one node, which it adds while the journal stands still
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=1)
    room.writing.clear()
    adding_one = asyncio.create_task(send(room, run_id, token, adding("one")))

    async def landed() -> bool:
        return (await room.executor.load(RunId(run_id))).head.revision == 2

    await eventually(landed)
    # When it adds another before the journal goes on
    adding_two = asyncio.create_task(send(room, run_id, token, adding("two")))
    room.writing.set()
    # Then the second is denied
    assert [(await adding_one).status_code, told(await adding_two)] == [200, (403, "EDT061")]


async def test_what_others_did_meanwhile_is_no_way_around_a_count(room: Room) -> None:
    # Given a token for one node, which was added and then taken away by somebody else: the definition is as it was
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=1)
    definition = (await room.get(f"/runs/{run_id}/definition")).content
    assert (await send(room, run_id, token, adding("one"))).status_code == 200
    gone = [{"op": "remove", "path": path} for path in ("/edges/plan->one", "/edges/one->report", "/nodes/one")]
    assert (await room.post(f"/runs/{run_id}/patch", {"operations": gone})).status_code == 200
    assert (await room.get(f"/runs/{run_id}/definition")).content == definition
    # Then it is used up
    before = await stored(room)
    await assert_denied(room, run_id, await send(room, run_id, token, adding("one")), 403, "EDT061", before)


async def test_what_an_operator_changed_is_not_changed_back(room: Room) -> None:
    run_id = await planning(room)
    token = await token_for(room, run_id)
    await send(room, run_id, token, adding("dig"))
    careful = [{"op": "add", "path": "/nodes/dig/config", "value": {"careful": True}}]
    assert (await room.post(f"/runs/{run_id}/patch", {"operations": careful})).status_code == 200
    before = await stored(room)
    answered = await send(room, run_id, token, [{"op": "remove", "path": "/nodes/dig/config"}])
    await assert_denied(room, run_id, answered, 403, "EDT066", before)


async def test_a_narrowed_token_does_less_and_never_more(room: Room) -> None:
    # Given a token that was narrowed by its holder, without asking anybody
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=3)
    little = narrow(token, Limits(types=frozenset({"agent", "http"}), nodes=1, operations=4))
    assert (await send(room, run_id, little, adding("one"))).status_code == 200
    # Then it allows what both do
    before = await stored(room)
    for bad, code in (
        (adding("two", before=None), "EDT061"),
        (adding("two", type="http"), "EDT060"),
        (adding("two"), "EDT062"),
    ):
        answered = await send(room, run_id, little, bad)
        await assert_denied(room, run_id, answered, 403, answered.json()["code"], before)
        assert code in {error["code"] for error in answered.json()["errors"]}
    # And what was widened afterwards is as narrow as before
    wide = narrow(little, Limits(frozenset({"agent", "http", "function"}), 100, 100))
    answered = await send(room, run_id, wide, adding("two", before=None))
    await assert_denied(room, run_id, answered, 403, "EDT061", before)
    # While the first holder has what is left
    assert (await send(room, run_id, token, adding("two"))).status_code == 200
    by = [patch["by"] for patch in (await room.get(f"/runs/{run_id}/patches")).json()["taken"]]
    assert by[0].startswith("edit token :plan~")
    assert by[1] == "edit token :plan (attempt 1, local)"


async def test_a_share_that_only_looks_like_ours_has_biscuit_against_it(settings: Settings) -> None:
    # Given a token handed on by other means: its one type has quotes in it, and is printed as if it were two
    edits = EditSettings(token_types=("http",))
    async with room_on(settings.model_copy(update={"edits": edits})) as room, journalled(room):
        run_id = await planning(room)
        token = await token_for(room, run_id)
        block = BlockBuilder("share({id}); check if types($types), {allowed}.contains($types)", QUOTED)
        biscuit = Biscuit.from_base64(token.removeprefix(PREFIX), key_in(token))
        forged = PREFIX + biscuit.append(block).to_base64()
        before = await stored(room)
        # When it is used
        answered = await send(room, run_id, forged, adding("dig"))
        # Then Biscuit's own evaluation has the last word
        await assert_denied(room, run_id, answered, 403, "EDT069", before)
