"""What a run must have come to, told anew from the graph each time: the engine's measure.

Nothing here is kept between two signals. Given a plan and the log of what happened (which results were taken, in which
order), the meaning of SEMANTICS §3, §4 and §6 is asked recursively: how did this edge resolve, when did that node
begin, how did it end. An instant is a place in the log; 0 is the start. Whatever follows from one happening has its
instant, and the order inside an instant is left open: where the outcome hangs on it, `Racy` is raised, or the tokens
concerned are named in `Marking.maybe`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from pointsman.base.ids import NodeId
from pointsman.plan import Edge, Node, Plan, Region
from tests.model.conditions import Unreadable, holds

Frame = tuple[tuple[NodeId, int], ...]
"""A path of passes, `(("outer", 2), ("inner", 1))`; the empty one is the run."""
Place = tuple[Frame, NodeId]
How = Literal["live", "dead", "failed"]


_SKIPS: Final = {"dead": "skipped", "failed": "skipped: upstream_failed"}


class Racy(Exception):
    """What was asked hangs on an order that the semantics leave open."""


class Happening(NamedTuple):
    """Something that was taken. `kind`: completed, failed, timeout, deadline, lost, woke."""

    place: Place
    kind: str
    value: Any = None
    error: str = "boom"
    retryable: bool = True


class Begun(NamedTuple):
    """A node's turn came. `needs`: what surely lies behind it; `sources`: what fired it, None where that is racy."""

    at: int
    how: Literal["fire", "skip", "fail"]
    sources: tuple[Place, ...] | None = ()
    needs: tuple[Place, ...] = ()


class Open(NamedTuple):
    """A node that has begun and not ended. A completion that was taken before it was parked admits no other."""

    at: int
    attempt: int = 1
    is_parked: bool = False
    is_taken: bool = False


class Ended(NamedTuple):
    """A node that ended. `edges` is None where none resolved: another pass follows, or the run is over."""

    at: int
    status: str
    edges: dict[str, How] | None
    value: Callable[[], Any] = lambda: None
    goes_round: bool = False
    is_fatal: bool = False
    fails_run: bool = False
    error: str = ""


@dataclass
class Marking:
    """Where a run stands."""

    open: dict[Place, Open] = field(default_factory=dict)
    statuses: dict[Place, str] = field(default_factory=dict)
    """Of everything that ended in a frame that is open; ended frames stand in the one around them."""
    maybe: set[Place] = field(default_factory=set)
    """Whether, and how, these ended hangs on the order inside one instant."""
    status: str = "RUNNING"
    errors: set[str] = field(default_factory=set)
    """The run's error is one of these; empty: it has none."""


