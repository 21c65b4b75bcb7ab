"""The commands about dead letters: what came to its end and was taken by nobody."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from pointsman.cli.client import open_api
from pointsman.cli.options import ApiUrl, AsJson
from pointsman.cli.output import Output
from pointsman.cli.report import moment
from pointsman.cli.sources import json_value
from pointsman.ports.dead_letters import LetterStatus
from pointsman.protocol.dead_letter import DeadLetterKind

LetterArgument: TypeAlias = Annotated[str, typer.Argument(metavar="LETTER", help="The id, as `list` shows it.")]
OfRun: TypeAlias = Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only of this run.")]
OfWorkflow: TypeAlias = Annotated[str | None, typer.Option("--workflow", help="Only of runs of this workflow.")]
OfNode: TypeAlias = Annotated[str | None, typer.Option("--node", help="Only of nodes of this id.")]
OfType: TypeAlias = Annotated[str | None, typer.Option("--type", help="Only of nodes of this task type.")]
OfKind: TypeAlias = Annotated[DeadLetterKind | None, typer.Option("--kind", help="Only of this kind.")]
WithCode: TypeAlias = Annotated[
    str | None, typer.Option("--code", help="Only with this type of error, or code of a signal.")
]
Since: TypeAlias = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only from then on: `2026-11-21T09:00:00Z`, or Unix milliseconds."),
]
Reason: TypeAlias = Annotated[str, typer.Option("--reason", help="Why; kept with the letter.", show_default=False)]


def list_letters(
    run: OfRun = None,
    workflow: OfWorkflow = None,
    node: OfNode = None,
    type_: OfType = None,
    kind: OfKind = None,
    code: WithCode = None,
    since: Since = None,
    status: Annotated[LetterStatus | None, typer.Option(help="Only in this state.")] = "open",
    everything: Annotated[bool, typer.Option("--all", help="In any state.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most, the latest first.")] = 50,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """List dead letters, the latest first: nodes that failed for good, and signals that were set aside."""
    wanted = _filter(run, workflow, node, type_, kind, code, since)
    with open_api(api_url) as api:
        told = api.get("dead-letters", **wanted, status=None if everything else status, limit=limit)
    Output(as_json=as_json).result(told, _lines(told["letters"]))


def show_letter(letter: LetterArgument, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Tell the whole story of a dead letter: each failure, and what its worker was handed."""
    with open_api(api_url) as api:
        told = api.get(_path(letter))
    Output(as_json=as_json).result(told, _story(told))


def redrive(
    letter: Annotated[
        str | None, typer.Argument(metavar="[LETTER]", help="One letter; without it, all that the options find.")
    ] = None,
    run: OfRun = None,
    workflow: OfWorkflow = None,
    node: OfNode = None,
    type_: OfType = None,
    kind: OfKind = None,
    code: WithCode = None,
    since: Since = None,
    input_: Annotated[
        str | None,
        typer.Option("--input", metavar="JSON|@FILE", help="In place of what the worker was handed, or of the signal."),
    ] = None,
    reason: Reason = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="Of many, how many at most.")] = 100,
    rate: Annotated[float, typer.Option(min=0.1, max=1_000, help="Of many, how many in a second at most.")] = 20,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Redrive a dead letter, or all open ones that the options find: another attempt, or the signal put back."""
    wanted = _filter(run, workflow, node, type_, kind, code, since)
    given = {name: value for name, value in wanted.items() if value is not None}
    if (letter is None) != bool(given):
        raise typer.BadParameter("name one letter, or say with options which are meant.", param_hint="LETTER")
    body: dict[str, Any] = {"reason": reason} | ({"input": json_value(input_, "--input")} if input_ else {})
    output = Output(as_json=as_json)
    with open_api(api_url) as api:
        if letter is not None:
            told = api.post(_path(letter, "redrive"), body)
            output.result(told, _redriven(told))
            return
        told = api.post("dead-letters/redrive", body | {"filter": given, "limit": limit, "rate_per_s": rate})
    output.result(told, _many(told))


def skip(letter: LetterArgument, reason: Reason = "", as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Give a node up that its run waits for: it counts as skipped, and the run goes on with the rest."""
    with open_api(api_url) as api:
        told = api.post(_path(letter, "skip"), {"reason": reason})
    Output(as_json=as_json).result(told, Text(f"{told['id']}: {told['run_id']} goes on without it"))


