"""The command about task types: what waits for workers, and who serves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from pointsman.cli.client import open_api
from pointsman.cli.options import ApiUrl, AsJson
from pointsman.cli.output import Output


def types(as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """List task types: how many tasks of each are not done, how many wait for a worker, and whether one is there."""
    with open_api(api_url) as api:
        told = api.get("task-types")
    Output(as_json=as_json).result(told, _table(told["types"]))


def _table(found: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("type", "tasks", "waiting", "workers"):
        table.add_column(name, justify="right" if name in ("tasks", "waiting") else "left")
    for one in found:
        workers = (
            Text("there are", "green") if one["served"] else Text("nobody", "bold red" if one["waiting"] else "dim")
        )
        table.add_row(one["type"], str(one["tasks"]), str(one["waiting"]), workers)
    return table
