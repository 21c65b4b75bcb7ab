"""Events as a run makes them, for tests of what happens to events."""

from __future__ import annotations

import hashlib
from typing import Any

from pointsman.base.ids import Digest, Millis, RunId, Tip
from pointsman.ports.journal import JournalEvent
from pointsman.protocol.output import EMPTY, Output
from pointsman.protocol.state import RunHead
from pointsman.protocol.transition import Transition, seal

BODY = b"{}"
DIGEST = Digest(hashlib.sha256(BODY).hexdigest())
"""What runs in these tests have for a definition and for a plan."""


class Story:
    """A run's events, one after the other. Two stories told alike are the same to the byte."""

    def __init__(self, run_id: str = "run_1", *, epoch: int = 1, start_at: int = 1_700_000_000_000) -> None:
        self.run_id = RunId(run_id)
        self.epoch = epoch
        self.events: list[JournalEvent] = []
        self._tip = Tip("")
        self._at = start_at

    def start(self, *, input: Output = EMPTY, metadata: Any = None) -> Story:  # noqa: A002
        """The first event."""
        head = RunHead(
            self.run_id, "triage", DIGEST, DIGEST, "cel-cpp", Millis(self._at), input=input, metadata=metadata
        )
        return self.tell("start", started=head, status="RUNNING")

    def steps(self, count: int) -> Story:
        """That many events that move nothing but the run's seq."""
        for _ in range(count):
            self.tell("completed")
        return self

    def end(self, output: Output = EMPTY, **fields: Any) -> Story:
        """The final event."""
        return self.tell("completed", **{"status": "COMPLETED", "output": output, **fields})

    def tell(self, cause: str, **fields: Any) -> Story:
        """One more event with these fields of a transition."""
        change = Transition(self.run_id, len(self.events) + 1, self._tip, Millis(self._at), cause, **fields)
        sealed = seal(change)
        self.events.append(JournalEvent(self.run_id, self.epoch, change.seq, sealed.tip, sealed.event))
        self._tip, self._at = sealed.tip, self._at + 1
        return self
