"""`pointsman watch`: a run, live."""

from __future__ import annotations

import typer

from pointsman.cli.client import Api, open_api, run_path
from pointsman.cli.exits import ExitCode
from pointsman.cli.live import watch_run
from pointsman.cli.options import ApiUrl, AsJson, RunArgument
from pointsman.cli.output import Output
from pointsman.cli.progress import Progress
from pointsman.cli.report import run_report


def watch(run: RunArgument, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Watch a run until it ends: its graph and its timeline, or lines where there is no terminal.

    With --json, each event is one line. Ends with 0 if the run is COMPLETED, else with 1.
    """
    output = Output(as_json=as_json)
    with open_api(api_url) as api:
        if as_json:
            end(watch_run(api, run, output, lambda event, _: output.document(event)).progress)
        else:
            see_to_its_end(api, run, output)


def see_to_its_end(api: Api, run: str, output: Output) -> None:
    """Show a run until it is final, then what came of it; raises `typer.Exit` unless it is COMPLETED."""
    show = output.progress if output.as_json else output.show
    watching = watch_run(api, run, output, lambda _, line: show(line))
    told = api.get(run_path(run))
    output.result(told, run_report(told))
    end(watching.progress)


def end(progress: Progress) -> None:
    """Raise `typer.Exit` unless the run is COMPLETED."""
    if progress.status != "COMPLETED":
        raise typer.Exit(ExitCode.FAILED)
