"""`pointsman fork` and `pointsman retry`: runs that go on from where others were."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from pointsman.cli.client import open_api, run_path
from pointsman.cli.options import ApiUrl, AsJson, RunArgument
from pointsman.cli.output import Output
from pointsman.cli.sources import json_value

Reason = Annotated[str | None, typer.Option(help="Why, for those who look at the new run.")]
NewRunId = Annotated[str | None, typer.Option("--run-id", help="An id of your own for the new run.")]


def fork(
    run: RunArgument,
    from_node: Annotated[
        str | None, typer.Option(metavar="NODE", help="Do this node anew, with all that comes of it; keep the rest.")
    ] = None,
    frame: Annotated[
        str | None, typer.Option(help="With --from-node in a loop: the pass, such as `polish[2]`; else its latest.")
    ] = None,
    seq: Annotated[int | None, typer.Option(min=1, help="Keep the history up to this event.")] = None,
    payload: Annotated[
        str | None,
        typer.Option(metavar="JSON|@FILE", help="With --from-node: what its worker is handed.", show_default=False),
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option("--input", metavar="JSON|@FILE", help="Another input, where no work is kept.", show_default=False),
    ] = None,
    reason: Reason = None,
    run_id: NewRunId = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Begin a new run with the history of another, up to an event or without what follows from a node."""
    if (from_node is None) == (seq is None):
        raise typer.BadParameter("give either --from-node or --seq.")
    told = {"from_node": from_node, "frame": frame, "seq": seq, "reason": reason, "run_id": run_id}
    body: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    body |= {"payload": json_value(payload, "--payload")} if payload is not None else {}
    body |= {"input": json_value(input_, "--input")} if input_ is not None else {}
    with open_api(api_url) as api:
        made = api.post(run_path(run, "fork"), body)
    Output(as_json=as_json).result(made, _made(made))


def retry(
    run: RunArgument, reason: Reason = None, run_id: NewRunId = None, as_json: AsJson = False, api_url: ApiUrl = None
) -> None:
    """Do again what failed: in a new run where RUN is final, in place where it waits for parked nodes."""
    told = {"reason": reason, "run_id": run_id}
    body = {name: value for name, value in told.items() if value is not None}
    with open_api(api_url) as api:
        made = api.post(run_path(run, "retry"), body)
    Output(as_json=as_json).result(made, _made(made) if "forked_from" in made else _redriven(made))


def _made(made: dict[str, Any]) -> Text:
    name, origin = made["run_id"], made["forked_from"]
    anew = ", ".join(token.removeprefix(":") for token in origin["anew"])
    where = f"does {anew} anew" if anew else f"goes on after event {origin['seq']}"
    return Text(f"{name} {where} of {origin['run_id']}; see it with: pointsman watch {name}")


def _redriven(made: dict[str, Any]) -> Text:
    nodes = ", ".join(f"{node['node']} (attempt {node['attempt']})" for node in made["redriven"])
    return Text(f"{made['run_id']} goes on: {nodes}")
