"""`pointsman replay`: the history of a run, event by event, with the state that each one led to."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from rich.console import Group
from rich.text import Text

from pointsman.cli.client import Api, open_api, run_path
from pointsman.cli.options import ApiUrl, AsJson, RunArgument
from pointsman.cli.output import Output
from pointsman.cli.picture import Picture
from pointsman.cli.progress import Progress
from pointsman.cli.timeline import line
from pointsman.plan import Plan, decode_plan

_PAGE: Final = 500


def replay(run: RunArgument, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Go through the history of a run event by event: what each changed, and how its nodes stood then.

    On a terminal the graph is drawn after each event, and Enter leads to the next one. Elsewhere each event is two
    lines: what happened, and how the nodes stand. With --json each is one document, a line.
    """
    output = Output(as_json=as_json)
    with open_api(api_url) as api:
        for step in steps(api, run):
            if as_json:
                output.document(step.document())
            elif not output.is_live:
                output.show(step.lines())
            else:
                output.show(step.picture(output.out.width))
                if not _goes_on(output):
                    return


class Step:
    """A run after one of its events."""

    def __init__(self, event: Mapping[str, Any], progress: Progress, plan: Plan) -> None:
        self._event = event
        self._progress = progress
        self._plan = plan

    def document(self) -> dict[str, Any]:
        """The event, and the state it led to."""
        nodes = {node.id: self._progress.node(node.id) for node in self._plan.nodes}
        states = {name: {"status": n.status, "attempt": n.attempt, "frame": n.frame} for name, n in nodes.items()}
        state = {"status": self._progress.status, "revision": self._progress.revision, "nodes": states}
        return {"event": self._event, "state": state}

    def lines(self) -> Group:
        """What happened, and how all nodes stand."""
        stand = (f"{node.id} {self._progress.node(node.id).status}" for node in self._plan.nodes)
        return Group(self._headline(), Text("              " + ", ".join(stand)))

    def picture(self, width: int) -> Group:
        """What happened, and the graph after it."""
        drawn = Picture(self._plan).draw(self._progress.label, width)
        return Group(Text(), self._headline(), Text(), drawn)

    def _headline(self) -> Text:
        told = line(self._event, self._progress.began or self._event["at"])
        return Text.assemble((f"{self._event['seq']:4} ", "bold"), told)


def steps(api: Api, run: str) -> Iterator[Step]:
    """Every event of a run that there is by now, each with what it led to; the graph is that of its revision."""
    progress = Progress(run)
    plan = _plan(api, run, 1)
    for event in _events(api, run):
        progress.take(event)
        if "patch" in event:
            plan = _plan(api, run, progress.revision)
        yield Step(event, progress, plan)


def _events(api: Api, run: str) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = api.get(run_path(run, "events"), after_seq=after, limit=_PAGE)
        yield from page["events"]
        after = page["next_after_seq"]


def _plan(api: Api, run: str, revision: int) -> Plan:
    return decode_plan(msgspec.json.encode(api.get(run_path(run, "plan"), revision=revision)))


def _goes_on(output: Output) -> bool:
    """Wait until somebody wants the next event; False where nobody does any more."""
    if not sys.stdin.isatty():
        return True
    try:
        output.out.input(Text("⏎ ", "dim"))
    except EOFError:
        return False
    return True
