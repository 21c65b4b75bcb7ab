"""The commands about tags, and how workflows are named on the command line: `orders`, `orders@prod`, `orders@3`."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import typer
from rich.table import Table
from rich.text import Text

from pointsman.cli.client import open_api, workflow_path
from pointsman.cli.options import ApiUrl, AsJson
from pointsman.cli.output import Output
from pointsman.cli.report import moment

TagArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME@TAG", help="A tag of a workflow.")]
Reason: TypeAlias = Annotated[str, typer.Option(help="Why; kept in the tag's history.", show_default=False)]
IfMove: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--if-move", metavar="MOVE", min=0, help="Only if that is its last move still, as `tags` shows it; 0: if new."
    ),
]


def tags(
    workflow: Annotated[
        str, typer.Argument(metavar="NAME|NAME@TAG", help="A workflow, or one of its tags, to see its history.")
    ],
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """List the tags of a workflow; or every move of one tag, the latest first: who, when, from where, to where, why."""
    name, tag = _split(workflow)
    with open_api(api_url) as api:
        if tag is None:
            told = api.get(workflow_path(name, "tags"), limit=500)
        else:
            told = api.get(workflow_path(name, "tags", tag, "history"), limit=500)
    Output(as_json=as_json).result(told, _tags_table(told["tags"]) if tag is None else _history_table(told["moves"]))


def tag(
    name: TagArgument,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version that it is to name.", min=1)],
    reason: Reason = "",
    if_move: IfMove = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Put a tag to a version. Runs that start by the tag from now on take that version."""
    workflow, tag = _tag(name)
    with open_api(api_url) as api:
        body = {"version": version, "reason": reason}
        told = api.put(workflow_path(workflow, "tags", tag), body, _guard(if_move))
    Output(as_json=as_json).result(told, _now(told))


def untag(
    name: TagArgument,
    reason: Reason = "",
    if_move: IfMove = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Take a tag away. Its history stays, and the runs that started by it keep their version."""
    workflow, tag = _tag(name)
    with open_api(api_url) as api:
        told = api.delete(workflow_path(workflow, "tags", tag), headers=_guard(if_move), query={"reason": reason})
    Output(as_json=as_json).result(
        told, Text(f"{workflow} has no tag {tag} any more; it was version {told['moved_from']}")
    )


def rollback(
    name: TagArgument,
    reason: Reason = "",
    if_move: IfMove = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Take the last move of a tag back; once more takes back the one before."""
    workflow, tag = _tag(name)
    with open_api(api_url) as api:
        path = workflow_path(workflow, "tags", tag, "rollback")
        told = api.post(path, {"reason": reason}, headers=_guard(if_move))
    Output(as_json=as_json).result(told, _now(told))


def named_workflow(text: str) -> dict[str, Any]:
    """What a start asks for that is spelled `NAME`, `NAME@TAG` or `NAME@VERSION`; the last `@` counts."""
    name, which = _split(text)
    if which is None:
        return {"workflow": name}
    return {"workflow": name, "version": int(which)} if which.isdecimal() else {"workflow": name, "tag": which}


def _split(text: str) -> tuple[str, str | None]:
    name, at, which = text.rpartition("@")
    return (name, which) if at and name and which else (text, None)


def _tag(text: str) -> tuple[str, str]:
    name, which = _split(text)
    if which is None or which.isdecimal():
        raise typer.BadParameter(f"{text} names no tag; a tag is written like orders@prod.", param_hint="NAME@TAG")
    return name, which


def _guard(if_move: int | None) -> dict[str, str] | None:
    return {"If-Match": f'"{if_move}"'} if if_move is not None else None


def _now(told: dict[str, Any]) -> Text:
    return Text(f"{told['workflow']}@{told['tag']} is version {told['version']}, by move {told['move']}")


def _tags_table(found: list[dict[str, Any]]) -> Table:
    table = _table("tag", "version", "move", "at", "by", "why")
    for tag in found:
        numbers = str(tag["version"]), str(tag["move"])
        table.add_row(Text(tag["tag"]), *numbers, moment(tag["moved_at"]), Text(tag["moved_by"]), Text(tag["reason"]))
    return table


def _history_table(moves: list[dict[str, Any]]) -> Table:
    table = _table("move", "from", "to", "at", "by", "why")
    for move in moves:
        versions = ("-" if version is None else str(version) for version in (move["moved_from"], move["moved_to"]))
        table.add_row(str(move["move"]), *versions, moment(move["at"]), Text(move["by"]), Text(move["reason"]))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=name != "why")
    return table
