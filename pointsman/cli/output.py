"""What a command says: its result on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from typing import IO, Any

from rich.console import Console, RenderableType

from pointsman.base.errors import PointsmanError, Problem
from pointsman.cli.exits import exit_code

_PLAIN_WIDTH = 120
"""Columns for what is laid out when there is no terminal to ask."""


class Output:
    """Where one command's words go. With `as_json`, standard output holds JSON and nothing else."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)

    @property
    def is_live(self) -> bool:
        """Whether what is shown may be redrawn in place."""
        return self.out.is_terminal and not self.as_json

    def result(self, value: Any, shown: RenderableType) -> None:
        """Give the command's result: `value` as JSON, `shown` for people."""
        if self.as_json:
            self.document(value)
        else:
            self.show(shown)

    def document(self, value: Any) -> None:
        """Write one JSON document to standard output, indented where a person may be looking."""
        indent = 2 if self.out.is_terminal else None
        told = json.dumps(value, ensure_ascii=self.out.encoding != "utf-8", indent=indent)
        self.text(f"{told}\n")

    def text(self, text: str) -> None:
        """Write text to standard output as it is."""
        self.out.file.write(text)
        self.out.file.flush()

    def show(self, what: RenderableType) -> None:
        """Show something to people; where there is no terminal, without breaking or padding its lines."""
        if self.out.is_terminal:
            self.out.print(what)
            return
        with self.out.capture() as captured:
            self.out.print(what, soft_wrap=True)
        self.text("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

    def say(self, text: str) -> None:
        """Say how things are going."""
        self.err.print(text, soft_wrap=True, markup=False, highlight=False)

    def progress(self, what: RenderableType) -> None:
        """Show how things are going, where standard output is not for people."""
        self.err.print(what, soft_wrap=True)

    def refuse(self, error: PointsmanError) -> None:
        """Say what went wrong; where JSON is wanted, as JSON too."""
        self.err.print(f"[bold red]error[/] [bold]{error.code}[/]", end=" ", soft_wrap=True, highlight=False)
        self.say(error.message)
        for line in _not_yet_told(error):
            self.say(f"  {line}")
        if self.as_json:
            self.document({"error": as_json(error)})


def as_json(error: PointsmanError) -> dict[str, Any]:
    """An error as the API would describe it, with the exit code."""
    told = [problem_json(problem) for problem in error.problems]
    return {"code": error.code, "detail": error.message, "errors": told, "exit_code": int(exit_code(error))}


def problem_json(problem: Problem) -> dict[str, Any]:
    """One located problem as the API would write it."""
    names = ("code", "pointer", "message", "line", "suggestion")
    return {name: getattr(problem, name) for name in names if getattr(problem, name) is not None}


def _not_yet_told(error: PointsmanError) -> list[str]:
    """The located problems that the message does not spell out itself."""
    return [str(problem) for problem in error.problems if problem.message not in error.message]


def _console(file: IO[str]) -> Console:
    return Console(file=file, width=None if file.isatty() else _PLAIN_WIDTH, highlight=False)
