"""How a command ends: one exit code a kind of outcome, the same for every command."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from pointsman.base.errors import (
    ExpressionError,
    InvalidDefinition,
    PointsmanError,
    RequestRefused,
    RunNotFound,
    ServerUnavailable,
    SettingsError,
)


class ExitCode(IntEnum):
    """What the shell sees. The numbers are for ever."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INVALID = 3
    NOT_FOUND = 4
    REFUSED = 5
    UNAVAILABLE = 6
    BUG = 70
    INTERRUPTED = 130


MEANINGS: Final = {
    ExitCode.OK: "It was done; a run that was waited for is COMPLETED.",
    ExitCode.FAILED: "The run that was waited for ended otherwise, or a check did not pass.",
    ExitCode.USAGE: "The command line or a setting is wrong. Nothing was done.",
    ExitCode.INVALID: "The definition has problems; all of them were printed. Nothing was done.",
    ExitCode.NOT_FOUND: "There is no such run or workflow.",
    ExitCode.REFUSED: "Refused as things are: the run is final, the patch does not fit, the port or the data "
    "directory is in use, the key may not do this.",
    ExitCode.UNAVAILABLE: "A server could not be reached or used. The same command may pass later.",
    ExitCode.BUG: "Pointsman itself failed. Please report what it printed.",
    ExitCode.INTERRUPTED: "Interrupted with Ctrl-C. A run that was being waited for goes on.",
}
"""Each code's line in `docs/reference/cli.md`."""

_MALFORMED: Final = frozenset({400, 405, 413, 415, 422})
_IN_USE: Final = frozenset({"SRV021", "SRV027"})


class Answered(RequestRefused):
    """The API answered with a problem; `status` is that of the answer, everything else is the problem's own."""

    def __init__(self, error: PointsmanError, status: int) -> None:
        super().__init__(error.code, error.message, problems=error.problems)
        self.status = status


def exit_code(error: PointsmanError) -> ExitCode:
    """The exit code for an error of ours."""
    match error:
        case Answered():
            return _of_answer(error.status, error.code)
        case InvalidDefinition() | ExpressionError():
            return ExitCode.INVALID
        case SettingsError():
            return ExitCode.USAGE
        case RunNotFound():
            return ExitCode.NOT_FOUND
        case ServerUnavailable() if error.code not in _IN_USE:
            return ExitCode.UNAVAILABLE
        case _:
            return ExitCode.REFUSED


def _of_answer(status: int, code: str) -> ExitCode:
    if status == 404:
        return ExitCode.NOT_FOUND
    if status >= 500 or status == 429:
        return ExitCode.UNAVAILABLE
    if code.startswith(("DEF", "CMP", "CEL")):
        return ExitCode.INVALID
    if code.startswith("EDT") and status != 400:
        return ExitCode.REFUSED
    return ExitCode.USAGE if status in _MALFORMED else ExitCode.REFUSED
