"""The commands about runs: thin callers of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from pointsman.cli.client import open_api, run_path
from pointsman.cli.live import fetch_plan
from pointsman.cli.options import ApiUrl, AsJson, RunArgument
from pointsman.cli.output import Output
from pointsman.cli.picture import Picture
from pointsman.cli.progress import Progress, run_status
from pointsman.cli.report import node_table, run_report, runs_table
from pointsman.cli.sources import compiled, json_value
from pointsman.cli.tags import named_workflow
from pointsman.cli.watch import see_to_its_end
from pointsman.protocol.state import RunStatus
from pointsman.settings import load


def run(
    workflow: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME",
            help="A definition's file, or a stored workflow: `NAME`, `NAME@TAG` or `NAME@VERSION`.",
        ),
    ],
    input_: Annotated[
        str | None, typer.Option("--input", metavar="JSON|@FILE", help="The run's input.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the run, and end when it does.")] = False,
    run_id: Annotated[str | None, typer.Option(help="An id of your own.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Give the same key again, and the same run is answered.")
    ] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Start a run of a definition, or of a stored workflow: its newest version, or the one that is named."""
    output = Output(as_json=as_json)
    body = _what(workflow)
    body |= {"input": json_value(input_, "--input")} if input_ is not None else {}
    body |= {"run_id": run_id} if run_id is not None else {}
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    with open_api(api_url) as api:
        started = api.post("runs", body, headers=headers)
        name = started["run_id"]
        if not wait:
            output.result(started, Text(f"{name} started; see it with: pointsman watch {name}"))
            return
        output.say(f"{name} started")
        see_to_its_end(api, name, output)


def runs(
    status: Annotated[RunStatus | None, typer.Option(case_sensitive=False, help="Only those in this state.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Only those of this workflow.")] = None,
    stuck: Annotated[bool, typer.Option("--stuck", help="Only those that nothing will move, and why.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most, the latest first.")] = 20,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """List runs, the latest first."""
    with open_api(api_url) as api:
        found = api.get("runs", status=status, workflow=workflow, stuck="true" if stuck else None, limit=limit)
    Output(as_json=as_json).result(found, runs_table(found["runs"]))


def show(run: RunArgument, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Show a run: its graph with the state of each node, what each gave, and how the run stands."""
    output = Output(as_json=as_json)
    with open_api(api_url) as api:
        told = api.get(run_path(run))
        plan = fetch_plan(api, run)
    drawn = Picture(plan).draw(Progress.of_view(told).label, output.out.width)
    output.result(told, Group(drawn, Text(), node_table(told), Text(), run_report(told)))


def pause(run: RunArgument, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Pause a run: what is being worked on goes on, nothing new is begun."""
    _command(run, "pause", as_json, api_url)


def resume(run: RunArgument, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Let a paused run go on."""
    _command(run, "resume", as_json, api_url)


def cancel(run: RunArgument, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Cancel a run: nothing of it is begun any more, and late results change nothing."""
    _command(run, "cancel", as_json, api_url)


def repair(run: RunArgument, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Rebuild a run from its journal, when it is stuck: what was out goes out once more."""
    _command(run, "repair", as_json, api_url)


def _what(workflow: str) -> dict[str, Any]:
    """The definition in a file, checked before it is sent, or the name of a workflow that the API knows."""
    path = Path(workflow)
    looks_like_file = workflow == "-" or "/" in workflow or path.suffix in (".yaml", ".yml", ".json")
    if not looks_like_file and not path.is_file():
        return named_workflow(workflow)
    parsed, _ = compiled(path, load("cli"))
    return {"definition": parsed.document}


def _command(run: str, verb: str, as_json: bool, api_url: str | None) -> None:
    with open_api(api_url) as api:
        told = api.post(run_path(run, verb))
    Output(as_json=as_json).result(told, Text(f"{run} ").append_text(run_status(told["status"])))
