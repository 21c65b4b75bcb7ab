"""The commands about fleets: a run's edits become a version of its workflow; one edit goes to all runs of a version."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Final, Literal, TypeAlias

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pointsman.cli.client import Api, open_api, run_path, workflow_path
from pointsman.cli.exits import ExitCode
from pointsman.cli.options import ApiUrl, AsJson, Description, OnRunning, RunArgument
from pointsman.cli.output import Output
from pointsman.cli.sources import json_value
from pointsman.cli.tags import named_workflow

POLL_S: Final = 0.3

WorkflowArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The workflow.")]
EditArgument: TypeAlias = Annotated[str, typer.Argument(metavar="EDIT", help="The id, as `fleet edit` told it.")]
StopOnErrorShare: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", min=0, max=1, help="Stop when more than this share of the runs have not taken it, as 0.1."
    ),
]
ItemState: TypeAlias = Literal["pending", "applying", "applied", "unchanged", "ended", "refused", "failed"]


def promote(
    run: RunArgument,
    name: Annotated[
        str | None, typer.Option(help="The workflow's name, if the definition came with the run's start.")
    ] = None,
    description: Annotated[str, typer.Option(help="What is new; kept with the version.", show_default=False)] = "",
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Make the definition that a run has, with its edits, a version of its workflow."""
    body = {"description": description} | ({"name": name} if name is not None else {})
    with open_api(api_url) as api:
        told = api.post(run_path(run, "promote"), body)
    done = Text(f"revision {told['revision']} of {run} is {told['name']}@{told['version']}")
    Output(as_json=as_json).result(told, done)


