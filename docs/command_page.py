"""The page of the command line, written from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo

from pointsman.cli.app import make_app
from pointsman.cli.exits import MEANINGS
from pointsman.service import Exit

PROCESSES: Final = {
    Exit.DRAINED: "Told to stop, it finished what it had begun.",
    Exit.CRASHED: "It failed; the log says how.",
    Exit.BAD_SETTINGS: "A setting is wrong. Nothing was started.",
    Exit.BAD_SERVER: "Redis, Postgres or a port was not as needed when it started.",
    Exit.CUT_SHORT: "Told to stop, it was not done within POINTSMAN_GRACE_PERIOD_MS, or was told twice.",
}

_KINDS: Final[dict[Any, str]] = {str: "text", int: "number", float: "number", Path: "path", list[str]: "text"}

OPENING: Final = """\
# Command line

Written from `pointsman/cli/`. `pointsman COMMAND --help` says the same.

**Where the API is.** `--api-url` counts first, then `POINTSMAN_API_URL`, then the `dev.json` that `pointsman dev` wrote
in the data directory, then `http://127.0.0.1:<PORT>`. `POINTSMAN_API_KEY` is sent as a bearer token.

**For programs.** With `--json`, standard output holds one JSON document and nothing else (`watch`: one event a line);
how things are going is on standard error. What goes wrong is `{"error": {"code", "detail", "errors", "exit_code"}}`
there, as in the API's problems, and a line on standard error. Only a mistake in the command line itself has no JSON.

**For people.** On a terminal, a run is redrawn in place; elsewhere each event is a line. `NO_COLOR` is obeyed.
"""


def command_page() -> str:
    """Exit codes, then each command with its arguments and options."""
    lines = [OPENING, "## Exit codes", "", "| code | meaning |", "| --- | --- |"]
    lines += [f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()]
    lines += ["", "`coordinator`, `supervisor`, `api` and `worker` become that process and end with its own codes:", ""]
    lines += ["| code | meaning |", "| --- | --- |"]
    lines += [f"| {code.value} | {PROCESSES[code]} |" for code in Exit]
    for name, command in _commands(make_app(), "pointsman"):
        lines += ["", f"## {name}", "", inspect.cleandoc(command.__doc__ or ""), "", *_usage(name, command)]
    return "\n".join(lines) + "\n"


def _commands(app: typer.Typer, name: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each command with all its words; those of groups come last."""
    for command in app.registered_commands:
        assert command.callback is not None, "a command does something"
        yield f"{name} {command.name}", command.callback
    for group in app.registered_groups:
        assert group.typer_instance is not None, "a group has commands"
        yield from _commands(group.typer_instance, f"{name} {group.typer_instance.info.name}")


def _usage(name: str, command: Callable[..., Any]) -> Iterator[str]:
    hints = get_type_hints(command, include_extras=True)
    parameters = [_Parameter(p, hints[p.name]) for p in inspect.signature(command).parameters.values()]
    yield "`" + " ".join([name, *(p.name for p in parameters if p.is_argument)]) + "`"
    if parameters:
        yield from ["", "| | | |", "| --- | --- | --- |"]
    for parameter in parameters:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in parameter.row()) + " |"


class _Parameter:
    """An argument or option, as its function declares it."""

    def __init__(self, declared: inspect.Parameter, hint: Any) -> None:
        kind, self.info = get_args(hint)
        self.kinds = [part for part in (get_args(kind) or (kind,)) if part is not NoneType]
        self.is_argument = isinstance(self.info, ArgumentInfo)
        self.default = declared.default
        self.name = self.info.metavar or declared.name if self.is_argument else self._spelled(declared.name)

    def row(self) -> tuple[str, str, str]:
        """Its name, what it takes, and what for."""
        return f"`{self.name}`", "" if self.is_argument else self._takes(), self.info.help or ""

    def _spelled(self, name: str) -> str:
        # With Annotated, the first spelling that is given stands where a default would.
        given = [self.info.default, *(self.info.param_decls or ())]
        spelled = (word for word in given if isinstance(word, str) and word.startswith("--"))
        return next(spelled, f"--{name.replace('_', '-')}")

    def _takes(self) -> str:
        if self.kinds == [bool]:
            return ""
        words = [word for kind in self.kinds for word in ([kind] if isinstance(kind, str) else get_args(kind))]
        many = any(get_origin(kind) is list for kind in self.kinds)
        shown = self.info.metavar or (", ".join(f"`{w}`" for w in words if isinstance(w, str)) or _KINDS[self.kinds[0]])
        given = f", {self.default} by default" if self.default not in (None, inspect.Parameter.empty) else ""
        return f"{shown}{given}{', repeatable' if many else ''}"
