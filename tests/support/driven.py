"""A run driven by hand through the pure engine, with the store's side of it kept beside and compared at each step.

What a store does with a transition (counter, task streams, the clock) is done here in a few lines each. After every
step the snapshot must agree with them, so each test of the engine is also a test of these promises.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from pointsman.base.ids import Digest, Millis, RunId, TimerId, Tip, TokenId
from pointsman.expr import Engine, engine
from pointsman.plan import Plan
from pointsman.protocol.output import EMPTY, Output, inline
from pointsman.protocol.signal import Cancel, Completed, Continue, Failed, Pause, Resume, Signal, TimerFired, WorkerLost
from pointsman.protocol.state import Result, RunHead, Snapshot, Timer
from pointsman.protocol.task import Task, decode_task
from pointsman.protocol.transition import Sealed, Transition, decode_event, seal
from pointsman.step import Program, advance, fold, opened_by, start, step

RUN = RunId("run_1")
START = 1_000_000


@cache
def cel() -> Engine:
    """The default CEL engine, one for all tests."""
    return engine()


def head_of(plan: Plan, run_input: Any = None, run: RunId = RUN) -> RunHead:
    """A run as it is accepted, not started."""
    given = EMPTY if run_input is None else inline(run_input)
    return RunHead(run, plan.name, Digest("p" * 64), Digest("d" * 64), cel().name, Millis(START), input=given)


class Held:
    """What a store holds of a run besides its snapshot: the counter, the task streams, the clock."""

    def __init__(self) -> None:
        self.counter = 0
        self.open: set[TokenId] = set()
        self.clock: dict[str, Timer] = {}
        self.fired: set[tuple[str, int]] = set()
        """Timers that came due: the store took them off the clock itself."""
        self.current: set[tuple[str, int]] = set()
        """Timers that were armed and not disarmed since, whether they came due or not: those that count."""
        self.streams: dict[TokenId, Task] = {}
        self.dispatched: list[tuple[TokenId, int]] = []
        """Every token and attempt that ever went out."""

    def write(self, change: Transition) -> None:
        """Do what apply does with a transition."""
        self.counter += len(change.opened.keys() - self.open) - len(change.closed)
        self.open = (self.open - set(change.closed)) | set(change.opened)
        self._write_streams(change)
        self._write_clock(change)

    def fire(self, timer: str) -> Timer:
        """Take a timer off the clock, as the store does when it comes due."""
        armed = self.clock.pop(timer)
        self.fired.add((timer, armed.generation))
        return armed

    def compare(self, run: Snapshot) -> None:
        """The snapshot agrees with all of it."""
        assert self.counter == len(run.tokens)
        assert {name: made.attempt for name, made in self.streams.items()} == {
            name: state.attempt for name, state in run.tokens.items() if state.state == "dispatched"
        }
        assert self.clock == {
            name: armed for name, armed in running_timers(run).items() if (name, armed.generation) not in self.fired
        }
        assert run.is_final == (not run.tokens), "the counter is zero exactly at the end"

    def _write_streams(self, change: Transition) -> None:
        for name, stream in change.withdrawn.items():
            assert self.streams.pop(name).type == stream
        for dispatch in change.dispatches:
            made = decode_task(dispatch.body)
            assert dispatch.token not in self.streams, "two attempts of one token are out"
            assert (dispatch.token, made.attempt) not in self.dispatched, "an attempt went out twice"
            self.dispatched.append((dispatch.token, made.attempt))
            self.streams[dispatch.token] = made

    def _write_clock(self, change: Transition) -> None:
        self.current -= set(change.disarmed.items())
        self.current |= {(str(name), armed.generation) for name, armed in change.armed.items()}
        for name, generation in change.disarmed.items():
            if (name, generation) not in self.fired:
                assert self.clock.pop(name).generation == generation
        for name, armed in change.armed.items():
            assert name not in self.clock, "a timer was replaced without being taken off the clock"
            self.clock[name] = armed


class Run:
    """One run, driven by its tests."""

    def __init__(self, plan: Plan, run_input: Any = None, blobs: dict[str, bytes] | None = None) -> None:
        self.program = Program(plan, cel())
        self.now = START
        self.held = Held()
        self.events: list[tuple[bytes, Tip]] = []
        first = seal(start(self.program, head_of(plan, run_input), Millis(self.now), blobs))
        self.snapshot = opened_by(first.transition, first.tip)
        self.snapshot.blobs = blobs or {}
        self.last = first.transition
        self._write(first)

    # Signals ------------------------------------------------------------------------------------------------------

    def take(self, signal: Signal) -> Transition:
        """Step and apply one signal; the transition is returned."""
        sealed = seal(self.look(signal))
        self.last = sealed.transition
        advance(self.snapshot, sealed.transition, sealed.tip)
        if not sealed.transition.is_empty:
            self._write(sealed)
        return sealed.transition

    def look(self, signal: Signal) -> Transition:
        """Step one signal without applying it: twice, and the run must not notice."""
        return step_twice(self.program, self.snapshot, signal, self.now)

    def complete(self, name: str, value: Any = None, attempt: int | None = None, ref: str | None = None) -> Transition:
        """A worker finished an attempt, the current one unless named."""
        output = Output(ref=ref) if ref else EMPTY if value is None else inline(value)
        return self.take(Completed(RUN, token(name), attempt or self._attempt(name), output))

    def fail(
        self, name: str, error: str = "boom", message: str = "", attempt: int | None = None, *, retryable: bool = True
    ) -> Transition:
        """A worker could not finish an attempt."""
        return self.take(Failed(RUN, token(name), attempt or self._attempt(name), error, message, retryable))

    def lose(self, name: str, attempt: int | None = None) -> Transition:
        """The worker that held an attempt died."""
        return self.take(WorkerLost(RUN, token(name), attempt or self._attempt(name), "worker-1"))

    def fire(self, timer: str) -> Transition:
        """A timer comes due, as the clock has it."""
        armed = self.held.fire(timer)
        self.now = max(self.now, armed.due)
        return self.timer(timer, armed.generation)

    def timer(self, timer: str, generation: int) -> Transition:
        """A timer's signal, late or twice: the clock is not asked."""
        return self.take(TimerFired(RUN, TimerId(timer), generation))

    def pause(self) -> Transition:
        """Pause the run."""
        return self.take(Pause(RUN))

    def resume(self) -> Transition:
        """Resume the run."""
        return self.take(Resume(RUN))

    def cancel(self, reason: str = "") -> Transition:
        """Cancel the run."""
        return self.take(Cancel(RUN, reason=reason))

    def proceed(self) -> Transition:
        """Deliver the `continue` that the run sent itself."""
        return self.take(Continue(RUN))

    # Views --------------------------------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """The run's status."""
        return self.snapshot.head.status

    @property
    def open(self) -> dict[str, str]:
        """The open tokens and their states; those of the root frame by node id alone."""
        return {short(name): state.state for name, state in self.snapshot.tokens.items()}

    @property
    def ended(self) -> dict[str, str]:
        """The activations that ended, and how."""
        return {short(name): result.status for name, result in self.snapshot.results.items()}

    @property
    def clock(self) -> dict[str, Timer]:
        """The timers that run."""
        return self.held.clock

    @property
    def output(self) -> Any:
        """The run's output."""
        return value(self.snapshot.head.output)

    @property
    def error(self) -> str | None:
        """The type of the run's error."""
        error = self.snapshot.head.error
        return error.type if error else None

    @property
    def notes(self) -> list[str]:
        """The kinds of what the last transition noted."""
        return [note.kind for note in self.last.notes]

    def result(self, name: str) -> Result:
        """How an activation ended."""
        return self.snapshot.results[token(name)]

    def error_of(self, name: str) -> str | None:
        """The type of the error an activation ended with."""
        error = self.result(name).error
        return error.type if error else None

    def output_of(self, name: str) -> Any:
        """The output of an activation that ended."""
        return value(self.result(name).output)

    def sources(self, name: str) -> tuple[str, ...]:
        """The edges that fired an open token."""
        return self.snapshot.tokens[token(name)].sources

    def task(self, name: str) -> Task:
        """What the worker is handed, while it is on its stream."""
        return self.held.streams[token(name)]

    def payload(self, name: str) -> Any:
        """The payload that the worker is handed."""
        made = self.task(name)
        return value(Output(made.payload, made.payload_ref))

    def _attempt(self, name: str) -> int:
        state = self.snapshot.tokens.get(token(name))
        return state.attempt if state else 1

    def _write(self, sealed: Sealed) -> None:
        self.events.append((sealed.event, sealed.tip))
        self.held.write(sealed.transition)
        self.held.compare(self.snapshot)
        assert folded(self.events) == bare(self.snapshot), "folding the events gives another state"


