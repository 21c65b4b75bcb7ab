"""The tree of errors, whole, at one glance.

PointsmanError                 carries `code`, `retryable`, and a message that says what was asked, what is
│                              true instead, what happened as a result and what to do
├── InvalidDefinition          DEF/CMP: a definition has problems; all of them are in `.problems`
├── ExpressionError            CEL: an expression does not compile, or cannot be evaluated
│   └── OutputLost             SRV: what is to be read is in the blob store no more (`pointsman.step`)
├── SettingsError              CFG: a setting is wrong, or two do not fit
├── ServerUnavailable          SRV: Redis or Postgres cannot be used (retryable)
│   └── PortTaken              somebody else listens where an embedded server was to (`pointsman.embedded`)
├── SignalRejected             SIG: a signal nobody can act on; it is set aside
├── RunError                   RUN: what was asked of a run does not fit its state
│   ├── RunNotFound
│   ├── RunClosed
│   └── NodeNotInPlan
├── PlanUnreadable             RUN: a stored plan is of a format this release does not know (`pointsman.plan`)
├── ReleaseTooOld              RUN: a run or an event is of a later version (`pointsman.protocol.version`)
├── PlanMissing                RUN: a run points at a plan that Redis does not hold (`pointsman.execute`)
├── BlobMissing                RUN: a reference to a blob that the store does not hold (`pointsman.ports`)
├── EditRefused                EDT: a patch that cannot be taken; nothing changed
├── ReplayDiverged             EDT: a history that does not lead to its run's state: a bug (`pointsman.edit`)
├── RequestRefused             API: an HTTP request that cannot be served as asked
│   └── Answered               the problem that the API answered the command line with (`pointsman.cli`)
└── WorkerError                WRK: a handler or a worker cannot go on

Codes and their pages: `pointsman/base/codes.py`, rendered to `docs/reference/errors.md`.
Expected outcomes (stale, closed, held, fenced) are values, not errors: `pointsman.protocol.outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document, and where.

    `pointer` is an RFC 6901 pointer into what the author wrote; `line` is 1-based, None where the text is unknown.
    """

    code: str
    pointer: str
    message: str
    line: int | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        where = f"{self.pointer or '/'}" + (f" (line {self.line})" if self.line else "")
        hint = f" Did you mean {self.suggestion}?" if self.suggestion else ""
        return f"{self.code} {where}: {self.message}{hint}"


class PointsmanError(Exception):
    """Every error of ours. `retryable` says whether the same call may pass later unchanged."""

    retryable = False

    def __init__(self, code: str, message: str, *, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.problems = problems


class InvalidDefinition(PointsmanError):
    """A definition (or a patched one) that does not compile; `.problems` lists every problem found."""


class ExpressionError(PointsmanError):
    """A CEL expression that does not compile, goes past a limit, or raises when it is evaluated."""


class SettingsError(PointsmanError):
    """A setting that is wrong by itself or beside another; found before anything starts."""


class ServerUnavailable(PointsmanError):
    """Redis or Postgres does not answer, refuses us, or is not fit for use."""

    retryable = True


class SignalRejected(PointsmanError):
    """A signal that cannot mean anything: malformed, or about a run or node that does not exist."""


class RunError(PointsmanError):
    """What was asked does not fit the run's state."""


class RunNotFound(RunError):
    """No run of that id, open or final."""


class RunClosed(RunError):
    """The run is final; it cannot be changed any more."""


class NodeNotInPlan(RunError):
    """A node that the run's current plan lacks."""


class EditRefused(PointsmanError):
    """A patch that cannot be taken; the run is as it was."""


class RequestRefused(PointsmanError):
    """An HTTP request that cannot be served as asked."""


class WorkerError(PointsmanError):
    """A worker or one of its handlers cannot go on."""
