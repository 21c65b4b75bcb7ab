"""Runs as tables: many, a line each; one, with all its nodes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pointsman.cli.progress import NodeProgress, run_status

_SHOWN = 200
"""Characters of an output shown beside its node."""


def runs_table(runs: Iterable[Mapping[str, Any]]) -> Table:
    """One line a run."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("run", "workflow", "status", "created", "took"):
        table.add_column(name, no_wrap=name != "workflow")
    for run in runs:
        created = moment(run["created_at"])
        table.add_row(run["run_id"], run["workflow"], run_status(run["status"]), created, _took(run, "created_at"))
        if run.get("stuck"):
            table.add_row("", Text(f"stuck: {run['stuck']}", "bold red"))
    return table


def node_table(run: Mapping[str, Any]) -> Table:
    """One line a node: its status, attempt, duration, and what it gave or why it failed."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("node", "status", "attempt", "took", "output"):
        table.add_column(name, justify="right" if name in ("attempt", "took") else "left")
    for name, node in run["nodes"].items():
        glyph, style = NodeProgress(node["status"]).glyph
        table.add_row(
            name, Text(f"{glyph} {node['status']}", style), str(node["attempt"] or ""), _took(node), _outcome(node)
        )
    return table


def run_report(run: Mapping[str, Any]) -> RenderableType:
    """How a run stands: status and, once it has ended, what came of it."""
    took = f", {_took(run, 'created_at')}" if run.get("ended_at") else ""
    rest = f"  {run['workflow']}, revision {run['revision']}{took}"
    parts: list[RenderableType] = [
        Text.assemble((f"{run['run_id']} ", "bold"), run_status(run["status"]), (rest, "dim"))
    ]
    if origin := run.get("forked_from"):
        why = f": {origin['reason']}" if origin["reason"] else ""
        parts.append(Text(f"forked from {origin['run_id']} after event {origin['seq']} by {origin['by']}{why}", "dim"))
    if run.get("stuck"):
        told = f"stuck: {run['stuck']}; rebuild it from its journal with: pointsman repair {run['run_id']}"
        parts.append(Text(told, "bold red"))
    parts += [Text(f"no worker serves tasks of type {name}", "yellow") for name in run.get("waiting_for_worker", ())]
    if run.get("error"):
        parts.append(Text(f"{run['error']['type']}: {run['error'].get('message', '')}", "red"))
    if run.get("output") is not None:
        parts.append(Padding(Text(json.dumps(run["output"], ensure_ascii=False, indent=2)), (0, 0, 0, 2), expand=False))
    return Group(*parts)


def _outcome(node: Mapping[str, Any]) -> Text:
    if node["error"]:
        return Text(f"{node['error']['type']}: {node['error'].get('message', '')}", "red")
    if node["output"] is None:
        return Text()
    text = json.dumps(node["output"], ensure_ascii=False)
    return Text(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def _took(of: Mapping[str, Any], since: str = "started_at") -> str:
    began, ended = of.get(since), of.get("ended_at")
    if began is None or ended is None:
        return ""
    return f"{ended - began} ms" if ended - began < 1_000 else f"{(ended - began) / 1_000:.1f} s"


def moment(millis: int | None) -> str:
    """A time in Unix milliseconds, as people read it; empty where there is none."""
    return datetime.fromtimestamp(millis / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if millis else ""
