"""How a run has to end."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tests.chaos.record import Run


def ends(run: Run) -> Iterator[str]:
    """Whatever was accepted has completed: the definitions of the harness leave no other end.

    Those that are doomed may fail, and have then been redriven in another run, which was accepted by that.
    """
    if run.final is None:
        if run.is_accepted:
            yield "it was accepted, and the journal has no event of it"
    elif run.is_doomed and run.final.head.status == "FAILED":
        if not any(redriven.became is not None for redriven in run.redriven):
            yield "it has failed, and its dead letter was not redriven"
    elif run.final.head.status != "COMPLETED":
        head, tokens = run.final.head, run.final.tokens
        waiting = ", ".join(f"{token} is {state.state}" for token, state in tokens.items())
        yield f"it is {head.status} ({head.error}), and not COMPLETED; open: {waiting or 'nothing'}"


def leaves_nothing(run: Run) -> Iterator[str]:
    """No token is open, its counter is gone, and so is everything else of it in Redis."""
    if run.final is None or not run.final.is_final:
        return
    if run.final.tokens:
        yield f"it has ended, and these are open: {', '.join(run.final.tokens)}"
    if run.left:
        yield f"it has ended, and Redis still has {', '.join(run.left)}"


def is_shown_as_it_was(run: Run) -> Iterator[str]:
    """Who asks the API is told what the journal comes to."""
    if run.final is None or not run.final.is_final:
        return
    head = run.final.head
    output = msgspec.json.decode(head.output.data) if head.output.data else None
    told = {"status": head.status, "revision": head.revision, "output": output}
    shown = {name: run.shown.get(name) for name in told}
    if shown != told:
        yield f"the API shows {shown}, the journal says {told}"
