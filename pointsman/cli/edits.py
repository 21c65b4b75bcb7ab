"""The commands that change the graph of a run while it runs, and those that tell how it was changed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import RenderableType
from rich.text import Text

from pointsman.cli.client import Api, open_api, run_path
from pointsman.cli.difference import read_difference, told_difference
from pointsman.cli.history import patches_table
from pointsman.cli.live import fetch_plan
from pointsman.cli.options import ApiUrl, AsJson, Description, DryRun, OnRunning, PlanHash, RunArgument
from pointsman.cli.output import Output
from pointsman.cli.preview import told_preview
from pointsman.cli.sources import json_value, plan_of
from pointsman.plan import Plan
from pointsman.settings import load


def patch(
    run: RunArgument,
    operations: Annotated[
        Path,
        typer.Argument(
            metavar="OPS.json",
            help="RFC 6902 operations on the definition, as a list or under `operations`; `-` reads standard input.",
        ),
    ],
    dry_run: DryRun = False,
    on_running: OnRunning = "refuse",
    plan_hash: PlanHash = None,
    description: Description = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Change the graph of a run while it runs."""
    body = json_value(f"@{operations}", "OPS.json")
    body = {"operations": body} if isinstance(body, list) else body
    asked = _Asked(["patch", run, str(operations)], dry_run, on_running, plan_hash, description, api_url)
    _edited(asked, run_path(run, "patch"), body, Output(as_json=as_json))


def edit(
    run: RunArgument,
    request: Annotated[
        Path,
        typer.Argument(
            metavar="PATTERN.json", help="The request for a pattern, `pattern` naming which; `-` reads standard input."
        ),
    ],
    dry_run: DryRun = False,
    on_running: OnRunning = "refuse",
    plan_hash: PlanHash = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Change the graph of a run by a pattern, such as `insert_between`, `move` or `wrap_in_loop`."""
    body = json_value(f"@{request}", "PATTERN.json")
    asked = _Asked(["edit", run, str(request)], dry_run, on_running, plan_hash, None, api_url)
    _edited(asked, run_path(run, "edits"), body, Output(as_json=as_json))


def patches(run: RunArgument, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """List the edits of a run, oldest first: who, why, what; also those that were refused."""
    with open_api(api_url) as api:
        told = api.get(run_path(run, "patches"))
    Output(as_json=as_json).result(told, patches_table(told))


def revert(
    run: RunArgument,
    revision: Annotated[
        int, typer.Argument(metavar="REVISION", help="The revision that the edit made, as `patches` lists it.")
    ],
    dry_run: DryRun = False,
    on_running: OnRunning = "refuse",
    plan_hash: PlanHash = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Undo one edit of a run, as an edit of its own: later edits stay."""
    asked = _Asked(["revert", run, str(revision)], dry_run, on_running, plan_hash, None, api_url)
    _edited(asked, run_path(run, "patches", str(revision), "revert"), None, Output(as_json=as_json))


def diff(
    run: RunArgument,
    from_: Annotated[int, typer.Option("--from", metavar="REVISION", help="The earlier one.", min=1)] = 1,
    to: Annotated[
        int | None, typer.Option(metavar="REVISION", help="The later one; the present one unless given.", min=1)
    ] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Show what is different between two revisions of a run: its graph before and after, then change by change."""
    output = Output(as_json=as_json)
    with open_api(api_url) as api:
        told = api.get(run_path(run, "diff"), **{"from": from_, "to": to})
        before = None if as_json else _plan_at(api, run, from_)
    if before is None:
        output.document(told)
    else:
        output.show(told_difference(before, read_difference(told["difference"]), output.out.width))


class _Asked(NamedTuple):
    """A command that edits, as it was typed."""

    words: list[str]
    dry_run: bool
    on_running: str
    plan_hash: str | None
    description: str | None
    api_url: str | None

    def query(self) -> dict[str, str | int | None]:
        """Its options, as the API takes them."""
        dry_run = "true" if self.dry_run else None
        return {"on_running": self.on_running, "dry_run": dry_run, "plan_hash": self.plan_hash}

    def commit(self, plan_hash: str) -> str:
        """The command that commits what was previewed."""
        on_running = self.on_running if self.on_running != "refuse" else None
        options = {"--on-running": on_running, "--plan-hash": plan_hash, "--description": self.description}
        options |= {"--api-url": self.api_url}
        given = [word for name, value in options.items() if value is not None for word in (name, value)]
        return shlex.join(["pointsman", *self.words, *given])


def _edited(asked: _Asked, path: str, body: Any, output: Output) -> None:
    if asked.description is not None and isinstance(body, dict):
        body = body | {"description": asked.description}
    with open_api(asked.api_url) as api:
        # Before the edit is previewed: the plan that the difference starts from.
        before = fetch_plan(api, asked.words[1]) if asked.dry_run and not output.as_json else None
        told = api.post(path, body, query=asked.query())
    if before is None:
        output.result(told, _done(told))
    else:
        output.show(told_preview(before, told, asked.commit(told["plan_hash"]), output.out.width))


def _done(told: dict[str, Any]) -> RenderableType:
    if not told["changed"]:
        return Text(f"{told['run_id']} stays at revision {told['revision']}: the definition is that already")
    return Text(f"{told['run_id']} is at revision {told['revision']}")


def _plan_at(api: Api, run: str, revision: int) -> Plan:
    """The plan that a run followed at a revision."""
    return plan_of(api.get(run_path(run, "definition"), revision=revision), load("cli"))
