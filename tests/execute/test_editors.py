"""Many editors at once, on a run that moves."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from pointsman.base.errors import EditRefused
from pointsman.base.ids import RunId
from pointsman.ports.run_store import Link, RunStore
from pointsman.protocol.outcome import Outcome
from pointsman.protocol.transition import Transition, decode_event
from pointsman.step import fold
from tests.conformance.worlds import World
from tests.support.editors import Documents, Editor

LOOP = {"condition": "output.x > 0", "max_iterations": 1_000, "loop_back_to": "again"}
GOING_ROUND: dict[str, Any] = {
    "nodes": [
        {"id": "begin", "type": "function"},
        {"id": "again", "type": "function", "loop": LOOP},
        {"id": "end", "type": "function", "config": {"to": 0}},
    ],
    "edges": [{"from": "begin", "to": "again"}, {"from": "again", "to": "end"}],
}
"""It goes round for as long as its worker says so."""


def adding(name: str) -> list[dict[str, Any]]:
    """A node behind the first one."""
    return [
        {"op": "add", "path": "/nodes/-", "value": {"id": name, "type": "function"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "begin", "to": name}},
    ]


def replacing(before: int, after: int) -> list[dict[str, Any]]:
    """Another config, where it still is the one that the editor has seen."""
    return [
        {"op": "test", "path": "/nodes/end/config/to", "value": before},
        {"op": "replace", "path": "/nodes/end/config/to", "value": after},
    ]


async def is_told_whole(world: World, run_id: RunId) -> bool:
    """Whether the events of a run, gapless, give what the store holds."""
    told = [(decode_event(event.body), event.tip) for event in await world.events() if event.run_id == run_id]
    assert [change.seq for change, _ in told] == list(range(1, len(told) + 1))
    return fold(told) == (await world.store.load([run_id]))[run_id]


@pytest.mark.parametrize("count", [2, 7, 16])
async def test_independent_edits_all_land_while_the_run_moves(world: World, count: int) -> None:
    # Given a run that goes round
    documents: Documents = {}
    editors = [Editor(world.store, documents) for _ in range(count)]
    run_id = await editors[0].start(GOING_ROUND)
    await editors[0].move_on(run_id)

    async def moves() -> None:
        while (await world.store.load([run_id]))[run_id].head.revision <= count:
            await editors[0].move_on(run_id)
            await asyncio.sleep(0)

    # When each adds a node of its own at the same time
    names = [f"n{number}" for number in range(count)]
    edits = (editor.edit(run_id, *adding(name)) for editor, name in zip(editors, names, strict=True))
    changes, _ = await asyncio.gather(asyncio.gather(*edits), moves())
    # Then every one is there, each made a revision of its own, and nothing of the run was lost
    assert sorted(change.patch.revision for change in changes if change.patch) == list(range(2, count + 2))
    definition = await editors[0].definition(run_id)
    assert {node["id"] for node in definition["nodes"]} == {"begin", "again", "end", *names}
    assert await is_told_whole(world, run_id)


@pytest.mark.parametrize("count", [2, 16])
async def test_of_conflicting_edits_one_wins_each_revision(world: World, count: int) -> None:
    # Given a run, and editors who all have seen the same definition
    documents: Documents = {}
    editors = [Editor(world.store, documents) for _ in range(count)]
    run_id = await editors[0].start(GOING_ROUND)
    for revision in range(1, 4):
        seen = (await editors[0].definition(run_id))["nodes"][2]["config"]["to"]
        # When they replace the same value
        edits = (editor.edit(run_id, *replacing(seen, 100 * revision + n)) for n, editor in enumerate(editors))
        answers = await asyncio.gather(*edits, return_exceptions=True)
        # Then one has, and the others are told that it is another by now
        [winner] = [answer for answer in answers if isinstance(answer, Transition)]
        refused = [answer.code for answer in answers if isinstance(answer, EditRefused)]
        assert winner.patch is not None
        assert winner.patch.revision == revision + 1
        assert refused == ["EDT007"] * (count - 1)
        value = (await editors[0].definition(run_id))["nodes"][2]["config"]["to"]
        assert value == winner.patch.operations[1]["value"]
    assert await is_told_whole(world, run_id)


class Raced:
    """A store on which somebody else is always faster than a writer who holds nothing."""

    def __init__(self, store: RunStore, other: Editor, run_id: RunId) -> None:
        self._store = store
        self._other = other
        self._run_id = run_id
        self.outcomes: list[Outcome] = []
        """What the other one was answered."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def apply(self, links: list[Link]) -> list[Outcome]:
        """Let the other one go first."""
        self.outcomes.append(await self._other.move_on(self._run_id))
        return await self._store.apply(links)


async def test_an_edit_lands_on_a_run_that_is_always_faster(world: World) -> None:
    # Given a run that moves on in every moment between an editor's looking and its writing
    documents: Documents = {}
    coordinator = Editor(world.store, documents)
    run_id = await coordinator.start(GOING_ROUND)
    await coordinator.move_on(run_id)
    raced = Raced(world.store, coordinator, run_id)
    # When it is edited
    change = await Editor(cast(RunStore, raced), documents).edit(run_id, *adding("n"))
    # Then the run waits for the edit once it has come too late three times, and then goes on
    assert raced.outcomes == ["applied", "applied", "applied", "held"]
    assert change.patch is not None
    assert change.patch.revision == 2
    assert await coordinator.move_on(run_id) == "applied"
    assert await is_told_whole(world, run_id)


async def test_a_run_is_let_go_where_the_edit_is_refused_at_last(world: World) -> None:
    # Given a run that is held for an editor, and the edit of another that lands before
    documents: Documents = {}
    coordinator = Editor(world.store, documents)
    run_id = await coordinator.start(GOING_ROUND)
    await coordinator.move_on(run_id)

    class Overtaken(Raced):
        async def apply(self, links: list[Link]) -> list[Outcome]:
            if len(self.outcomes) == 2:
                await coordinator.edit(run_id, *replacing(0, 1))
            return await super().apply(links)

    raced = Overtaken(world.store, coordinator, run_id)
    # When the editor, who by now holds it, is refused for that
    with pytest.raises(EditRefused):
        await Editor(cast(RunStore, raced), documents).edit(run_id, *replacing(0, 2))
    # Then the run goes on at once
    assert raced.outcomes == ["applied", "applied", "applied"]
    assert await coordinator.move_on(run_id) == "applied"
