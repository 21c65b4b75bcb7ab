"""A Hypothesis state machine: random plans, random luck, two coordinators with caches of any age.

Workers answer, fail, die, answer late and twice; timers fire late and twice; signals wait and overtake each other; the
run is paused and resumed; coordinators step chains on outdated snapshots, and foreign transitions slip in before them.
After each transition that is applied the run must stand where the reference says, and the store must hold what it
should. What was taken and what was not is foretold from what went out, not from what the engine says.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pointsman.base.errors import PointsmanError
from pointsman.base.ids import Millis, NodeId, TimerId, Tip, TokenId, split_token
from pointsman.plan import Plan, encode_plan
from pointsman.ports.run_store import Link
from pointsman.protocol.output import EMPTY, Output, inline
from pointsman.protocol.signal import Cancel, Completed, Continue, Failed, Pause, Resume, Signal, TimerFired, WorkerLost
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import Sealed, Transition, seal
from pointsman.step import Program, advance, opened_by, start
from pointsman.step.draft import RUN_TIMER
from pointsman.step.resume import WAITING
from tests.model.plans import plans
from tests.model.reference import Frame, Happening, Marking, Place, Racy, Reference
from tests.model.stores import Delivered, Store
from tests.support.driven import RUN, START, Held, bare, cel, folded, head_of, step_twice, value

COORDINATORS: Final = 2
COORDINATOR: Final = st.integers(0, COORDINATORS - 1)
INPUT: Final = {"x": 2}
OUTPUTS: Final = st.sampled_from([{"x": 0}, {"x": 1}, {"x": 2}, {"x": 3}, {}, None])
REPORTS: Final = st.sampled_from(["completed"] * 8 + ["failed"] * 2 + ["final", "lost"])
_HAPPENS: Final = {"timeout": "timeout", "deadline": "deadline", "wait": "woke"}


class EngineMachine(RuleBasedStateMachine):
    """One run, from its start to its end. Subclasses say in which store."""

    def open_store(self) -> Store:
        """An empty store."""
        raise AssertionError("a subclass says which")

    is_sound = False
    """Whether everything held so far; a machine that broke need not be brought to its end."""

    @initialize(plan=plans())
    def begin(self, plan: Plan) -> None:
        """Start a run of a random plan."""
        self.program = Program(plan, cel())
        self.now = START
        self.held = Held()
        self.events: list[tuple[bytes, Tip]] = []
        self.log: list[Happening] = []
        self.caches: list[Snapshot | None] = [None] * COORDINATORS
        self.waiting: list[Delivered] = []
        self.completed: set[TokenId] = set()
        self.begun: set[TokenId] = set()
        self.over: set[TokenId] = set()
        self.is_racy = self.is_stopped = False
        first = seal(start(self.program, head_of(plan, INPUT), Millis(self.now)))
        self.store = self.open_store()
        self.store.start(first, encode_plan(plan))
        self.run = opened_by(first.transition, first.tip)
        self._keep(first)
        self._verify(first.transition)
        self.store.compare(self.held)
        self.is_sound = True

    # What happens in the world --------------------------------------------------------------------------------------

    @precondition(lambda self: self.held.dispatched)
    @rule(data=st.data(), kind=REPORTS, out=OUTPUTS)
    def report(self, data: st.DataObject, kind: str, out: Any) -> None:
        """Something is reported of an attempt that went out: mostly one that is out, else one of long ago."""
        current = [(token, task.attempt) for token, task in self.held.streams.items()]
        old = not current or not data.draw(st.integers(0, 3))
        token, attempt = data.draw(st.sampled_from(self.held.dispatched if old else current))
        self._send(_report(kind, token, attempt, out))

    @precondition(lambda self: self.held.streams)
    @rule(data=st.data(), out=OUTPUTS, fails=st.booleans())
    def report_without_job_id(self, data: st.DataObject, out: Any, fails: bool) -> None:
        """A worker that keeps no job ids reports."""
        node = split_token(data.draw(st.sampled_from(list(self.held.streams))))[1]
        self._send(Failed(RUN, None, 0, node=node) if fails else Completed(RUN, None, 0, _output(out), node))

    @precondition(lambda self: self.held.dispatched)
    @rule(data=st.data(), fails=st.booleans())
    def forge(self, data: st.DataObject, fails: bool) -> None:
        """Somebody reports of an attempt that never went out."""
        token, attempt = data.draw(st.sampled_from(self.held.dispatched))
        attempt += data.draw(st.integers(1, 3))
        if (token, attempt) not in self.held.dispatched:
            self._send(Failed(RUN, token, attempt) if fails else Completed(RUN, token, attempt))

    @precondition(lambda self: self.held.clock)
    @rule(data=st.data())
    def fire(self, data: st.DataObject) -> None:
        """A timer comes due, perhaps long ago."""
        self._fire(data.draw(st.sampled_from(list(self.held.clock))))

    @precondition(lambda self: self.held.fired)
    @rule(data=st.data())
    def fire_again(self, data: st.DataObject) -> None:
        """A timer's signal is delivered a second time."""
        timer, generation = data.draw(st.sampled_from(sorted(self.held.fired)))
        self._send(TimerFired(RUN, TimerId(timer), generation))

    @rule(by=st.integers(1, 10_000))
    def wait(self, by: int) -> None:
        """Time passes."""
        self.now += by

    # What coordinators do -------------------------------------------------------------------------------------------

    @rule(coordinator=COORDINATOR, count=st.integers(1, 4), newest=st.booleans(), slips=st.booleans())
    def handle(self, coordinator: int, count: int, newest: bool, slips: bool) -> None:
        """A coordinator steps some of the waiting signals into a chain, maybe while another applies one of them."""
        self.waiting += self.store.read()
        foreign = [self.waiting.pop()] if slips and len(self.waiting) > 1 else []
        taken = self.waiting[-count:] if newest else self.waiting[:count]
        self.waiting = [delivered for delivered in self.waiting if delivered not in taken]
        self._deliver(coordinator, taken, foreign)

    @rule(coordinator=COORDINATOR, command=st.sampled_from([Pause(RUN), Resume(RUN), Resume(RUN)]))
    def command(self, coordinator: int, command: Pause | Resume) -> None:
        """An operator pauses or resumes the run."""
        self._deliver(coordinator, [("", command)])

    @rule(coordinator=COORDINATOR, data=st.data())
    def fall_behind(self, coordinator: int, data: st.DataObject) -> None:
        """A coordinator's cache turns out to be from any time of the run."""
        self.caches[coordinator] = folded(self.events[: data.draw(st.integers(1, len(self.events)))])

    def teardown(self) -> None:
        """Bring the run to its end, without further mishap, and look at all of it."""
        if not self.is_sound:
            return
        while not self.run.is_final and self._go_on():
            pass
        if not self.run.is_final:
            assert {state.state for state in self.run.tokens.values()} == {"parked"}, "the run hangs"
            event("ends with dead letters")
            self._deliver(0, [("", Cancel(RUN))])
        self._deliver(0, [*self.waiting, *self.store.read()])
        assert self.run.is_final
        assert (self.held.streams, self.held.clock, self.store.unsettled()) == ({}, {}, 0)
        assert folded(self.events) == bare(self.run), "folding the events gives another state"
        self.store.compare(self.held)
        event(f"{'racy' if self.is_racy else 'not racy'}, {self.run.head.status}")

    def _go_on(self) -> bool:
        """One step towards the end; False where none is left."""
        self.waiting += self.store.read()
        if self.waiting:
            taken, self.waiting = self.waiting, []
            self._deliver(0, taken)
        elif self.run.head.status == "PAUSED":
            self._deliver(0, [("", Resume(RUN))])
        elif self.held.streams:
            self._send(
                *[Completed(RUN, token, task.attempt, inline(INPUT)) for token, task in self.held.streams.items()]
            )
        elif self.held.clock:
            self._fire(min(self.held.clock, key=lambda name: self.held.clock[name].due))
        else:
            return False
        return True

    def _send(self, *signals: Signal) -> None:
        self.store.send(signals)

    def _fire(self, timer: str) -> None:
        armed = self.held.fire(timer)
        self.now = max(self.now, armed.due)
        self._send(TimerFired(RUN, TimerId(timer), armed.generation))

    def _deliver(self, coordinator: int, work: list[Delivered], foreign: list[Delivered] | None = None) -> None:
        """See signals to their end, as a coordinator does."""
        self.is_sound = False
        while work:
            chain = self._chain(coordinator, work)
            if foreign:
                self._deliver((coordinator + 1) % COORDINATORS, foreign)
                foreign = None
            outcomes = self.store.apply([Link(sealed, name or None) for (name, _), sealed in chain])
            again = []
            for (delivered, sealed), outcome in zip(chain, outcomes, strict=True):
                if outcome == "applied":
                    self._applied(delivered[1], sealed)
                elif outcome == "stale":
                    again.append(delivered)
                else:
                    assert (outcome, self.run.is_final) == ("closed", True)
            if set(outcomes) - {"applied"}:
                self.caches[coordinator] = None
            self.store.compare(self.held)
            work = again + work[len(chain) :]
        if foreign:
            self._deliver((coordinator + 1) % COORDINATORS, foreign)
        self.is_sound = True

    def _chain(self, coordinator: int, work: list[Delivered]) -> list[tuple[Delivered, Sealed]]:
        """Step signals one after the other in memory. One that cannot be stepped is set aside once that is certain."""
        cached = self.caches[coordinator]
        snapshot = self.caches[coordinator] = cached or self.store.load()
        chain: list[tuple[Delivered, Sealed]] = []
        for delivered in list(work):
            try:
                made = step_twice(self.program, snapshot, delivered[1], self.now)
            except PointsmanError as wrong:
                if cached is None and not chain:
                    self._set_aside(delivered, wrong)
                    work.remove(delivered)
                    continue
                self.caches[coordinator] = None
                break
            sealed = seal(made)
            advance(snapshot, made, sealed.tip)
            chain.append((delivered, sealed))
        return chain

    def _set_aside(self, delivered: Delivered, wrong: PointsmanError) -> None:
        signal = delivered[1]
        assert isinstance(signal, Completed | Failed)
        assert wrong.code == "SIG004"
        assert signal.token is None
        assert len(self._of_node(signal.node)) != 1
        self.store.reject(delivered)

    # What must be ---------------------------------------------------------------------------------------------------

    def _applied(self, signal: Signal, sealed: Sealed) -> None:
        change = sealed.transition
        assert change.is_empty != self._counts(signal), f"{signal} {change.reason or 'was taken'}"
        if change.is_empty:
            return
        self._note(signal)
        if self.run.head.status == "PAUSED" and not isinstance(signal, Resume):
            assert not change.dispatches
        advance(self.run, change, sealed.tip)
        self._keep(sealed)
        self._verify(change)

    def _counts(self, signal: Signal) -> bool:
        """Whether a signal must change something, from what went out and came back."""
        if self.run.is_final:
            return False
        match signal:
            case Completed():
                token, attempt = self._meant(signal)
                is_open = token in self.held.open and token not in self.completed
                return is_open and (token, attempt) in self.held.dispatched
            case Failed() | WorkerLost():
                token, attempt = self._meant(signal)
                return token in self.held.streams and self.held.streams[token].attempt == attempt
            case TimerFired():
                return (signal.timer, signal.generation) in self.held.current
            case Continue():
                return not self._is_paused and any(state.state in WAITING for state in self.run.tokens.values())
            case Pause():
                return not self._is_paused
            case Resume():
                return self._is_paused
            case Cancel():
                return True

    @property
    def _is_paused(self) -> bool:
        return self.run.head.status == "PAUSED"

    def _meant(self, signal: Completed | Failed | WorkerLost) -> tuple[TokenId, int]:
        """The attempt a signal is about; without a job id, the latest that went out of the node's one token."""
        if signal.token is not None:
            return signal.token, signal.attempt
        assert not isinstance(signal, WorkerLost)
        (token,) = self._of_node(signal.node)
        return token, max((attempt for name, attempt in self.held.dispatched if name == token), default=0)

    def _of_node(self, node: NodeId | None) -> list[TokenId]:
        return [token for token in self.held.open if split_token(token)[1] == node]

    def _note(self, signal: Signal) -> None:
        """Write what was taken into the log that the reference reads."""
        match signal:
            case Completed():
                token = self._meant(signal)[0]
                self.completed.add(token)
                self.log.append(Happening(place_of(token), "completed", value(signal.output)))
            case Failed():
                place = place_of(self._meant(signal)[0])
                self.log.append(Happening(place, "failed", None, signal.error_type, signal.retryable))
            case WorkerLost():
                self.log.append(Happening(place_of(signal.token), "lost"))
            case TimerFired():
                kind, _, token_name = signal.timer.partition(":")
                self.held.current.discard((signal.timer, signal.generation))
                if kind == RUN_TIMER:
                    self.is_stopped = True
                elif kind in _HAPPENS:
                    self.log.append(Happening(place_of(TokenId(token_name)), _HAPPENS[kind]))
            case Cancel():
                self.is_stopped = True
            case _:
                pass

    def _keep(self, sealed: Sealed) -> None:
        """Do the store's side of a transition, and hold that nothing is activated or ends twice."""
        change = sealed.transition
        self.events.append((sealed.event, sealed.tip))
        new = set(change.opened) - self.held.open
        ended = {token for token in change.ended if token not in change.opened and self._is_at_home(token)}
        assert not new & self.begun, "a node was activated twice in a frame"
        assert not ended & self.over, "a node ended twice in a frame"
        self.begun |= new
        self.over |= ended
        self.held.write(change)
        self.held.compare(self.run)
        frames = {"", *self.run.frames}
        assert {split_token(token)[0] for token in (*self.run.tokens, *self.run.results, *self.run.joins)} <= frames

    def _is_at_home(self, token: TokenId) -> bool:
        """Whether a token names an activation itself, not what a loop handed up under its name."""
        frame, node = place_of(token)
        return [loop for loop, _ in frame] == Reference(self.program.plan, ()).home(node)

    def _verify(self, change: Transition) -> None:
        """The run stands where the reference says."""
        if self.is_racy or self.is_stopped:
            return
        reference = Reference(self.program.plan, self.log, INPUT)
        try:
            expected = reference.marking()
        except Racy:
            self.is_racy = True
            return
        status = "PAUSED" if self._is_paused and expected.status == "RUNNING" else expected.status
        found, told = (self.run.head.status, *standing(self.run, expected)), (status, *foretold(expected))
        assert found == told, as_text(self.program.plan, self.log, found, told)
        error = self.run.head.error
        is_told = error.type in expected.errors if error else not expected.errors
        assert is_told, as_text(self.program.plan, self.log, error, expected.errors)
        for dispatch in change.dispatches:
            self._verify_payload(reference, dispatch.token)

    def _verify_payload(self, reference: Reference, token: TokenId) -> None:
        try:
            expected = reference.handed(place_of(token))
        except Racy:
            return
        handed = _plain(value(Output(self.held.streams[token].payload)))
        assert handed == expected, as_text(self.program.plan, self.log, token, handed, expected)


