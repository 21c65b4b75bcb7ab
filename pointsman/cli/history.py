"""The edits of a run as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pointsman.cli.report import moment

_SHOWN = 3
"""Operations told of one edit."""


def patches_table(told: Mapping[str, Any]) -> RenderableType:
    """Edits that were taken, a line each, then those that were refused, each with its reason."""
    taken = _table("revision", "at", "by", "what", "why")
    for patch in told["taken"]:
        taken.add_row(
            str(patch["revision"]),
            moment(patch["at"]),
            patch["by"],
            _what(patch["operations"]),
            Text(patch["description"]),
        )
    if not told["refused"]:
        return taken
    refused = _table("refused", "at", "by", "what", "because")
    for patch in told["refused"]:
        code, why = Text(patch["code"], "red"), _because(patch["problems"])
        refused.add_row(code, moment(patch["at"]), patch["by"], _what(patch["operations"]), why)
    return Group(taken, Text(), refused)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=name not in ("what", "why", "because"))
    return table


def _what(operations: list[Any]) -> Text:
    """What was asked for: operations, or in their place the pattern or merge patch that was refused."""
    told = [_operation(operation) for operation in operations[:_SHOWN] if isinstance(operation, Mapping)]
    more = len(operations) - _SHOWN
    return Text(", ".join([*told, *([f"{more} more"] if more > 0 else [])]))


def _operation(told: Mapping[str, Any]) -> str:
    if "op" in told:
        return f"{told['op']} {_where(told)}"
    return f"pattern {told['pattern']}" if "pattern" in told else "merge patch"


def _where(operation: Mapping[str, Any]) -> str:
    """Where an operation is at work; what is appended is better known by its id."""
    path, value = str(operation.get("path")), operation.get("value")
    if not path.endswith("/-") or not isinstance(value, Mapping):
        return path
    name = value.get("id") or f"{value.get('from')}->{value.get('to')}"
    return f"{path[:-1]}{name}"


def _because(problems: Iterable[Mapping[str, Any]]) -> Text:
    return Text("; ".join(problem["message"] for problem in problems))
