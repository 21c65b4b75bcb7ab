"""What became of dead letters, by the answers and by the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pointsman.protocol.signal import Redrive
from tests.chaos.record import Run


def are_redriven_once(run: Run) -> Iterator[str | tuple[str, int]]:
    """A letter that was answered as redriven is, as that event and that attempt; and none is redriven twice."""
    known = {change.seq: change.signal for change, _ in run.events if isinstance(change.signal, Redrive)}
    for letter, count in Counter(redrive.reason for redrive in known.values()).items():
        if count > 1:
            yield f"the letter {letter} was redriven {count} times"
    for redriven in run.redriven:
        if redriven.seq is None:
            continue
        found = known.get(redriven.seq)
        if found is None or (found.reason, found.attempt + 1) != (redriven.letter, redriven.attempt):
            yield f"{redriven} was answered, and the journal has {found}", redriven.seq
