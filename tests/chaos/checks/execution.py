"""What was executed, by the journal and by the workers' own ledger."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from pointsman.base.ids import EdgeId, FrameId, NodeId, TokenId, split_pass, split_token, token_id
from pointsman.protocol.output import BLOB_SCHEME, Output
from pointsman.protocol.signal import Completed
from pointsman.protocol.state import OpenToken, Snapshot
from pointsman.step.program import Site, ancestor
from tests.chaos.record import Moment, Run

Found = Iterator[str | tuple[str, int]]
Handed = tuple[TokenId, int]


def completes_once(run: Run) -> Found:
    """No token has two results, no attempt is handed out twice by the journal or executed twice by the workers.

    But with all of Redis went what the journal had not seen: each time an attempt may have been executed that is
    handed out anew.
    """
    completed = [(change.signal.token, change.seq) for change, _ in run.events if isinstance(change.signal, Completed)]
    seen: set[TokenId | None] = set()
    for token, seq in completed:
        if token in seen:
            yield f"{token} is completed a second time", seq
        seen.add(token)
    for (token, attempt), count in Counter(handed for _, handed in _dispatches(run)).items():
        if count > 1:
            yield f"attempt {attempt} of {token} was handed out {count} times"
    for (token, attempt), count in Counter(_lines(run, "handed")).items():
        if count > 1 + len(run.losses):
            yield f"attempt {attempt} of {token} was executed {count} times"


def executes_what_was_handed_out(run: Run) -> Found:
    """Every task that a worker got was handed out by an event of the run, or by one that was lost with Redis."""
    handed = {handed for _, handed in _dispatches(run)}
    for (token, attempt), count in Counter(_lines(run, "handed")).items():
        if (token, attempt) not in handed and count > len(run.losses):
            yield f"a worker executed attempt {attempt} of {token}, which no event handed out"


def is_led_to(run: Run) -> Found:
    """Every node that was activated is one of the plan, and led to by edges whose nodes have ended: by these alone."""
    for moment in run.moments:
        for token, state in moment.change.opened.items():
            if moment.before is None or token not in moment.before.tokens:
                for wrong in _unexplained(moment, token, state):
                    yield wrong, moment.change.seq


def joins_saw_every_edge(run: Run) -> Found:
    """A node with several in-edges was activated when all of them had resolved, or enough where fewer are asked for."""
    for moment in run.moments:
        for token, state in moment.change.opened.items():
            if moment.before is not None and token in moment.before.tokens:
                continue
            site = moment.program.sites.get(split_token(token)[1])
            if site is None or len(site.ins) < 2 or not state.sources:
                continue
            wrong = _unseen(site, _resolved(moment.after, site, token), set(state.sources))
            if wrong:
                yield f"{token} was activated, and {wrong}", moment.change.seq


def keeps_outputs(run: Run) -> Found:
    """Every result is the one that a worker reported for that very attempt, and is what those behind were handed."""
    reported = _by_attempt(run, "reported")
    for change, _ in run.events:
        if not isinstance(change.signal, Completed) or change.signal.token is None:
            continue
        token, attempt = change.signal.token, change.signal.attempt
        result = change.ended.get(token)
        if (token, attempt) not in reported:
            yield f"{token} is completed by attempt {attempt}, which no worker reported", change.seq
        elif result is not None and not any(_is(result.output, data) for data in reported[token, attempt]):
            told = f"the worker reported {reported[token, attempt]}, the journal has {result.output}"
            yield f"{token}, attempt {attempt}: {told}", change.seq
    yield from _wrong_payloads(run)


def _wrong_payloads(run: Run) -> Found:
    payloads = _by_attempt(run, "handed")
    for moment, (token, attempt) in _dispatches(run):
        expected = _payload(moment, token)
        if expected is _UNKNOWN:
            continue
        wrong = [given for given in payloads.get((token, attempt), []) if given != expected]
        if len(wrong) > len(run.losses):
            yield f"attempt {attempt} of {token} was handed {wrong[0]}, and not {expected}", moment.change.seq


_UNKNOWN: Any = object()


def _payload(moment: Moment, token: TokenId) -> Any:
    """What the worker of a token is handed: what it was redriven with, or the outputs of the nodes before."""
    state = moment.change.opened[token]
    if state.payload is not None:
        return _decoded(state.payload)
    if not all(edge in moment.program.edges for edge in state.sources):
        return _UNKNOWN
    found = {moment.program.edges[edge].source: _output_of(moment, token, edge) for edge in state.sources}
    if not found or _UNKNOWN in found.values():
        return _UNKNOWN
    return next(iter(found.values())) if len(found) == 1 else found


def _output_of(moment: Moment, token: TokenId, edge: EdgeId) -> Any:
    """What the node before put out, unless it is a control node, which passes on what it got, or failed."""
    way = moment.program.edges.get(edge)
    if way is None:
        return _UNKNOWN
    site = moment.program.sites[split_token(token)[1]]
    result = moment.after.results.get(token_id(_frame_before(site, token, has_sources=True), way.source))
    if result is None or result.status != "completed" or result.of:
        return _UNKNOWN
    return _decoded(result.output)


def _dispatches(run: Run) -> Iterator[tuple[Moment, Handed]]:
    """Each time that an attempt was put on a task stream."""
    for moment in run.moments:
        for token, state in moment.change.opened.items():
            before = moment.before.tokens.get(token) if moment.before is not None else None
            if state.state == "dispatched" and (before is None or before.dispatched_at is None or _anew(before, state)):
                yield moment, (token, state.attempt)


def _anew(before: OpenToken, after: OpenToken) -> bool:
    return (before.attempt, before.dispatched_at) != (after.attempt, after.dispatched_at)


def _by_attempt(run: Run, what: str) -> dict[Handed, list[Any]]:
    """What the ledger has of each attempt: one line, unless Redis lost that it was handed out."""
    found: dict[Handed, list[Any]] = defaultdict(list)
    for line in run.ledger:
        if line.what == what:
            found[line.token, line.attempt].append(line.data)
    return found


def _lines(run: Run, what: str) -> list[Handed]:
    return [(line.token, line.attempt) for line in run.ledger if line.what == what]


def _unexplained(moment: Moment, token: TokenId, state: OpenToken) -> Iterator[str]:
    frame, node = split_token(token)
    site = moment.program.sites.get(node)
    if site is None:
        yield f"{token} was activated, and the plan has no such node"
        return
    if not state.sources:
        if site.ins and not _begins_pass(site, frame):
            yield f"{token} was activated, and no edge fired it"
        return
    for edge in state.sources:
        way = moment.program.edges.get(edge)
        if way is None or way.target != node:
            yield f"{token} was fired by {edge}, which is no edge of the plan into it"
        elif not _has_ended(moment.after, _frame_before(site, token, has_sources=True), way.source):
            yield f"{token} was fired by {edge}, and {way.source} has not ended"


def _begins_pass(site: Site, frame: FrameId) -> bool:
    """Whether a frame is the second pass or a later one of a loop that begins with this node."""
    return bool(frame) and split_pass(frame)[0] in site.enters and split_pass(frame)[1] > 1


def _has_ended(run: Snapshot, frame: FrameId, node: NodeId) -> bool:
    result = run.results.get(token_id(frame, node))
    return result is not None and result.status in ("completed", "failed")


def _frame_before(site: Site, token: TokenId, *, has_sources: bool) -> FrameId:
    """The frame in which the edges into a token resolved."""
    return ancestor(split_token(token)[0], site.climb if has_sources else 0)


def _resolved(run: Snapshot, site: Site, token: TokenId) -> dict[EdgeId, str]:
    place = token_id(_frame_before(site, token, has_sources=True), site.node.id)
    return dict(run.joins.get(place, {}))


def _unseen(site: Site, resolved: dict[EdgeId, str], sources: set[EdgeId]) -> str:
    """What is wrong with a join that fired; empty if nothing is."""
    live = {edge for edge, how in resolved.items() if how == "live"}
    if not sources <= live:
        return f"its sources are {sorted(sources)}, live are {sorted(live)}"
    mode, needed = site.node.join.mode, site.node.join.count
    missing = [edge.id for edge in site.ins if edge.id not in resolved]
    if mode == "all" and missing:
        return f"{', '.join(missing)} had not resolved"
    if mode == "n" and len(live) < needed:
        return f"{len(live)} edges were live, it waits for {needed}"
    return "" if live else "no edge was live"


def _is(output: Output, reported: Any) -> bool:
    """Whether an output is what was reported; one in the blob store is named by its content."""
    if output.ref is None:
        return bool(_decoded(output) == reported)
    return output.ref == f"{BLOB_SCHEME}{hashlib.sha256(msgspec.json.encode(reported)).hexdigest()}"


def _decoded(output: Output) -> Any:
    """The value of an output as those behind are handed it."""
    if output.ref is not None:
        return {"$ref": output.ref}
    return msgspec.json.decode(output.data) if output.data else None