def as_text(plan: Plan, log: list[Happening], *stands: object) -> str:
    """A plan, a log, and where the run stands and should stand, readable."""
    nodes = [msgspec.json.encode(node).decode() for node in plan.nodes]
    edges = [msgspec.json.encode(edge).decode() for edge in plan.edges]
    return "\n".join(["", plan.failure_policy, *nodes, *edges, *map(str, log), *map(str, stands)])


def standing(run: Snapshot, expected: Marking) -> tuple[dict[Place, tuple[int, bool]], dict[Place, str]]:
    """A snapshot in the reference's words, without what hangs on an order."""
    tokens = {place_of(token): (state.attempt, state.state == "parked") for token, state in run.tokens.items()}
    found = {place_of(token): (result.status, result.reason) for token, result in run.results.items()}
    results = {
        place: "skipped: upstream_failed" if how == ("skipped", "upstream_failed") else how[0]
        for place, how in found.items()
        if place not in expected.maybe
    }
    return tokens, results


def place_of(token: TokenId) -> Place:
    """A token in the reference's words."""
    path, node = split_token(token)
    frame: Frame = tuple(
        (NodeId(part.partition("[")[0]), int(part.partition("[")[2].rstrip("]"))) for part in path.split("/") if part
    )
    return frame, node


def _report(kind: str, token: TokenId, attempt: int, out: Any) -> Signal:
    match kind:
        case "completed":
            return Completed(RUN, token, attempt, _output(out))
        case "lost":
            return WorkerLost(RUN, token, attempt, "worker-1")
        case _:
            return Failed(RUN, token, attempt, "boom", "no luck", kind != "final")


def foretold(expected: Marking) -> tuple[dict[Place, tuple[int, bool]], dict[Place, str]]:
    """The reference's words, as `standing` has them."""
    return (
        {place: (still.attempt, still.is_parked) for place, still in expected.open.items()},
        {place: status for place, status in expected.statuses.items() if place not in expected.maybe},
    )


def _output(out: Any) -> Output:
    return EMPTY if out is None else inline(out)


def _plain(handed: Any) -> Any:
    """A payload in the reference's words: of an error, only its type."""
    if not isinstance(handed, dict):
        return handed
    return {key: inner["type"] if key == "error" else _plain(inner) for key, inner in handed.items()}
