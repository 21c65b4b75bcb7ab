"""A run shown while it goes: redrawn in place on a terminal, line by line elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from pointsman.base.clock import SystemClock
from pointsman.cli.client import Api, run_path
from pointsman.cli.events import follow
from pointsman.cli.output import Output
from pointsman.cli.picture import Picture
from pointsman.cli.progress import Progress, run_status
from pointsman.cli.timeline import line
from pointsman.plan import Plan, decode_plan

_LINES: Final = 8
"""Of the timeline at most, below a picture that is redrawn."""
_KEPT: Final = 1_000
_AROUND: Final = 6
"""Lines for the headline, the note, what parts them, and the cursor."""

Tell = Callable[[Mapping[str, Any], Text], None]
"""Takes an event, and its line in the timeline."""


def fetch_plan(api: Api, run: str) -> Plan:
    """The plan that a run follows now."""
    return decode_plan(msgspec.json.encode(api.get(run_path(run, "plan"))))


class Watching:
    """One run being watched: its plan, its progress, its timeline."""

    def __init__(self, api: Api, run: str) -> None:
        self.progress = Progress(run)
        self.timeline: deque[Text] = deque(maxlen=_KEPT)
        self.note: Text | None = None
        """Shown between picture and timeline."""
        self._api = api
        self._run = run
        self._take_plan()

    def events(self) -> Iterator[dict[str, Any]]:
        """Every event, once it has been taken in."""
        for event in follow(self._api, self._run):
            if "patch" in event:
                self._take_plan()
            self.progress.take(event)
            self.timeline.append(line(event, self.progress.began or event["at"]))
            yield event

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        drawn = self.drawn(options.max_width)
        room = console.height - drawn.plain.count("\n") - _AROUND
        yield from (self.headline(), Text())
        if room > 0:
            yield from (drawn, Text())
        if self.note:
            yield from (self.note, Text())
        # A graph taller than the terminal is left out, and there is more room for what happens.
        yield from list(self.timeline)[-(min(room, _LINES) if room > 0 else console.height - _AROUND) :]

    def _take_plan(self) -> None:
        self.plan = fetch_plan(self._api, self._run)
        self._picture = Picture(self.plan)

    def drawn(self, width: int) -> Text:
        """The plan with the state of each node."""
        return self._picture.draw(self.progress.label, width)

    def headline(self) -> Text:
        """The run's id, status, revision, progress and time."""
        progress = self.progress
        until = progress.latest if progress.is_final else SystemClock().now()
        seconds = max(0, until - (progress.began or until)) / 1_000
        nodes = f"{progress.ended_nodes}/{len(self.plan.nodes)} nodes"
        rest = f"  revision {progress.revision}  {nodes}  {seconds:.1f} s"
        return Text.assemble((f"{progress.run_id}  ", "bold"), run_status(progress.status), (rest, "dim"))


Look = Callable[[Mapping[str, Any], Watching], None]
"""Is shown each event once it has been taken in."""


def watch_run(api: Api, run: str, output: Output, tell: Tell, look: Look | None = None) -> Watching:
    """Follow a run until it is final: redrawn in place on a terminal, with `tell` for each event elsewhere.

    `look` is called after each event, wherever it is shown.
    """
    watching = Watching(api, run)
    with _redrawn(watching, output):
        for event in watching.events():
            if not output.is_live:
                tell(event, watching.timeline[-1])
            if look:
                look(event, watching)
    return watching


@contextmanager
def _redrawn(watching: Watching, output: Output) -> Iterator[None]:
    if not output.is_live:
        yield
        return
    with Live(watching, console=output.out, refresh_per_second=10):
        yield