def edit(
    workflow: Annotated[
        str, typer.Argument(metavar="NAME@VERSION", help="The version of a workflow whose open runs are meant.")
    ],
    operations: Annotated[
        Path,
        typer.Argument(
            metavar="OPS.json",
            help="RFC 6902 operations on each run's own definition, as a list or under `operations`; `-` reads "
            "standard input.",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: count what would become of it, and say why runs refuse.")
    ] = False,
    canary: Annotated[
        float | None, typer.Option(metavar="PERCENT", min=0, max=100, help="Give it to so many first, then wait.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="RUNS", min=0.1, max=1_000, help="How many runs get it in a second.")
    ] = None,
    stop_on_error_share: StopOnErrorShare = None,
    on_running: OnRunning = "refuse",
    description: Description = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Give one edit to every open run of a version, run by run."""
    name, version = _version(workflow)
    body = json_value(f"@{operations}", "OPS.json")
    body = {"operations": body} if isinstance(body, list) else body
    options = {
        "canary_percent": canary,
        "rate_per_s": rate,
        "stop_on_error_share": stop_on_error_share,
        "description": description,
    }
    given = {key: value for key, value in options.items() if value is not None}
    asked = body | given | {"version": version, "dry_run": dry_run, "on_running": on_running}
    with open_api(api_url) as api:
        told = api.post(workflow_path(name, "edits"), asked)
    output = Output(as_json=as_json)
    if not dry_run:
        output.result(told, _standing(told))
        return
    words = ["pointsman", "fleet", "edit", workflow, str(operations), *_words(given), "--on-running", on_running]
    output.result(told, _previewed(told, shlex.join(words)))


def show(
    workflow: WorkflowArgument,
    edit: EditArgument,
    state: Annotated[ItemState | None, typer.Option(help="Only runs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many runs at most, in their order.")] = 50,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Show how far an edit of a fleet is, and what became of it run by run."""
    with open_api(api_url) as api:
        told = api.get(workflow_path(workflow, "edits", edit), state=state, limit=limit)
    more = [Text(f"and more; --limit shows up to 500 of {told['edit']['runs']}", "dim")] if told["next"] else []
    shown = Group(_standing(told["edit"]), Text(), _items(told["items"]), *more)
    Output(as_json=as_json).result(told, shown)


def watch(workflow: WorkflowArgument, edit: EditArgument, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Watch an edit of a fleet until it has been everywhere, waits behind its canary, or has stopped.

    Ends with 1 if it stopped for too many errors or was cancelled, else with 0.
    """
    output = Output(as_json=as_json)
    with open_api(api_url) as api:
        told = _followed(api, workflow, edit, output)
    output.result(told, _standing(told))
    if told["status"] in ("stopped", "cancelled"):
        raise typer.Exit(ExitCode.FAILED)


def resume(
    workflow: WorkflowArgument,
    edit: EditArgument,
    stop_on_error_share: StopOnErrorShare = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Let an edit of a fleet go on behind its canary, or after it stopped; runs that failed are tried again."""
    body = {"stop_on_error_share": stop_on_error_share} if stop_on_error_share is not None else {}
    with open_api(api_url) as api:
        told = api.post(workflow_path(workflow, "edits", edit, "resume"), body)
    Output(as_json=as_json).result(told, _standing(told))


def cancel(workflow: WorkflowArgument, edit: EditArgument, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Let an edit of a fleet go to no further run. Runs that have it keep it."""
    with open_api(api_url) as api:
        told = api.post(workflow_path(workflow, "edits", edit, "cancel"))
    Output(as_json=as_json).result(told, _standing(told))


def _version(text: str) -> tuple[str, int]:
    named = named_workflow(text)
    if "version" not in named:
        told = f"{text} names no version; the open runs of one version are edited, as in orders@3."
        raise typer.BadParameter(told, param_hint="NAME@VERSION")
    return named["workflow"], named["version"]


_OPTIONS: Final = {
    "canary_percent": "--canary",
    "rate_per_s": "--rate",
    "stop_on_error_share": "--stop-on-error-share",
    "description": "--description",
}


def _words(given: Mapping[str, object]) -> list[str]:
    return [word for key, value in given.items() for word in (_OPTIONS[key], f"{value}")]


def _followed(api: Api, workflow: str, edit: str, output: Output) -> dict[str, Any]:
    """Tell each change of the counts until nothing is at work any more."""
    before: dict[str, int] = {}
    while True:
        told: dict[str, Any] = api.get(workflow_path(workflow, "edits", edit), limit=1)["edit"]
        if told["counts"] != before:
            before = told["counts"]
            output.say(f"{_counted(before)} of {told['reach']}")
        if told["status"] != "running":
            return told
        Event().wait(POLL_S)


_NEXT: Final = {
    "running": "see it with: pointsman fleet watch {workflow} {id}",
    "waiting": "the canary is done; go on with: pointsman fleet resume {workflow} {id}",
    "stopped": "too many runs have not taken it; why: pointsman fleet show {workflow} {id} --state refused",
}


def _standing(told: Mapping[str, Any]) -> RenderableType:
    """One line how it stands, one that counts, and what can be done about it."""
    reach = f"{told['reach']} of {told['runs']} open runs of {told['workflow']}@{told['version']}"
    lines = [Text(f"edit {told['id']} is {told['status']}: {reach}"), Text(_counted(told["counts"]), "dim")]
    if told["status"] in _NEXT:
        lines.append(Text(_NEXT[told["status"]].format(workflow=shlex.quote(told["workflow"]), id=told["id"])))
    return Group(*lines)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"


def _previewed(told: Mapping[str, Any], commit: str) -> RenderableType:
    reach = f"{told['reach']} of {told['runs']} open runs of {told['workflow']}@{told['version']}"
    lines: list[RenderableType] = [
        Text(f"The edit would go to {reach} before it waits; nothing was changed.", "bold"),
        Text(f"If it went to all: {_counted(told['counts'])}"),
    ]
    if told["refusals"]:
        table = _table("code", "runs", "one of them", "because")
        for found in told["refusals"]:
            table.add_row(Text(found["code"], "red"), str(found["runs"]), found["run_id"], _line(found["message"]))
        lines += [Text(), table]
    return Group(*lines, Text(), Text(f"To begin: {commit}"))


def _items(items: list[dict[str, Any]]) -> Table:
    table = _table("run", "state", "revision", "because")
    for item in items:
        revision = "" if item["revision"] is None else str(item["revision"])
        because = f"{item['code']} {item['message']}" if item["code"] else ""
        table.add_row(item["run_id"], item["state"], revision, _line(because))
    return table


def _line(text: str) -> Text:
    return Text(" ".join(text.split()))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=name != "because")
    return table
