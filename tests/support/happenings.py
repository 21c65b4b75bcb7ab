"""What can happen to a run besides edits, chosen at random and told again to another run of the same kind."""

from __future__ import annotations

import zlib
from random import Random
from typing import Literal, NamedTuple

from pointsman.base.ids import TokenId
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Completed, Failed, WorkerLost
from tests.support.driven import RUN
from tests.support.edited import EditedRun

MOST = 400
"""What happens to a run at most until it ends; one that takes more hangs."""

Kind = Literal["completed", "failed", "lost", "fired", "paused", "resumed"]


class Happening(NamedTuple):
    """One thing that happens: to the attempt of a token, to a timer, or to the run as a whole."""

    kind: Kind
    name: str = ""
    """The token, or the timer."""
    attempt: int = 0


def happening(run: EditedRun, order: Random, *, failing: int = 0, upset: int = 0) -> Happening | None:
    """What happens next, chosen by `order` among what can; None where nothing can.

    Of the attempts `failing` per cent fail, always the same ones. In `upset` per cent of the cases a worker dies, or
    somebody pauses the run or lets it go on.
    """
    if upset and order.random() * 100 < upset:
        return _upset(run, order)
    out = sorted(name for name, state in run.snapshot.tokens.items() if state.state == "dispatched")
    clock = sorted(run.clock)
    if out and (not clock or failing == 0 or order.random() < 0.9):
        token = order.choice(out)
        attempt = run.snapshot.tokens[token].attempt
        fails = zlib.crc32(f"{token}#{attempt}".encode()) % 100 < failing
        return Happening("failed" if fails else "completed", token, attempt)
    if clock:
        return Happening("fired", order.choice(clock))
    return Happening("resumed") if run.status == "PAUSED" else None


def _upset(run: EditedRun, order: Random) -> Happening:
    out = sorted(name for name, state in run.snapshot.tokens.items() if state.state == "dispatched")
    if out and order.random() < 0.5:
        token = order.choice(out)
        return Happening("lost", token, run.snapshot.tokens[token].attempt)
    return Happening("resumed" if run.status == "PAUSED" else "paused")


def happens(run: EditedRun, what: Happening) -> bool:
    """Let it happen to a run, a moment later; False where it cannot, since no such timer runs there."""
    run.now += 1
    match what.kind:
        case "completed":
            run.take(Completed(RUN, TokenId(what.name), what.attempt, inline(answer(what.name))))
        case "failed":
            run.take(Failed(RUN, TokenId(what.name), what.attempt, "boom"))
        case "lost":
            run.take(WorkerLost(RUN, TokenId(what.name), what.attempt, "worker-1"))
        case "fired":
            if what.name not in run.clock:
                return False
            run.fire(what.name)
        case "paused":
            run.pause()
        case "resumed":
            run.resume()
    return True


def answer(token: str) -> dict[str, int]:
    """What the worker of a token answers, whenever it is asked."""
    return {"x": zlib.crc32(token.encode()) % 4}


def advance_by(run: EditedRun, most: int, order: Random, *, failing: int = 0, upset: int = 0) -> list[Happening]:
    """Let up to so many things happen; what they were."""
    taken: list[Happening] = []
    while len(taken) < most and not run.snapshot.is_final:
        found = happening(run, order, failing=failing, upset=upset)
        if found is None:
            break
        happens(run, found)
        taken.append(found)
    return taken


def drive(run: EditedRun, order: Random, *, failing: int = 0) -> None:
    """Drive a run to its end, or to where it waits for somebody."""
    taken = advance_by(run, MOST, order, failing=failing)
    assert len(taken) < MOST, f"{run.open} after {len(taken)} signals"
