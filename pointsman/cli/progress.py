"""How far a run is, put together from its events; and how that is written in a word or a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.text import Text

from pointsman.cli.events import FINAL
from pointsman.cli.picture import Label
from pointsman.plan import Node

_GLYPHS: Final = {
    "waiting": ("○", "dim"),
    "backing_off": ("↻", "yellow"),
    "held": ("⏸", "yellow"),
    "dispatched": ("●", "bold cyan"),
    "running": ("●", "bold cyan"),
    "completed": ("✔", "green"),
    "failed": ("✘", "bold red"),
    "skipped": ("⊘", "dim"),
    "cancelled": ("⊗", "yellow"),
}
_RUN_STYLES: Final = {"COMPLETED": "bold green", "FAILED": "bold red", "TIMED_OUT": "bold red", "RUNNING": "bold cyan"}
_ENDED: Final = frozenset({"completed", "failed", "skipped", "cancelled"})


@dataclass
class NodeProgress:
    """A node as it is in its latest frame."""

    status: str = "waiting"
    attempt: int = 0

    @property
    def glyph(self) -> tuple[str, str]:
        """A character for its status, and the style to write it in."""
        return _GLYPHS.get(self.status, ("?", ""))


class Progress:
    """What is known of a run after the events taken so far."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.status = "QUEUED"
        self.revision = 1
        self.began: int | None = None
        self.latest = 0
        """When the last event happened, in Unix milliseconds."""
        self.nodes: dict[str, NodeProgress] = {}
        self.passes: dict[str, int] = {}
        """For each loop the number of its latest pass."""
        self.added: set[str] = set()
        """Nodes that a patch put in while the run was on its way."""

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self.status in FINAL

    @property
    def ended_nodes(self) -> int:
        """How many nodes have ended, one way or another."""
        return sum(node.status in _ENDED for node in self.nodes.values())

    def take(self, event: Mapping[str, Any]) -> None:
        """Move on by one event."""
        self.began = self.began or event["at"]
        self.latest = event["at"]
        self.status = event.get("status", self.status)
        for node in event.get("nodes", ()):
            status = "backing_off" if node.get("reason") == "backing_off" else node["status"]
            self.nodes[node["node"]] = NodeProgress(status, node.get("attempt", 0))
            self.passes |= _passes(node.get("frame", ""))
        if patch := event.get("patch"):
            self.revision = patch["revision"]
            self.added |= {node["id"] for node in added_nodes(patch.get("operations", ()))}

    def node(self, name: str) -> NodeProgress:
        """One node, which may not have begun."""
        return self.nodes.get(name) or NodeProgress("cancelled" if self.is_final else "waiting")

    def label(self, node: Node) -> Label:
        """What is written for a node in the picture of the plan."""
        now = self.node(node.id)
        glyph, style = now.glyph
        new = "✚" if node.id in self.added else ""
        text = f"{glyph} {new}{node.id}"
        room = len(text) + (3 if node.retry.max_attempts > 1 else 0)
        if node.loop is not None:
            text += f" ↺{self.passes.get(node.id, 0)}/{node.loop.max_iterations}"
            room += len(text)
        return Label(f"{text} #{now.attempt}" if now.attempt > 1 else text, style, room)


def run_status(status: str) -> Text:
    """The status of a run, coloured."""
    return Text(status, _RUN_STYLES.get(status, "bold yellow"))


def added_nodes(operations: Any) -> Iterator[Mapping[str, Any]]:
    """The nodes that RFC 6902 operations add to a definition."""
    for operation in operations:
        node = operation.get("value")
        is_node = operation.get("op") == "add" and operation["path"].count("/") == 2 and "/nodes/" in operation["path"]
        if is_node and isinstance(node, dict) and "id" in node:
            yield node


def _passes(frame: str) -> dict[str, int]:
    """From `polish[2]/retry[1]`, the pass of each loop around a node."""
    parts = (part.rstrip("]").partition("[") for part in frame.split("/") if part)
    return {loop: int(number) for loop, _, number in parts}
