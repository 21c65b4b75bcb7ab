"""A run that goes by the rules, told by everybody, to be told otherwise by the tests of what finds that out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from typing import Any, Final, Self

import msgspec
from msgspec.structs import replace as changed

from pointsman.base.ids import Digest, Millis, Tip, TokenId
from pointsman.compile import compile_source
from pointsman.protocol.output import BLOB_SCHEME, inline
from pointsman.protocol.signal import Redrive
from pointsman.protocol.transition import Patch, Transition, decode_event, seal
from pointsman.step import advance
from tests.chaos.checks.redis_state import keys_of
from tests.chaos.record import Edit, Event, Kept, Line, Redriven, Run
from tests.integration.definitions import by_hand, control, definition, edge
from tests.support.driven import RUN, cel, token
from tests.support.edited import EditedRun
from tests.support.forked import forked

PLAN: Final = Digest("p" * 64)
LOOP: Final = {"condition": "output.pass < 2", "max_iterations": 5, "loop_back_to": "draft"}
OLD, NEW = Digest("d" * 64), Digest("e" * 64)
OPERATION: Final = {"op": "add", "path": "/metadata", "value": {"owner": "ann"}}
DEFINITIONS: Final = {OLD: b'{"nodes":[]}', NEW: b'{"nodes":[],"metadata":{"owner":"ann"}}'}
LETTER: Final = "dl_1"
LOOK_AT: Final = 8
"""The event after which Redis was looked at: a pass is open, a task out, a timer armed, a join has fired."""


class History:
    """A run that goes by the rules, told by everybody."""

    def __init__(self, driven: EditedRun) -> None:
        self.driven = driven
        self.ledger: list[Line] = []

    @classmethod
    def begun(cls) -> Self:
        """A run that has some of everything."""
        document = definition(
            by_hand("a", "chaos", retry={"max_attempts": 3, "backoff_ms": 10}),
            control("split", "parallel"),
            by_hand("left", "chaos"),
            by_hand("right", "chaos"),
            by_hand("both", "chaos"),
            by_hand("draft", "chaos", timeout_ms=5_000),
            by_hand("review", "chaos", loop=LOOP),
            by_hand("end", "chaos", failure_policy="park"),
            by_hand("never", "chaos"),
            "a->split->left->both->draft->review->end",
            "split->right->both",
            edge("both->never", when="false"),
        )
        return cls(EditedRun(compile_source(document, cel(), name="test")[1].plan))

    def line(self, what: Any, name: str, data: Any) -> None:
        """One line of the worker's ledger."""
        attempt = self.driven.snapshot.tokens[token(name)].attempt
        node = name.rpartition(":")[2]
        self.ledger.append(Line(len(self.ledger), what, RUN, token(name), attempt, node, data))

    def do(self, name: str, **gives: Any) -> None:
        """A worker does a task."""
        self.line("handed", name, self.driven.payload(name))
        self.line("reported", name, gives)
        self.driven.complete(name, gives)

    def do_much(self, name: str, **gives: Any) -> None:
        """A worker does a task whose output goes to the blob store."""
        self.line("handed", name, self.driven.payload(name))
        self.line("reported", name, gives)
        self.driven.complete(name, ref=f"{BLOB_SCHEME}{hashlib.sha256(msgspec.json.encode(gives)).hexdigest()}")

    def fail(self, name: str) -> None:
        """A worker fails at a task."""
        self.line("handed", name, self.driven.payload(name))
        self.line("failed", name, "boom")
        self.driven.fail(name)

    def redrive(self, name: str, payload: Any) -> None:
        """Somebody redrives a parked task with another input."""
        attempt = self.driven.snapshot.tokens[token(name)].attempt
        self.driven.take(Redrive(RUN, token(name), attempt, inline(payload), reason=LETTER))

    def told(self) -> list[Event]:
        """Its journal."""
        return [(decode_event(event), tip) for event, tip in self.driven.events]

    def patch(self) -> None:
        """An edit that leaves the graph as it is."""
        run = self.driven.snapshot
        made = Patch(2, PLAN, NEW, OLD, description="e1", operations=(OPERATION,))
        sealed = seal(Transition(RUN, run.head.seq + 1, run.head.tip, Millis(self.driven.now), "patch", patch=made))
        advance(run, sealed.transition, sealed.tip)
        self.driven.events.append((sealed.event, sealed.tip))