def _path(letter: str, *rest: str) -> str:
    return "/".join(("dead-letters", quote(letter, safe=""), *rest))


def _filter(
    run: str | None,
    workflow: str | None,
    node: str | None,
    type_: str | None,
    kind: str | None,
    code: str | None,
    since: str | None,
) -> dict[str, str | int | None]:
    return {
        "run": run,
        "workflow": workflow,
        "node": node,
        "type": type_,
        "kind": kind,
        "code": code,
        "since": _millis(since),
    }


def _millis(since: str | None) -> int | None:
    if since is None or since.isdecimal():
        return int(since) if since else None
    try:
        moment_of = datetime.fromisoformat(since)
    except ValueError:
        raise typer.BadParameter(f"{since} is no time; write 2026-11-21T09:00:00Z.", param_hint="--since") from None
    return int(moment_of.timestamp() * 1_000)


def _lines(letters: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Two lines a letter: what it is of, and why."""
    lines = []
    for letter in letters:
        state = "run waits" if letter["parked"] else letter["status"]
        about = " ".join(part for part in (letter["run_id"], letter["node"]) if part)
        lines.append(
            Text.assemble(
                (letter["id"], "bold"), f"  {moment(letter['at'])}  {letter['kind']}  {state}  {about}".rstrip()
            )
        )
        lines.append(Text(f"  {letter['code']}: {letter['message']}", "red"))
    return Group(*lines) if lines else Text("there is none")


def _story(told: Mapping[str, Any]) -> RenderableType:
    about = f"{told['run_id'] or 'no run'} {told['node'] or ''} {told['frame'] or ''}".rstrip()
    parts: list[RenderableType] = [
        Text.assemble((told["id"], "bold"), f"  {told['kind']}, {told['status']}  ", (moment(told["at"]), "dim")),
        Text(f"{about}  {told['workflow'] or ''} {told['run_status'] or ''}".rstrip()),
    ]
    for attempt in told["attempts"]:
        parts.append(Text(f"  attempt {attempt['attempt']}: {attempt['type']}: {attempt['message']}", "red"))
    if not told["attempts"]:
        parts.append(Text(f"  {told['code']}: {told['message']}", "red"))
    if told["input"] is not None:
        parts.append(Padding(Text(json.dumps(told["input"], ensure_ascii=False, indent=2)), (0, 0, 0, 2), expand=False))
    if told["signal"] is not None:
        parts.append(Text(f"  {told['signal']}"))
    if told["decided"]:
        decided = told["decided"]
        who = f" by {decided['by']}" if decided["by"] else ""
        parts.append(Text(f"{told['status']}{who} {moment(decided['at'])}  {decided['reason']}".rstrip()))
    return Group(*parts)


def _redriven(told: Mapping[str, Any]) -> Text:
    if told["how"] == "signal":
        return Text(f"{told['id']}: the signal was put back")
    if told["how"] == "fork":
        return Text(f"{told['id']}: {told['run_id']} does it anew")
    return Text(f"{told['id']}: {told['run_id']} has attempt {told['attempt']} of it")


def _many(told: Mapping[str, Any]) -> RenderableType:
    lines = [
        Text(f"{item['id']}: {item['outcome']}" + (f" {item['code']} {item['message']}" if item["code"] else ""))
        for item in told["items"]
    ]
    rest = "; there are more" if told["more"] else ""
    return Group(*lines, Text(f"{told['redriven']} redriven, {told['refused']} refused{rest}"))
