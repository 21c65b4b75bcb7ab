"""Events as lines: when, which nodes ended, which began, and what else is worth knowing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from pointsman.base.ids import FrameId, split_frame
from pointsman.cli.progress import NodeProgress, run_status

_SHOWN = 60
"""Characters of a message or an output that a line has room for."""


def line(event: Mapping[str, Any], began: int) -> Text:
    """One event, its time counted from the start of the run."""
    when = f"{(event['at'] - began) / 1_000:8.3f}  "
    return Text.assemble((when, "dim"), Text("  ").join(_parts(event)))


def _parts(event: Mapping[str, Any]) -> Iterator[Text]:
    if patch := event.get("patch"):
        yield _patch(patch, event.get("by", ""))
    elif origin := event.get("forked_from"):
        yield Text(f"fork of {origin['run_id']} after event {origin['seq']}", "bold")
    elif event["type"] in ("start", "pause", "resume", "cancel"):
        yield Text(event["type"], "bold")
    begun = []
    for node in event.get("nodes", ()):
        if node["status"] == "dispatched":
            begun.append(node)
        elif node.get("reason") not in ("backing_off", "sleeping", "queued"):
            yield _ended(node)
    for note in event.get("notes", ()):
        yield Text(_note(note), "yellow")
    if begun:
        yield Text("▸ " + ", ".join(_name(node) for node in begun), "cyan")
    if status := event.get("status"):
        yield run_status(status)
    if error := event.get("error"):
        yield Text(_brief(f"{error['type']}: {error.get('message', '')}"), "red")


def _patch(patch: Mapping[str, Any], by: str) -> Text:
    who = f" by {by}" if by else ""
    why = f": {_brief(patch['description'])}" if patch.get("description") else ""
    return Text.assemble((f"✎ revision {patch['revision']}", "bold magenta"), (f"{who}{why}", "magenta"))


def _ended(node: Mapping[str, Any]) -> Text:
    glyph, style = NodeProgress(node["status"]).glyph
    told = Text().append(f"{glyph} {_name(node)}", style)
    if error := node.get("error"):
        told.append(f" {_brief(error['type'] + ': ' + error.get('message', ''))}", "red")
    elif node.get("kept"):
        told.append(" (kept)", "dim")
    elif node["status"] in ("skipped", "cancelled", "waiting") and node.get("reason"):
        told.append(f" ({node['reason'].replace('_', ' ')})", "dim")
    return told


def _name(node: Mapping[str, Any]) -> str:
    attempt = f" #{node['attempt']}" if node.get("attempt", 0) > 1 else ""
    numbers = ".".join(str(number) for _, number in split_frame(FrameId(node.get("frame", ""))))
    return f"{node['node']}{f' ↺{numbers}' if numbers else ''}{attempt}"


def _note(note: Mapping[str, Any]) -> str:
    node: str = note["node"]
    detail: Any = note.get("detail")
    match note["kind"]:
        case "pass_started":
            return f"↺ {node} pass {detail}"
        case "pass_ended":
            return f"{node} leaves its loop"
        case "node_retrying":
            return f"↻ {node} failed with {detail['error']}, again in {detail['delay_ms']} ms"
        case "worker_lost":
            return f"{node} lost its worker {detail['worker']}, handed out again"
        case "condition_failed":
            return _brief(f"condition at {node} has no value: {detail['error']}")
        case kind:
            return f"{node}: {kind.replace('_', ' ')}"


def _brief(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _SHOWN else one_line[: _SHOWN - 1] + "…"
