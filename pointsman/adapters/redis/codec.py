"""Transitions as the scripts take them: flat sections of tokens and records, in the order of `write_sections.lua`.

Records are JSON that Lua hands on as it is. Nothing here talks to Redis.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Final, NamedTuple

import msgspec

from pointsman.adapters.redis.packing import Argument
from pointsman.base.ids import RunId
from pointsman.protocol.output import Output
from pointsman.protocol.signal import WireSignal, encode_wire
from pointsman.protocol.state import FINAL, RunHead, Snapshot
from pointsman.protocol.transition import Transition
from pointsman.step.kept import lines_of_fork, passes_of, record_of, replaced_by
from pointsman.step.past import clock_of

_json: Final = msgspec.json.Encoder().encode
_COUNTS: Final = Struct(">21I").pack
_NOTHING: Final[Mapping[str, bytes]] = {}


class Layout(NamedTuple):
    """What a transition writes: `tokens_made`, `passes_made` and the lengths of the sections, the sections, and the
    task types that the sections number, from 1."""

    counts: bytes
    sections: list[Argument]
    types: dict[str, int]


def lay_out(change: Transition, fields: list[Argument], history: Mapping[str, bytes] = _NOTHING) -> Layout:
    """Lay out a transition; `fields` are those of the run that it changes, each followed by its value.

    `history` is what a run that is written back has besides.
    """
    args: list[Argument] = []
    types: dict[str, int] = {}
    for token, task_type in change.withdrawn.items():
        args += (token, types.setdefault(task_type, len(types) + 1))
    args += change.closed
    kept, opened = _tokens(change, args)
    for dispatch in change.dispatches:
        token, state = dispatch.token, change.opened[dispatch.token]
        number = types.setdefault(dispatch.type, len(types) + 1)
        job = f"{change.run_id}:{token}:{state.attempt}"
        args += (token, _json(state), number, dispatch.node, job, dispatch.body)
    args += change.forgotten
    for token, result in change.ended.items():
        args += (token, _json(result))
    joined = _joins(change, args) if change.joined or change.unjoined else 0
    replaced = passes = 0
    if change.frames or change.frames_ended or change.erased or change.kept:
        replaced, passes = _frames(change, args)
    for field, lines in history.items():
        args += (field, lines)
        passes += 1
    record = record_of(change)
    if record is not None:
        args += record
    if change.disarmed or change.armed:
        _timers(change, args)
    for message in change.messages:
        args += (message.id, message.kind, _json(message.body))
    if change.more:
        args.append(_continue(change.run_id))
    args += fields
    counts = _COUNTS(
        change.tokens_made,
        change.passes_made,
        len(change.withdrawn),
        len(change.closed),
        kept,
        opened,
        len(change.dispatches),
        len(change.forgotten),
        len(change.ended),
        len(change.unjoined),
        joined,
        len(change.frames_ended),
        len(change.frames),
        replaced,
        passes,
        record is not None,
        len(change.disarmed),
        len(change.armed),
        len(change.messages),
        change.more,
        len(fields) // 2,
    )
    return Layout(counts, args, types)


def lay_out_whole(run: Snapshot, history: Mapping[str, bytes], last: Transition) -> Layout:
    """Lay out all there is of a run; `last` is the transition that it is the result of."""
    whole = Transition(
        last.run_id,
        last.seq,
        last.prev,
        last.at,
        last.cause,
        opened=run.tokens,
        ended=run.results,
        joined=run.joins,
        frames=run.frames,
        armed=clock_of(run),
        messages=last.messages,
        more=last.more,
        dispatches=last.dispatches,
    )
    return lay_out(whole, head_fields(run.head), history)


def changed_fields(change: Transition) -> list[Argument]:
    """The fields of a run that a transition changes, seq, tip and the sums aside."""
    fields: list[Argument] = []
    if change.status is not None:
        fields += ("status", change.status)
        if change.status in FINAL:
            fields += ("ended_at", change.at, *_output("output", change.output))
    if change.error is not None:
        fields += ("error", _json(change.error))
    if change.timer is not None:
        fields += ("timer", _json(change.timer))
    if change.failed:
        fields += ("failed", 1)
    if change.patch is not None:
        patch = change.patch
        fields += ("revision", patch.revision, "plan", patch.plan, "definition", patch.definition)
    return fields


def head_fields(head: RunHead) -> list[Argument]:
    """All the fields of a run, seq and tip aside; those that hold their default are left out."""
    fields: list[Argument] = ["status", head.status, "revision", head.revision, "created_at", head.created_at]
    fields += ("workflow", head.workflow, "plan", head.plan, "definition", head.definition, "engine", head.engine)
    fields += ("tokens_made", head.tokens_made, *_output("input", head.input), *_output("output", head.output))
    for name, value in (("passes_made", head.passes_made), ("ended_at", head.ended_at)):
        if value:
            fields += (name, value)
    if head.failed:
        fields += ("failed", 1)
    if head.protocol != 1:
        fields += ("protocol", head.protocol)
    records = {"error": head.error, "timer": head.timer, "metadata": head.metadata, "forked": head.forked}
    for name, record in records.items():
        if record is not None:
            fields += (name, _json(record))
    return fields


def timer_member(run: RunId, timer: str, generation: int) -> str:
    """A timer on the clock of all runs."""
    return f"{run} {timer} {generation}"


def _tokens(change: Transition, args: list[Argument]) -> tuple[int, int]:
    """Tokens that were opened or changed and not dispatched: those whose task stays out, and those without one."""
    if len(change.opened) == len(change.dispatches):
        return 0, 0
    sent = {dispatch.token for dispatch in change.dispatches}
    kept: list[Argument] = []
    opened: list[Argument] = []
    for token, state in change.opened.items():
        if token in sent:
            continue
        if state.type and token not in change.withdrawn:
            kept += (token, _json(state))
        else:
            opened += (token, b"- " + _json(state))
    args += kept
    args += opened
    return len(kept) // 2, len(opened) // 2


def _joins(change: Transition, args: list[Argument]) -> int:
    args += change.unjoined
    before = len(args)
    for token, edges in change.joined.items():
        for edge, how in edges.items():
            args += (token, how[0] + edge)
    return (len(args) - before) // 2


def _frames(change: Transition, args: list[Argument]) -> tuple[int, int]:
    args += change.frames_ended
    for frame, state in change.frames.items():
        args += (frame, _json(state))
    replaced, passes = replaced_by(change), [*passes_of(change), *lines_of_fork(change)]
    args += replaced
    for field, line in passes:
        args += (field, line)
    return len(replaced), len(passes)


def _timers(change: Transition, args: list[Argument]) -> None:
    for timer, generation in change.disarmed.items():
        args.append(timer_member(change.run_id, timer, generation))
    for timer, armed in change.armed.items():
        args += (armed.due, timer_member(change.run_id, timer, armed.generation))


def _continue(run: RunId) -> bytes:
    return encode_wire(WireSignal("continue", run_id=run))


def _output(name: str, output: Output) -> list[Argument]:
    fields: list[Argument] = []
    data = bytes(output.data)
    if data:
        fields += (name, data)
    if output.ref is not None:
        fields += (f"{name}_ref", output.ref)
    return fields