@cache
def _whole() -> History:
    story = History.begun()
    story.fail("a")
    story.driven.fire("retry::a")
    story.do("a", n=1)
    story.patch()
    story.do("left", n=2)
    story.do_much("right", n=3)
    story.do("both", n=4)
    story.do("review[1]:draft", n=5)
    story.do("review[1]:review", **{"pass": 1})
    story.do("review[2]:draft", n=6)
    story.do("review[2]:review", **{"pass": 2})
    story.fail("end")
    story.redrive("end", {"mended": True})
    story.do("end", n=7)
    return story


@cache
def sound() -> Run:
    """The history as the harness would have gathered it."""
    story = _whole()
    run = Run(
        RUN,
        story.told(),
        ledger=story.ledger,
        edits=[Edit("e1", RUN, 200, 10**9, 2, ("never",)), Edit("e2", RUN, 409, 10**9)],
        shown={"status": "COMPLETED", "revision": 2, "output": {"end": {"n": 7}}},
        programs={PLAN: story.driven.program},
        definitions=DEFINITIONS,
        redriven=[Redriven(RUN, LETTER, 2, len(story.driven.events) - 1)],
    )
    return replace(run, kept=[looked_at(run)])


@cache
def sound_fork() -> Run:
    """A fork of it, which does its last node anew, as the harness would have gathered it."""
    story = History(forked(_whole().driven, anew=(token("end"),)))
    story.do("end", n=8)
    return Run(
        RUN,
        story.told(),
        ledger=story.ledger,
        shown={"status": "COMPLETED", "revision": 1, "output": {"end": {"n": 8}}},
        programs={PLAN: story.driven.program},
        origin=sound(),
    )


def looked_at(run: Run) -> Kept:
    """What Redis holds of the run in the middle of it."""
    keys = keys_of(run.moments[:LOOK_AT])
    (out,) = keys["tokens"]
    keys["tokens"] = {out: b"5-1 " + keys["tokens"][out]}
    keys["run"] = {**keys["run"], b"epoch": b"1"}
    state = run.moments[LOOK_AT - 1].after.tokens[TokenId(out.decode())]
    timers = {f"{RUN} {name} {armed.generation}".encode(): float(armed.due) for name, armed in state.timers.items()}
    return Kept(keys, timers, frozenset(), {b"5-1": f"{RUN}:{out.decode()}:1".encode()})


def retold(run: Run, number: int, **fields: Any) -> Run:
    """The same history with other fields in one of its events, and tips that fit."""
    changes = [change for change, _ in run.events]
    changes[number - 1] = changed(changes[number - 1], **fields)
    return replace(run, events=chained(changes))


def chained(changes: list[Transition]) -> list[Event]:
    """Events that follow each other, whatever they say."""
    found: list[Event] = []
    tip = Tip("")
    for change in changes:
        told = changed(change, prev=tip)
        tip = seal(told).tip
        found.append((told, tip))
    return found


def number_of(run: Run, name: str) -> int:
    """The event in which a token was first opened."""
    return next(change.seq for change, _ in run.events if token(name) in change.opened)


def opened_otherwise(run: Run, name: str, **fields: Any) -> Run:
    """The same history, a token opened in another way."""
    number = number_of(run, name)
    opened = dict(run.events[number - 1][0].opened)
    opened[token(name)] = changed(opened[token(name)], **fields)
    return retold(run, number, opened=opened)
