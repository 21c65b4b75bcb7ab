"""Puts the commands together. Each lives in a module of its own; this is the one place that names them all."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib.metadata import version
from typing import Annotated, Any

import typer

from pointsman.base.errors import PointsmanError
from pointsman.cli import (
    archive,
    bring_up,
    dead_letters,
    definitions,
    demo,
    dev,
    doctor,
    edits,
    fleet,
    forks,
    recover,
    replay,
    runs,
    tags,
    task_types,
    watch,
)
from pointsman.cli.exits import ExitCode, exit_code
from pointsman.cli.output import Output

TRY, WRITE, RUNS, EDIT, OPERATE = "Try it", "Write a workflow", "Run it", "Edit it while it runs", "Operate"


def make_app() -> typer.Typer:
    """The whole command line, as `pointsman` and `python -m pointsman.cli` run it."""
    app = typer.Typer(
        name="pointsman",
        help="Workflows of AI agents and plain workers whose graph can be edited while they run.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    _add(app, TRY, demo=demo.demo, dev=dev.dev)
    _add(app, WRITE, validate=definitions.validate, graph=definitions.graph, schema=definitions.schema)
    _add(app, RUNS, run=runs.run, runs=runs.runs, show=runs.show, watch=watch.watch)
    _add(app, RUNS, pause=runs.pause, resume=runs.resume, cancel=runs.cancel)
    _add(app, RUNS, retry=forks.retry, fork=forks.fork, replay=replay.replay)
    _add(app, RUNS, tags=tags.tags, tag=tags.tag, untag=tags.untag, rollback=tags.rollback)
    _add(app, EDIT, patch=edits.patch, edit=edits.edit, patches=edits.patches, revert=edits.revert, diff=edits.diff)
    _add(app, EDIT, promote=fleet.promote)
    whole: dict[str, Callable[..., None]] = {"edit": fleet.edit, "show": fleet.show, "watch": fleet.watch}
    whole |= {"resume": fleet.resume, "cancel": fleet.cancel}
    _add_group(app, EDIT, "fleet", "Give one edit to all open runs of a version, and see it through.", whole)
    _add(app, OPERATE, coordinator=bring_up.coordinator, supervisor=bring_up.supervisor, api=bring_up.api)
    _add(app, OPERATE, worker=bring_up.worker, migrate=bring_up.migrate, bench=bring_up.bench, doctor=doctor.doctor)
    _add(app, OPERATE, types=task_types.types, repair=runs.repair, recover=recover.recover)
    letters: dict[str, Callable[..., None]] = {"list": dead_letters.list_letters, "show": dead_letters.show_letter}
    letters |= {"redrive": dead_letters.redrive, "skip": dead_letters.skip}
    _add_group(app, OPERATE, "dlq", "Look at what failed for good, and give it another chance.", letters)
    _add(app, OPERATE, archive=archive.archive, archived=archive.archived)
    return app


def _add_group(app: typer.Typer, panel: str, name: str, told: str, commands: Mapping[str, Callable[..., None]]) -> None:
    group = typer.Typer(name=name, help=told, no_args_is_help=True, pretty_exceptions_enable=False)
    for command, carry_out in commands.items():
        group.command(command)(_guarded(carry_out))
    app.add_typer(group, rich_help_panel=panel)


def _add(app: typer.Typer, panel: str, **commands: Callable[..., None]) -> None:
    for name, command in commands.items():
        app.command(name, rich_help_panel=panel)(_guarded(command))


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def guarded(**values: Any) -> None:
        with _errors_told(Output(as_json=values.get("as_json", False))):
            command(**values)

    return guarded


@contextmanager
def _errors_told(output: Output) -> Iterator[None]:
    """Turn what a command raises into words and an exit code; nobody is shown a traceback."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except PointsmanError as error:
        output.refuse(error)
        raise typer.Exit(exit_code(error)) from None
    except Exception as bug:
        place = traceback.extract_tb(bug.__traceback__)[-1]
        output.say(f"bug: {type(bug).__name__}: {bug} ({place.filename}:{place.lineno}). Please report this line.")
        raise typer.Exit(ExitCode.BUG) from None


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pointsman {version('pointsman')}")
        raise typer.Exit


def _options(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """The options of `pointsman` itself."""
