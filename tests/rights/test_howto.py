"""The page about edit tokens: its handler extends a run, and its commands are answered as it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs

from pointsman.settings import Settings
from pointsman.worker import Task
from pointsman.worker.secrets import Secrets
from pointsman.worker.target import load_workers
from tests.api.conftest import database, migrated_template, partitions, pool, room, settings
from tests.api.room import Room
from tests.api.test_howto import agrees, sent
from tests.docs.pages import ROOT, Block, blocks
from tests.rights.test_editing import editing
from tests.worker.wire_tasks import Shelf, wire_task

__all__ = ["database", "migrated_template", "partitions", "pool", "room", "settings"]

PAGE = ROOT / "docs" / "howto" / "edit-tokens.md"
PLANNED = {
    "nodes": [{"id": "plan", "type": "agent", "config": {"handler": "plan"}}, {"id": "report", "type": "agent"}],
    "edges": [{"from": "plan", "to": "report"}],
}


def shown(*languages: str) -> list[Block]:
    """The blocks of the page in some languages."""
    return [block for block in blocks(PAGE) if block.language in languages]


async def test_the_handler_of_the_page_extends_its_run(room: Room, tmp_path: Path) -> None:
    # Given the worker of the page, and a run that waits for it
    file = tmp_path / "agents.py"
    file.write_text(shown("python")[0].text)
    [worker] = load_workers(str(file), Settings())
    run_id = await room.start(PLANNED)
    wire = wire_task(run=run_id, node="plan", type="agent", payload={"topics": ["bees", "mites"]})
    # When it does its task
    handler = worker.handlers.find({"handler": "plan"})
    result = await handler.function(Task(wire, Secrets(), Shelf(), editing(room)))
    await room.complete(run_id, "plan", result)
    # Then the run reads about both topics before it reports
    nodes = (await room.run(run_id))["nodes"]
    assert {name: node["status"] for name, node in nodes.items()} == {
        "plan": "completed",
        "read_bees": "dispatched",
        "read_mites": "dispatched",
        "report": "waiting",
    }


async def test_what_a_model_calls_is_an_edit_or_a_refusal_that_it_can_read(room: Room) -> None:
    # Given a model that was given the patterns as tools, and the token of a task
    page: dict[str, Any] = {}
    exec(shown("python")[1].text, page)
    run_id = await room.start(PLANNED)
    wire = wire_task(run=run_id, node="plan", type="agent")
    token = await Task(wire, Secrets(), Shelf(), editing(room)).edit_token()
    told = {tool["name"]: tool for tool in (await room.get("/schema/edit-tools")).json()["tools"]}
    beside = {"to": "report", "node": {"id": "check", "type": "agent"}}
    between = {"from": "plan", "to": "report", "node": {"id": "look", "type": "agent"}}
    assert jsonschema_rs.is_valid(told["insert_parallel"]["parameters"], beside)
    # When it calls one that adds, and one that would take an edge away which is not its own
    added = await page["called"](token, "insert_parallel", beside)
    refused = await page["called"](token, "insert_between", between)
    # Then the run has the node, and the model is told what it may not do
    assert added["revision"] == 2
    assert (await room.run(run_id))["nodes"].keys() == {"plan", "check", "report"}
    assert refused.keys() == {"refused", "problems"}
    assert "`plan->report` was not added with this edit token" in refused["problems"][0]


async def test_the_commands_of_the_page_are_answered_as_it_says(room: Room) -> None:
    await room.start(PLANNED, run_id="run_1")
    token = ""
    commands, answers = shown("bash"), shown("json")
    for command, answer in zip(commands, answers, strict=True):
        answered = await sent(command.text.replace("$TOKEN", token), room.client)
        token = answered.json().get("token", token)
        assert agrees(httpx.Response(200, text=answer.text).json(), answered.json()), answered.text
