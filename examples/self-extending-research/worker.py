"""An agent without a model: plain functions that decide what there is to look up, and extend the run they are part of.

pointsman worker examples/self-extending-research/worker.py
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pointsman.base.errors import EditRefused
from pointsman.worker import Task, Worker

worker = Worker("function")

JOIN = "report"
"""The node that waits for everything that is looked up."""
THERE_ALREADY = {"CMP003", "CMP006"}
"""What a patch is refused with whose nodes and edges the run has."""


class Note(NamedTuple):
    """What the library has on a topic."""

    text: str
    weight: int
    """How much it explains, of ten."""
    leads_to: str | None = None
    """A topic that one has to know about, too; who reads the note finds that out, nobody before."""


LIBRARY = {
    "mites": Note("The hives had nine mites per hundred bees in October; three are too many.", 6, "treatment"),
    "treatment": Note("They were treated on the 20th of October, six weeks late.", 8, "weather"),
    "weather": Note("September had only four days on which the hives could be opened.", 3),
    "hunger": Note("The scales showed 14 kg of stores in November; a colony needs 12.", 1),
    "pesticides": Note("Nobody within 3 km sprayed after June.", 1, "weather"),
}


async def read(task: Task) -> None:
    """Take as long as the node's config says."""
    await asyncio.sleep(task.config.get("takes_ms", 300) / 1_000)


@worker.handler("plan")
async def plan(task: Task) -> dict[str, Any]:
    """Decide what to look up, and have the run do it."""
    await read(task)
    words = re.findall(r"\w+", task.config["question"].lower())
    topics = [topic for topic in LIBRARY if topic in words]
    await look_up(task, topics)
    return {"topics": topics}


@worker.handler("research")
async def research(task: Task) -> dict[str, Any]:
    """Read what there is on a topic; what it leads to is looked up behind this node, unless that is done already."""
    await read(task)
    topic = task.config["topic"]
    note = LIBRARY[topic]
    if note.leads_to is not None:
        await look_up(task, [note.leads_to])
    return {"topic": topic, "found": note.text, "weight": note.weight, "asked_by": task.config["asked_by"]}


@worker.handler("write_report")
async def write_report(task: Task) -> dict[str, Any]:
    """Put together what was found. Of several edges that lead here, the payload has the output of each source."""
    await read(task)
    outputs = task.payload.values() if "plan" in task.payload else []
    found = sorted((one for one in outputs if "found" in one), key=lambda one: (-one["weight"], one["topic"]))
    return {
        "question": task.config["question"],
        "answer": found[0]["found"] if found else "The library has nothing on this.",
        "because": [f"{one['topic']} ({one['weight']}/10): {one['found']}" for one in found],
    }


async def look_up(task: Task, topics: Sequence[str]) -> None:
    """Add a node for each topic to this task's run: behind this node, and before the report.

    The token allows just that, and ends with this attempt. Ids follow from topics, so neither a second attempt nor
    somebody else who comes to the same topic has it looked up twice: such a patch is refused as a whole.
    """
    if not topics:
        return
    operations = [operation for topic in topics for operation in to_look_up(topic, asked_by=task.node_id)]
    token = await task.edit_token(types=["function"], nodes=len(topics), operations=len(operations))
    try:
        await token.patch(operations, description=f"{task.node_id} wants to know about {', '.join(topics)}")
    except EditRefused as refused:
        if not {problem.code for problem in refused.problems} <= THERE_ALREADY:
            raise
        task.log.info("looked_up_already", topics=topics)


def to_look_up(topic: str, asked_by: str) -> list[dict[str, Any]]:
    """The operations that add the node for a topic (RFC 6902)."""
    node = f"research_{topic}"
    config = {"handler": "research", "topic": topic, "asked_by": asked_by}
    return [
        {"op": "add", "path": "/nodes/-", "value": {"id": node, "type": "function", "config": config}},
        {"op": "add", "path": "/edges/-", "value": {"from": asked_by, "to": node}},
        {"op": "add", "path": "/edges/-", "value": {"from": node, "to": JOIN}},
    ]
