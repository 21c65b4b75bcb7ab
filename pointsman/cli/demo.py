"""`pointsman demo`: a workflow from start to end, changed while it runs, on servers that it starts and stops itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import typer
from rich.text import Text

from pointsman.base.clock import monotonic
from pointsman.base.errors import ServerUnavailable
from pointsman.cli.children import tied_to_us
from pointsman.cli.client import Api, open_api, run_path
from pointsman.cli.demo_edits import DemoEdits
from pointsman.cli.exits import ExitCode
from pointsman.cli.facts import DevFacts
from pointsman.cli.live import Watching, watch_run
from pointsman.cli.options import AsJson
from pointsman.cli.output import Output
from pointsman.cli.picture import Picture
from pointsman.cli.progress import Progress
from pointsman.cli.report import run_report
from pointsman.cli.sources import compiled
from pointsman.settings import load

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "support-triage"
GO_ON: Final = """\
{pointsman} dev --worker examples/support-triage/worker.py
{pointsman} run examples/support-triage/workflow.yaml --wait \\
  --input @examples/support-triage/ticket.json"""

_STOP_S: Final = 20.0
_LAST_WORDS: Final = 12


def demo(as_json: AsJson = False) -> None:
    """Run an example from start to end and change its graph while it runs, on servers of its own.

    Ends with 0 if the run is COMPLETED, the node that was added to it was executed, the edit that came too late was
    refused, and the one that was taken back left nothing behind.
    """
    if not EXAMPLE.is_dir():
        raise typer.BadParameter(f"the demo is part of a checkout, and there is no {EXAMPLE}.")
    show, began = Show(Output(as_json=as_json)), monotonic()
    show.heading("Redis, Postgres, coordinator, supervisor, API and two worker processes")
    with TemporaryDirectory(prefix="pointsman-demo-") as directory, _everything(Path(directory), show) as facts:
        show.words(f"All up after {monotonic() - began:.1f} s. The API is at {facts.api_url}.")
        with open_api(facts.api_url) as api:
            operations = json.loads((EXAMPLE / "add-notification.json").read_bytes())
            edits = DemoEdits(api, operations, _tell(show))
            run = _play(api, show, edits)
        judge(run, edits, show, monotonic() - began)


class Show:
    """Where the demo speaks: to people on standard output, beside JSON on standard error."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.put = output.progress if output.as_json else output.show

    def heading(self, text: str) -> None:
        """Begin a section."""
        self.put(Text(f"\n── {text}", "bold cyan"))

    def words(self, text: str) -> None:
        """Say something."""
        self.put(Text(text))

    def busy(self, text: str) -> AbstractContextManager[object]:
        """Show on a terminal that something takes its time."""
        return self.output.out.status(text) if self.output.is_live else nullcontext()


def _play(api: Api, show: Show, edits: DemoEdits) -> dict[str, Any]:
    """Start the run, change it half-way, see it to its end; the run as it then is."""
    parsed, made = compiled(EXAMPLE / "workflow.yaml", load("cli"))
    ticket = json.loads((EXAMPLE / "ticket.json").read_bytes())
    run = api.post("runs", {"definition": parsed.document, "input": ticket})["run_id"]
    show.heading(f"examples/support-triage, as {run}")
    if not show.output.is_live:
        show.put(Picture(made.plan).draw(Progress(run).label, show.output.out.width))
        show.heading("Its timeline: seconds, what ended, ▸ what began")
    watching = watch_run(api, run, show.output, lambda _, told: show.put(told), edits)
    if show.output.is_live:
        show.heading("Its edits")
        show.put(Text("\n").join(edits.told))
        show.heading("The timeline: seconds, what ended, ▸ what began")
        show.put(Text("\n").join(watching.timeline))
    else:
        show.heading("The graph as it ended: ✚ is the node that was added")
        show.put(watching.drawn(show.output.out.width))
    return dict(api.get(run_path(run)))


def _tell(show: Show) -> Callable[[Text, Watching], None]:
    """How an edit is told: at once, or below the picture that is redrawn."""

    def tell(line: Text, watching: Watching) -> None:
        if show.output.is_live:
            watching.note = line
        else:
            show.put(line)

    return tell


def judge(run: dict[str, Any], edits: DemoEdits, show: Show, seconds: float) -> None:
    """Say what came of it, and how to go on; raises `typer.Exit` unless all went as it should."""
    wrong, added = edits.wrong(run), edits.added
    show.heading("The result")
    show.put(run_report(run))
    if wrong:
        show.put(Text(f"Not as it should be: {'; '.join(wrong)}.", "bold red"))
    else:
        told = f"{added}, added while it ran, is completed; {seconds:.1f} s in all."
        show.put(Text(f"The run is COMPLETED; {told}", "bold green"))
    if show.output.as_json:
        told_json = {"passed": not wrong, "wrong": wrong, "seconds": round(seconds, 1), "added": added, "run": run}
        show.output.document(told_json)
    if wrong:
        raise typer.Exit(ExitCode.FAILED)
    show.heading("To go on, in two terminals")
    show.words(GO_ON.format(pointsman=_as_typed()))


def _as_typed() -> str:
    """How this program was called, shortened where it lies below the working directory."""
    program = Path(sys.argv[0])
    if program.name != "pointsman":
        return "pointsman"
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)


@contextmanager
def _everything(directory: Path, show: Show) -> Iterator[DevFacts]:
    """A `pointsman dev` with the workers of the example, for as long as this lasts."""
    log = directory / "dev.log"
    command = [sys.executable, "-m", "pointsman.cli", "dev", "--json", "--port", "0"]
    command += ["--data-dir", str(directory / "data"), "--worker", str(EXAMPLE / "worker.py")]
    with log.open("wb") as errors:
        # A session of its own: Ctrl-C is for us, and we tell it to stop.
        dev = Popen(tied_to_us(command), stdin=DEVNULL, stdout=PIPE, stderr=errors, start_new_session=True)
    with _stopped_at_the_end(dev, show):
        assert dev.stdout is not None
        with show.busy("starting"):
            facts = dev.stdout.readline()
        if not facts:
            last = log.read_text(errors="replace").splitlines()[-_LAST_WORDS:]
            raise ServerUnavailable(
                "SRV070", "the servers and processes did not start. Their last words:\n" + "\n".join(last)
            )
        yield msgspec.json.decode(facts, type=DevFacts)


@contextmanager
def _stopped_at_the_end(dev: Popen[bytes], show: Show) -> Iterator[None]:
    """Let the processes finish and the servers shut down; another Ctrl-C while they do ends them at once."""
    try:
        yield
    finally:
        dev.terminate()
        try:
            with show.busy("stopping everything"), suppress(TimeoutExpired):
                dev.wait(_STOP_S)
        finally:
            dev.kill()
            dev.wait()
            assert dev.stdout is not None
            dev.stdout.close()
