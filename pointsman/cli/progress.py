"""How far a run is, put together from its events; and how that is written in a word or a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from pointsman.base.ids import FrameId, split_frame
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
    frame: str = ""

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

    @classmethod
    def of_view(cls, run: Mapping[str, Any]) -> Progress:
        """A run as the API shows it: as it is now, without how it came there."""
        progress = cls(run["run_id"])
        progress.status, progress.revision = run["status"], run["revision"]
        for name, node in run["nodes"].items():
            progress.nodes[name] = NodeProgress(node["status"], node["attempt"], node["frame"])
            progress.passes |= passes_of(node["frame"])
        return progress

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
        for note in event.get("notes", ()):
            if note["kind"] == "pass_started":
                self._begin_again(note["node"])
        for node in event.get("nodes", ()):
            status = "backing_off" if node.get("reason") == "backing_off" else node["status"]
            self.nodes[node["node"]] = NodeProgress(status, node.get("attempt", 0), node.get("frame", ""))
            self.passes |= passes_of(node.get("frame", ""))
        if patch := event.get("patch"):
            self.revision = patch["revision"]
            self.added |= {node["id"] for node in added_nodes(patch.get("operations", ()))}

    def _begin_again(self, loop: str) -> None:
        """Let the nodes of a loop's last pass wait for the next one."""
        for name, node in self.nodes.items():
            if loop in passes_of(node.frame):
                self.nodes[name] = NodeProgress(frame=node.frame)

    def node(self, name: str) -> NodeProgress:
        """One node, which may not have begun."""
        return self.nodes.get(name) or NodeProgress("cancelled" if self.is_final else "waiting")

    def label(self, node: Node) -> Label:
        """What is written for a node in the picture of the plan."""
        now = self.node(node.id)
        glyph, style = now.glyph
        new = "✚" if node.id in self.added else ""
        name = f"{glyph} {new}{node.id}"
        text, room = name, cell_len(name)
        if node.loop is not None:
            most = node.loop.max_iterations
            text += f" ↺{self.passes[node.id]}/{most}" if node.id in self.passes else " ↺"
            room += len(f" ↺{most}/{most}")
        if now.attempt > 1:
            text += f" #{now.attempt}"
        return Label(text, style, room + len(" #9") if node.retry.max_attempts > 1 else room)


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


def passes_of(frame: str) -> dict[str, int]:
    """From `polish[2]/retry[1]`, the pass of each loop around a node."""
    return dict(split_frame(FrameId(frame)))