class Reference:
    """The meaning of one plan and one log."""

    def __init__(self, plan: Plan, log: Sequence[Happening], run_input: Any = None) -> None:
        self.plan = plan
        self._log = log
        self._input = run_input
        self._nodes = {node.id: node for node in plan.nodes}
        self._regions = {region.id: region for region in plan.regions}
        self._known: dict[tuple[str, Place], Any] = {}
        self._asked: set[tuple[str, Place]] = set()
        self._circles = 0

    # When a node's turn comes ---------------------------------------------------------------------------------------

    def begun(self, place: Place) -> Begun | None:
        """Whether and how the turn of a node has come; the place of an entry is outside its loop as well as inside."""
        found: Begun | None = self._once("begun", place, self._begun)
        return found

    def _begun(self, place: Place) -> Begun | None:
        frame, node = place
        if not frame or self._regions[frame[-1][0]].entry != node:
            return self._joined(place)
        loop, number = frame[-1]
        if number == 1:
            return self.begun((frame[:-1], node))
        before: Place = ((*frame[:-1], (loop, number - 1)), loop)
        ended = self.ended(before)
        return Begun(ended.at, "fire", (before,), (before,)) if ended and ended.goes_round else None

    def _joined(self, place: Place) -> Begun | None:
        frame, node = place
        into = [edge for edge in self.plan.edges if edge.target == node]
        if not into:
            return Begun(0, "fire")
        resolved = [(edge, found) for edge in into if (found := self._resolved(edge, frame)) is not None]
        join = self._nodes[node].join
        if join.mode == "all" or len(into) == 1:
            return self._all(frame, resolved, len(into))
        return self._some(frame, resolved, len(into), 1 if join.mode == "any" else join.count)

    def _all(self, frame: Frame, resolved: list[tuple[Edge, tuple[int, How]]], total: int) -> Begun | None:
        if len(resolved) < total:
            return None
        at = max(when for _, (when, _) in resolved)
        ways = [how for _, (_, how) in resolved]
        needs = tuple(self._source(edge, frame) for edge, _ in resolved)
        if "failed" in ways:
            return Begun(at, "fail", (), needs)
        live = tuple(self._source(edge, frame) for edge, (_, how) in resolved if how == "live")
        return Begun(at, "fire", live, needs) if live else Begun(at, "skip", (), needs)

    def _some(
        self, frame: Frame, resolved: list[tuple[Edge, tuple[int, How]]], total: int, needed: int
    ) -> Begun | None:
        for at in sorted({when for _, (when, _) in resolved}):
            until = [(edge, when, how) for edge, (when, how) in resolved if when <= at]
            live = tuple(self._source(edge, frame) for edge, _, how in until if how == "live")
            if len(live) >= needed:
                sure = live if len(live) == needed else None
                return Begun(at, "fire", sure, sure or ())
            if len(live) + total - len(until) < needed:
                return self._unreachable(frame, until, at, total - needed + 1)
        return None

    def _unreachable(self, frame: Frame, until: list[tuple[Edge, int, How]], at: int, enough: int) -> Begun:
        """The `enough`-th edge that was not live decided; whether one had failed by then may be open."""
        lost = [(edge, when, how) for edge, when, how in until if how != "live"]
        failed_before = any(how == "failed" and when < at for _, when, how in lost)
        failed_now = any(how == "failed" and when == at for _, when, how in lost)
        needs = tuple(self._source(edge, frame) for edge, _, _ in until) if len(lost) == enough else ()
        if not failed_now or failed_before:
            return Begun(at, "fail" if failed_before else "skip", (), needs)
        if len(lost) > enough and sum(how == "dead" for _, _, how in lost) >= enough:
            raise Racy("an unreachable join had dead and failed edges in one instant")
        return Begun(at, "fail", (), needs)

    def _source(self, edge: Edge, frame: Frame) -> Place:
        """Where the node an edge comes from ended: for one that closes a loop, in the loop's last pass."""
        if edge.source not in self._regions:
            return frame, edge.source
        return self._last_pass(edge.source, frame), edge.source

    def _last_pass(self, loop: NodeId, frame: Frame) -> Frame:
        number = 1
        while (ended := self.ended(((*frame, (loop, number)), loop))) and ended.goes_round:
            number += 1
        return (*frame, (loop, number))

    # How an edge resolved -------------------------------------------------------------------------------------------

    def _resolved(self, edge: Edge, frame: Frame) -> tuple[int, How] | None:
        """When and how an edge resolved in `frame`; None while it has not."""
        left = self._left(edge.source, frame) if edge.source in self._regions else self.ended((frame, edge.source))
        if left is None or left.edges is None:
            return None
        return left.at, left.edges[edge.id]

    def _left(self, loop: NodeId, frame: Frame) -> Ended | None:
        """How a whole loop ended in the frame around it."""
        begun = self.begun((frame, self._regions[loop].entry))
        if begun is None:
            return None
        if begun.how != "fire":
            return self._skipped(loop, begun)
        return self.ended((self._last_pass(loop, frame), loop))

    # How a node ended -----------------------------------------------------------------------------------------------

    def ended(self, place: Place) -> Ended | None:
        """How a node ended; None while it has not."""
        outcome = self.outcome(place)
        return outcome if isinstance(outcome, Ended) else None

    def outcome(self, place: Place) -> Ended | Open | None:
        """How a node stands; None where its turn has not come."""
        found: Ended | Open | None = self._once("outcome", place, self._outcome)
        return found

    def _outcome(self, place: Place) -> Ended | Open | None:
        begun = self.begun(place)
        if begun is None:
            return None
        node = self._nodes[place[1]]
        if begun.how != "fire":
            return self._skipped(node.id, begun)
        match node.kind:
            case "task":
                return self._worked(place, node, begun)
            case "wait" if node.wait:
                woke = next((at for at, what in self._happened(place) if what.kind == "woke"), None)
                return Open(begun.at) if woke is None else self._complete(place, woke, self._passed(place))
            case _:
                return self._complete(place, begun.at, self._passed(place))

    def _worked(self, place: Place, node: Node, begun: Begun) -> Ended | Open:
        attempt, lost, is_parked = 1, 0, False
        for at, what in self._happened(place):
            match what.kind:
                case "completed":
                    return self._complete(place, at, partial(_same, what.value), attempt)
                case "lost":
                    lost += 1
                    if lost < node.max_deliveries:
                        attempt += 1
                        continue
                    outcome = self._fail(place, at, "poison", attempt)
                case "deadline":
                    outcome = self._fail(place, at, "timeout", attempt)
                case _:
                    error = "timeout" if what.kind == "timeout" else what.error
                    if what.retryable and attempt < node.retry.max_attempts and _is_retried(node, error):
                        attempt += 1
                        continue
                    outcome = self._fail(place, at, error, attempt)
            if isinstance(outcome, Ended):
                return outcome
            is_parked = True
        return Open(begun.at, attempt, is_parked)

    def _happened(self, place: Place) -> Iterator[tuple[int, Happening]]:
        return ((at, what) for at, what in enumerate(self._log, 1) if what.place == place)

    def _skipped(self, name: NodeId, begun: Begun) -> Ended:
        how: How = "failed" if begun.how == "fail" else "dead"
        return Ended(begun.at, _SKIPS[how], {edge.id: how for edge in self._out(name)})

    def _complete(self, place: Place, at: int, value: Callable[[], Any], attempt: int = 1) -> Ended | Open:
        """A node ended well: does its loop go round, which edges are live?"""
        node = self._nodes[place[1]]
        out = [edge for edge in self._out(node.id) if edge.on == "success"]
        if node.loop is not None:
            try:
                again = holds(node.loop.condition, self._reads(place, at, value))
            except Unreadable:
                again = False
            if again and place[0][-1][1] < node.loop.max_iterations:
                return Ended(at, "completed", None, value, goes_round=True)
            out = [edge for edge in out if (edge.leave or "break") == ("timeout" if again else "break")]
            if again and not out:
                return self._fail(place, at, "loop_exhausted", attempt, is_taken=True)
        try:
            live = self._chosen(node, out, self._reads(place, at, value))
        except Unreadable:
            return self._fail(place, at, "condition_error", attempt, is_taken=True)
        return Ended(at, "completed", self._edges(node, live), value)

    def _fail(self, place: Place, at: int, error: str, attempt: int, *, is_taken: bool = False) -> Ended | Open:
        node = self._nodes[place[1]]
        value = {"error": error}
        takers = [edge for edge in self._out(node.id) if error == "timeout" and edge.on == "timeout"]
        takers = takers or [edge for edge in self._out(node.id) if edge.on == "error"]
        try:
            live = self._chosen(node, takers, self._reads(place, at, lambda: value))
        except Unreadable:
            live = set()
        if live:
            return Ended(at, "failed", self._edges(node, live), lambda: value)
        match node.failure_policy or self.plan.failure_policy:
            case "park":
                return Open(at, attempt, is_parked=True, is_taken=is_taken)
            case "continue":
                edges: dict[str, How] = {edge.id: "failed" for edge in self._out(node.id)}
                return Ended(at, "failed", edges, lambda: value, fails_run=True, error=error)
            case _:
                return Ended(at, "failed", None, lambda: value, is_fatal=True, error=error)

    # Which edges are live -------------------------------------------------------------------------------------------

    def _chosen(self, node: Node, out: list[Edge], reads: _Reads) -> set[str]:
        """The ids of the live ones.

        Raises:
            Unreadable: A condition raised, and nothing else is live.
        """
        plain = {edge.id for edge in out if edge.when is None}
        true: set[str] = set()
        raised = False
        for edge in out:
            if edge.when is None:
                continue
            try:
                is_true = holds(edge.when, reads)
            except Unreadable:
                raised = True
                continue
            if is_true and node.route == "first":
                return {other.id for other in out if other.when == edge.when}
            if is_true:
                true.add(edge.id)
        if raised and not (true or plain):
            raise Unreadable
        return true | plain

    def _edges(self, node: Node, live: set[str]) -> dict[str, How]:
        return {edge.id: "live" if edge.id in live else "dead" for edge in self._out(node.id)}

    def _out(self, name: NodeId) -> list[Edge]:
        return [edge for edge in self.plan.edges if edge.source == name]

    # What is read ---------------------------------------------------------------------------------------------------

    def _reads(self, place: Place, at: int, value: Callable[[], Any]) -> _Reads:
        frame = place[0]
        return _Reads(value, frame[-1][1] if frame else None, lambda name: self.latest(name, place, at))

    def _passed(self, place: Place) -> Callable[[], Any]:
        return lambda: self.handed(place)

    def handed(self, place: Place) -> Any:
        """What a node is handed: the output of what fired it, an object of several, the run's input."""
        begun = self.begun(place)
        assert begun is not None
        if begun.sources is None:
            raise Racy("which of several edges fired a join is open")
        if not begun.sources:
            return self._input
        values = {source[1]: self._value(source) for source in begun.sources}
        return next(iter(values.values())) if len(begun.sources) == 1 else values

    def _value(self, place: Place) -> Any:
        ended = self.ended(place)
        assert ended is not None
        return ended.value()

    def latest(self, name: NodeId, reader: Place, at: int) -> Any:
        """The latest output of a task that had one by `at`, looked up from the reader's frame outwards."""
        frame, home = reader[0], self.home(name)
        for depth in range(len(frame), -1, -1):
            outer, inner = frame[:depth], home[depth:]
            if [loop for loop, _ in outer] == home[:depth] and (
                found := self._latest_in(name, outer, inner, reader, at)
            ):
                return found[0]
        raise Unreadable(name)

    def _latest_in(self, name: NodeId, frame: Frame, inner: list[NodeId], reader: Place, at: int) -> tuple[Any] | None:
        """In `frame` itself, or as the passes of loops in it that ended by `at` handed it up."""
        if not inner:
            return self._output_by((frame, name), reader, at)
        found = None
        for each in self._passes_before(inner[0], frame, reader):
            over = self.ended((each, inner[0]))
            if over is None or over.at > at:
                break
            found = self._latest_in(name, each, inner[1:], reader, over.at) or found
        return found

    def _output_by(self, place: Place, reader: Place, at: int) -> tuple[Any] | None:
        """The output of a task if it had completed by `at`; of the reader itself it is readable at once."""
        taken = next(((when, what.value) for when, what in self._happened(place) if what.kind == "completed"), None)
        if taken is None or taken[0] > at:
            return None
        if place == reader:
            return (taken[1],)
        ended = self.ended(place)
        return (ended.value(),) if ended and ended.at <= at and ended.status == "completed" else None

    def _passes_before(self, loop: NodeId, frame: Frame, reader: Place) -> Iterator[Frame]:
        """The passes of a loop, up to the one the reader is in, if it is in one."""
        depth = len(frame)
        for each in self._passes(loop, frame):
            if reader[0][: depth + 1] == each:
                return
            yield each

    def home(self, name: NodeId) -> list[NodeId]:
        """The loops around a node, outer first: the frames it is activated in are passes of these."""
        return [region.id for region in self.plan.regions if name in region.nodes]

    # Where the run stands -------------------------------------------------------------------------------------------

    def marking(self) -> Marking:
        """All of it."""
        outcomes = dict(self._walk(()))
        marking = Marking()
        marking.statuses, marking.open = self._stand((), outcomes, None, marking.maybe)
        failures = {
            place: found
            for place, found in outcomes.items()
            if isinstance(found, Ended) and (found.is_fatal or found.fails_run)
        }
        if failures.keys() & marking.maybe:
            raise Racy("a failure in an instant that also ended its frame")
        fatal = {place: found for place, found in failures.items() if found.is_fatal}
        blamed = (fatal or failures).values()
        first = min((found.at for found in blamed), default=None)
        marking.errors = {found.error for found in blamed if found.at == first}
        if fatal:
            self._stop(marking, outcomes, min(fatal, key=lambda place: fatal[place].at))
        elif not marking.open:
            marking.status = "FAILED" if failures else "COMPLETED"
        return marking

    def _stop(self, marking: Marking, outcomes: dict[Place, Ended | Open], place: Place) -> None:
        """The run failed fast: what is open is closed, what else the instant would have brought is open."""
        at = outcomes[place].at
        behind = self._behind(place, at)
        marking.maybe |= {other for other, found in outcomes.items() if found.at == at and other not in behind}
        marking.statuses |= dict.fromkeys(marking.open, "cancelled")
        marking.open = {}
        marking.status = "FAILED"

    def _walk(self, frame: Frame) -> Iterator[tuple[Place, Ended | Open]]:
        """Everything whose turn has come, in `frame` and the passes in it."""
        path = [loop for loop, _ in frame]
        for node in self.plan.nodes:
            if self.home(node.id) == path and (outcome := self.outcome((frame, node.id))) is not None:
                yield (frame, node.id), outcome
        for region in self._inside(frame):
            begun = self.begun((frame, region.entry))
            if begun is not None and begun.how != "fire":
                skipped = self._skipped(region.id, begun)
                yield from (((frame, name), skipped) for name in region.nodes)
            for each in self._passes(region.id, frame):
                yield from self._walk(each)

    def _inside(self, frame: Frame) -> list[Region]:
        around = frame[-1][0] if frame else None
        return [region for region in self.plan.regions if region.parent == around]

    def _passes(self, loop: NodeId, frame: Frame) -> Iterator[Frame]:
        """The passes of a loop that began in `frame`."""
        begun = self.begun((frame, self._regions[loop].entry))
        number = 1
        while begun is not None and begun.how == "fire":
            each = (*frame, (loop, number))
            yield each
            ended = self.ended((each, loop))
            if ended is None or not ended.goes_round:
                return
            number += 1

    def _stand(
        self, frame: Frame, outcomes: dict[Place, Ended | Open], over: int | None, maybe: set[Place]
    ) -> tuple[dict[Place, str], dict[Place, Open]]:
        """Statuses and open places of a frame and what is in it; `over`: when it ended, if it did."""
        statuses: dict[Place, str] = {}
        still: dict[Place, Open] = {}
        for (where, name), found in outcomes.items():
            if where == frame and isinstance(found, Ended):
                statuses[where, name] = found.status
            elif where == frame and isinstance(found, Open) and over is None:
                still[where, name] = found
                if found.is_taken:
                    statuses[where, name] = "failed"
            elif where == frame:
                statuses[where, name] = "cancelled"
        for region in self._inside(frame):
            for each in self._passes(region.id, frame):
                self._stand_pass(each, outcomes, over, maybe, statuses, still)
        return statuses, still

    def _stand_pass(
        self,
        frame: Frame,
        outcomes: dict[Place, Ended | Open],
        over: int | None,
        maybe: set[Place],
        statuses: dict[Place, str],
        still: dict[Place, Open],
    ) -> None:
        """What a pass adds to the frame around it: its results if it has ended, else itself."""
        closing: Place = (frame, frame[-1][0])
        ended = self.ended(closing)
        end = ended.at if ended and not ended.is_fatal else over
        inner, open_inside = self._stand(frame, outcomes, end, maybe)
        if end is None:
            statuses |= inner
            still |= open_inside
            return
        if ended and not ended.is_fatal:
            behind = self._behind(closing, end)
            maybe |= {
                place
                for place, found in outcomes.items()
                if found.at == end and place[0][: len(frame)] == frame and place not in behind
            }
        outer = frame[:-1]
        statuses |= {(outer, name): status for (_, name), status in inner.items()}
        handed_up = {name for where, name in maybe if where[: len(frame)] == frame}
        maybe -= {(outer, name) for (_, name) in inner if name not in handed_up}
        maybe |= {(outer, name) for name in handed_up}

    def _behind(self, place: Place, at: int) -> set[Place]:
        """What surely came before `place` within the instant `at`."""
        found = {place}
        begun = self.begun(place)
        for frame, name in begun.needs if begun and begun.at == at else ():
            ended = self.ended((frame, name))
            if ended is not None and ended.at == at:
                found |= (
                    self._behind_loop(frame, name, at) if self._is_skipped(frame) else self._behind((frame, name), at)
                )
        return found

    def _behind_loop(self, frame: Frame, loop: NodeId, at: int) -> set[Place]:
        region = self._regions[loop]
        return {(frame[:-1], name) for name in region.nodes} | self._behind((frame[:-1], region.entry), at)

    def _is_skipped(self, frame: Frame) -> bool:
        """Whether `frame` is a pass of a loop that was skipped as a whole, so that it never was."""
        begun = self.begun((frame[:-1], self._regions[frame[-1][0]].entry)) if frame else None
        return begun is not None and begun.how != "fire"

    def _once(self, what: str, place: Place, find: Callable[[Place], Any]) -> Any:
        """Find something out once.

        Conditions may ask in circles: how a node ended hangs on what another said before, which is another path to
        the first. What is being found out already then counts as not come about. That is right for the outermost
        question, for whatever comes after its answer has no part in it; it may be wrong for the others, so their
        answers are not kept.
        """
        key = (what, place)
        if key in self._known:
            return self._known[key]
        if key in self._asked:
            self._circles += 1
            return None
        self._asked.add(key)
        circles = self._circles
        found = find(place)
        self._asked.discard(key)
        if circles == self._circles or not self._asked:
            self._known[key] = found
        return found


class _Reads(NamedTuple):
    """What a condition may read."""

    output: Callable[[], Any]
    iteration: int | None
    latest: Callable[[NodeId], Any]


def _same(value: Any) -> Any:
    return value


def _is_retried(node: Node, error: str) -> bool:
    if error in node.retry.no_retry_on:
        return False
    return not node.retry.retry_on or error in node.retry.retry_on
