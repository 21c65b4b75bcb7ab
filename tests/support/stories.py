"""Runs built by hand, transition by transition, without `step`: for tests of what takes transitions."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.base.ids import Digest, EdgeId, Millis, RunId, Tip, TokenId, job_id, split_token
from pointsman.protocol.output import EMPTY, Output, inline
from pointsman.protocol.signal import Completed, WireSignal, encode_wire
from pointsman.protocol.state import OpenToken, Result, RunHead, Snapshot
from pointsman.protocol.transition import Dispatch, Sealed, Transition, seal
from pointsman.step import advance, opened_by

START = Millis(1_700_000_000_000)
PLAN = Digest("a" * 64)
PLAN_BODY = b'{"name":"sample"}'


class Story:
    """One run as it goes on: each method makes the next transition and moves the story's own snapshot on by it."""

    def __init__(self, run: str = "run_1", *nodes: str, begins: dict[str, Any] | None = None, **head: Any) -> None:
        self.run = RunId(run)
        self.now = START
        told = {"input": inline({"order": 7}), **head}
        started = RunHead(self.run, "sample", PLAN, Digest("b" * 64), "cel-cpp", START, **told)
        changes: dict[str, Any] = {"status": "RUNNING", **self._opening(*nodes), **(begins or {})}
        self.first = seal(Transition(self.run, 1, Tip(""), self.now, "start", started=started, **changes))
        self.snapshot: Snapshot = opened_by(self.first.transition, self.first.tip)

    def make(self, cause: str = "completed", **changes: Any) -> Sealed:
        """A transition from where the story stands, which stays there."""
        head = self.snapshot.head
        changes.setdefault("seq", head.seq + 1)
        return seal(Transition(run_id=self.run, prev=head.tip, at=Millis(self.now + 1), cause=cause, **changes))

    def tell(self, cause: str = "completed", **changes: Any) -> Sealed:
        """Go on by a transition."""
        sealed = self.make(cause, **changes)
        self.take(sealed)
        return sealed

    def take(self, sealed: Sealed) -> None:
        """Go on by a transition that was made before."""
        self.now = sealed.transition.at
        advance(self.snapshot, sealed.transition, sealed.tip)

    def completes(self, node: str, *then: str, output: Output = EMPTY, last: bool = False, **changes: Any) -> Sealed:
        """A transition in which the worker of `node` reports, and the tasks of `then` go out."""
        token = self.token(node)
        state = self.snapshot.tokens[token]
        told: dict[str, Any] = {
            "signal": Completed(self.run, token, state.attempt),
            "ended": {token: Result("completed", state.attempt, START, Millis(self.now + 1), output)},
            "closed": (token,),
            "withdrawn": {token: state.type} if state.type else {},
            **self._opening(*then),
            **({"status": "COMPLETED", "output": output} if last else {}),
        }
        return self.make(**{**told, **changes})

    def idles(self, reason: str = "not_open") -> Sealed:
        """The verdict that a signal changes nothing."""
        return self.make(seq=self.snapshot.head.seq, reason=reason)

    def token(self, node: str) -> TokenId:
        """`node` in the root frame, unless it names its frame."""
        return TokenId(node if ":" in node else f":{node}")

    def _opening(self, *nodes: str) -> dict[str, Any]:
        tokens = [self.token(node) for node in nodes]
        return {
            "opened": {token: dispatched(self.now) for token in tokens},
            "dispatches": tuple(self.dispatch(token) for token in tokens),
            "tokens_made": len(tokens),
        }

    def dispatch(self, token: TokenId, attempt: int = 1, task_type: str = "function") -> Dispatch:
        """A task on its stream."""
        return Dispatch(token, task_type, split_token(token)[1], body(self.run, token, attempt))


def dispatched(at: int = START, attempt: int = 1, task_type: str = "function", **told: Any) -> OpenToken:
    """An open token whose task is out."""
    return OpenToken(
        "dispatched",
        attempt,
        task_type,
        activated_at=Millis(at),
        dispatched_at=Millis(at),
        sources=(EdgeId("x->y"),),
        **told,
    )


def body(run: str, token: str, attempt: int = 1) -> bytes:
    """What a worker is handed; short."""
    return msgspec.json.encode({"id": token, "job_id": job_id(RunId(run), TokenId(token), attempt), "payload": []})


def completed_signal(run: str, token: str, attempt: int = 1, **told: Any) -> bytes:
    """What a worker pushes."""
    return encode_wire(WireSignal("completed", job_id=job_id(RunId(run), TokenId(token), attempt), **told))