def step_twice(program: Program, run: Snapshot, signal: Signal, now: int) -> Transition:
    """Step a signal and hold `step` to being a function: the same again, and the snapshot as it was."""
    before = msgspec.json.encode(run)
    made = step(program, run, signal, Millis(now))
    assert made == step(program, run, signal, Millis(now)), "step is no function"
    assert msgspec.json.encode(run) == before, "step changed the snapshot"
    return made


def folded(events: list[tuple[bytes, Tip]]) -> Snapshot:
    """The snapshot that the encoded events give."""
    return fold((decode_event(event), tip) for event, tip in events)


def bare(run: Snapshot) -> Snapshot:
    """A snapshot without the blobs that were loaded for it."""
    return Snapshot(run.head, run.tokens, run.results, run.joins, run.frames)


def running_timers(run: Snapshot) -> dict[str, Timer]:
    """The timers that a snapshot has running: of its tokens, and of the run while it is open."""
    found: dict[str, Timer] = {name: armed for state in run.tokens.values() for name, armed in state.timers.items()}
    if run.head.timer is not None and not run.is_final:
        found["run"] = run.head.timer
    return {name: armed for name, armed in found.items() if armed.left_ms is None}


def token(name: str) -> TokenId:
    """The id of a token; a bare node id means the root frame."""
    return TokenId(name if ":" in name else f":{name}")


def short(name: TokenId) -> str:
    """The token's id, or the node's alone in the root frame."""
    return name.removeprefix(":")


def value(output: Output) -> Any:
    """The JSON value of an inline output; None where it is empty."""
    return msgspec.json.decode(output.data) if bytes(output.data) else None
