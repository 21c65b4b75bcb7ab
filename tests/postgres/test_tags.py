"""Tags: where a tag is after any moves, who wins of two movers, and what is written down."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.tags import Order, Tags
from pointsman.adapters.postgres.workflows import Workflows

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

ANN = Order("ann", "because")
VERSIONS = 3


@pytest.fixture
async def tags(pool: Pool) -> Tags:
    """The tags of a workflow with three versions."""
    return await published(pool)


async def published(pool: Pool) -> Tags:
    documents = Documents(pool)
    plan = await documents.put_plan(b"{}")
    for number in range(VERSIONS):
        await Workflows(pool).publish("triage", await documents.put_definition(str(number).encode()), plan, "ann")
    return Tags(pool)


async def test_a_tag_names_a_version_until_it_is_moved(tags: Tags) -> None:
    # When a tag is made, moved, and put to where it is
    made = await tags.put("triage", "prod", 1, ANN)
    moved = await tags.put("triage", "prod", 2, Order("bob", "better\0"))
    again = await tags.put("triage", "prod", 2, ANN)
    # Then it is there, and being put there again is no move
    assert [(answer.outcome, answer.moved_from) for answer in (made, moved, again)] == [
        ("moved", None),
        ("moved", 1),
        ("unchanged", None),
    ]
    assert await tags.get("triage", "prod") == moved.move == again.move
    assert await tags.page("triage") == [moved.move]
    # And each move is written down with who, from where, to where and why
    history = await tags.history("triage", "prod")
    assert [
        (past.move.number, past.move.by, past.moved_from, past.move.version, past.move.reason) for past in history
    ] == [
        (2, "bob", 1, 2, "better\N{REPLACEMENT CHARACTER}"),
        (1, "ann", None, 1, "because"),
    ]
    assert await tags.history("triage", "prod", before=2) == history[1:]


async def test_a_tag_that_is_not_there_can_neither_be_removed_nor_rolled_back(tags: Tags) -> None:
    assert (await tags.remove("triage", "prod", ANN)).outcome == "missing"
    assert (await tags.roll_back("triage", "prod", ANN)).outcome == "missing"
    assert (await tags.put("triage", "prod", VERSIONS + 1, ANN)).outcome == "no_version"
    assert (await tags.put("nobody", "prod", 1, ANN)).outcome == "no_version"
    assert await tags.history("triage", "prod") == []


async def test_a_tag_that_was_taken_away_is_listed_no_more_and_comes_back(tags: Tags) -> None:
    # Given two tags, one of them taken away
    await tags.put("triage", "canary", 3, ANN)
    await tags.put("triage", "prod", 2, ANN)
    removed = await tags.remove("triage", "prod", ANN)
    assert (removed.outcome, removed.moved_from) == ("moved", 2)
    assert [move.tag for move in await tags.page("triage")] == ["canary"]
    assert await tags.get("triage", "prod") is None
    assert (await tags.remove("triage", "prod", ANN)).outcome == "missing"
    # When that is rolled back
    back = await tags.roll_back("triage", "prod", ANN)
    # Then it is where it was
    assert back.move is not None
    assert (back.move.version, back.move.number) == (2, 3)
    assert [move.tag for move in await tags.page("triage", after="canary", limit=1)] == ["prod"]


async def test_of_two_movers_who_have_seen_the_same_move_one_is_told(tags: Tags) -> None:
    await tags.put("triage", "prod", 1, ANN)
    # When two move it from the move that both have seen
    answers = await asyncio.gather(*(tags.put("triage", "prod", to, ANN._replace(only_after=1)) for to in (2, 3)))
    # Then one has moved it, and the other hears of that move
    assert sorted(answer.outcome for answer in answers) == ["moved", "overtaken"]
    assert answers[0].move == answers[1].move
    # And a tag that must not be there yet is not made twice
    assert (await tags.put("triage", "prod", 1, ANN._replace(only_after=0))).outcome == "overtaken"
    assert (await tags.put("triage", "new", 1, ANN._replace(only_after=0))).outcome == "moved"


async def test_many_movers_without_a_guard_stand_in_line(tags: Tags) -> None:
    await asyncio.gather(*(tags.put("triage", "prod", 1 + number % VERSIONS, ANN) for number in range(9)))
    numbers = [past.move.number for past in await tags.history("triage", "prod")]
    assert numbers == list(range(len(numbers), 0, -1))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([1, 2, 3, None, "back"]), max_size=12))
def test_rolling_back_undoes_move_by_move_whatever_came_before(database: str, moves: list[int | str | None]) -> None:
    asyncio.run(_undone(database, moves))


async def _undone(database: str, moves: list[int | str | None]) -> None:
    """Play moves on a new tag and, beside it, on a plain stack of the versions it had."""
    pool = await open_pool(database, name="tests", size=1)
    try:
        tags = Tags(pool)
        if await Workflows(pool).get("triage") is None:
            await published(pool)
        tag = f"t{await pool.fetchval('SELECT count(*) FROM workflow_tag_moves')}"
        stack: list[int | None] = [None]
        for move in moves:
            if move == "back":
                can = len(stack) > 1 and stack[-2] is not None
                assert ((await tags.roll_back("triage", tag, ANN)).outcome == "moved") == can
                if can:
                    stack.pop()
            else:
                assert not isinstance(move, str)
                moved = await (tags.remove("triage", tag, ANN) if move is None else tags.put("triage", tag, move, ANN))
                assert (moved.outcome == "moved") == (move != stack[-1])
                if move != stack[-1]:
                    stack.append(move)
            found = await tags.get("triage", tag)
            assert (found.version if found else None) == stack[-1]
    finally:
        pool.terminate()
