"""Redis against the journal: what it held of a run at an instant is what the events up to then come to, key for key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pointsman.adapters.redis.codec import head_fields, timer_member
from pointsman.adapters.redis.packing import Argument
from pointsman.base.ids import TimerId
from pointsman.protocol.state import Snapshot, Timer
from pointsman.step.kept import lines_of_fork, passes_of, record_of, replaced_by
from tests.chaos.record import Kept, Moment, Run

_json = msgspec.json.Encoder().encode
Found = Iterator[str | tuple[str, int]]


def is_the_fold(run: Run) -> Found:
    """Every key of the run, its timers and its tasks."""
    for kept in run.kept:
        seq = int(kept.keys["run"][b"seq"])
        if _was_lost(run, kept, seq):
            continue
        if len(run.moments) < seq:
            yield f"Redis is at event {seq}, the journal ends with {len(run.moments)}"
            continue
        for wrong in _differences(run.moments[:seq], kept):
            yield wrong, seq


def keys_of(moments: list[Moment]) -> dict[str, Any]:
    """The keys of a run after these events, as `lua/README.md` has them; without the entries of its tasks, its epoch,
    and a hold."""
    run = moments[-1].after
    found: dict[str, Any] = {
        "run": _head(moments),
        "counter": str(len(run.tokens)).encode(),
        "ir": run.head.plan.encode(),
        "tokens": {name.encode(): _json(state) for name, state in run.tokens.items()},
        "context": {name.encode(): _json(result) for name, result in run.results.items()},
        "frames": {name.encode(): _json(frame) for name, frame in run.frames.items()},
        "joins": dict(_joins(run)),
        "history": _history(moments),
    }
    return {name: content for name, content in found.items() if content}


def _differences(moments: list[Moment], kept: Kept) -> Iterator[str]:
    expected = keys_of(moments)
    found = {name: _comparable(name, content) for name, content in kept.keys.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield f"{name}: Redis holds {_shown(found.get(name), expected.get(name))}"
    run = moments[-1].after
    timers = dict(_timers(run))
    for member, due in kept.timers.items():
        # A `continue` that was put off is a signal that waits on the clock; the journal knows nothing of it.
        if timers.get(member) != due and member != timer_member(run.head.run_id, "continue", 0).encode():
            yield f"the clock has {member!r} at {due}, and the journal {timers.get(member)}"
    for member in timers.keys() - kept.timers.keys() - kept.fired:
        yield f"the timer {member!r} is neither on the clock nor a signal"
    yield from _of_tasks(run, kept)


def _was_lost(run: Run, kept: Kept, seq: int) -> bool:
    """Whether the events up to there, or the last of them, were lost with Redis: the journal has others."""
    is_older = any(epoch > int(kept.keys["run"][b"epoch"]) for epoch in run.losses)
    return is_older and (len(run.moments) < seq or run.moments[seq - 1].tip != kept.keys["run"][b"tip"].decode())


def _of_tasks(run: Snapshot, kept: Kept) -> Iterator[str]:
    """Each token that is out has the entry it names on its stream, and the run has no other."""
    named = {name: record.partition(b" ")[0] for name, record in kept.keys.get("tokens", {}).items()}
    expected = {
        named.get(name.encode(), b""): f"{run.head.run_id}:{name}:{state.attempt}".encode()
        for name, state in run.tokens.items()
        if state.type
    }
    if dict(kept.tasks) != expected:
        yield f"on the task streams are {dict(kept.tasks)}, and its tokens are out as {expected}"


def _comparable(name: str, content: Any) -> Any:
    if name == "run":
        return {field: value for field, value in content.items() if field not in (b"epoch", b"hold")}
    if name == "tokens":
        return {token: record.partition(b" ")[2] for token, record in content.items()}
    return content


def _shown(found: Any, expected: Any) -> str:
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return f"{found!r}, and not {expected!r}"
    names = [name for name in sorted(found.keys() | expected.keys()) if found.get(name) != expected.get(name)]
    return "; ".join(f"{name!r}: {found.get(name)!r}, and not {expected.get(name)!r}" for name in names[:3])


def _head(moments: list[Moment]) -> dict[bytes, bytes]:
    head = moments[-1].after.head
    flat = head_fields(head)
    fields = {_bytes(name): _bytes(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
    fields |= {b"seq": b"%d" % head.seq, b"tip": head.tip.encode()}
    plans = [moment.before.head.plan for moment in moments if moment.before is not None and moment.change.patch]
    return fields | ({b"plans": " ".join(plans).encode()} if plans else {})


def _joins(run: Snapshot) -> Iterator[tuple[bytes, bytes]]:
    for token, resolved in run.joins.items():
        yield token.encode(), str(len(resolved)).encode()
        for number, (edge, how) in enumerate(resolved.items(), 1):
            yield f"{token} {number}".encode(), f"{how[0]}{edge}".encode()


def _history(moments: list[Moment]) -> dict[bytes, bytes]:
    """In the order in which `write_sections.lua` writes."""
    found: dict[bytes, bytes] = {}
    for moment in moments:
        for gone in replaced_by(moment.change):
            found.pop(gone.encode(), None)
        for token, line in passes_of(moment.change):
            found[token.encode()] = line
        found.update((name.encode(), line) for name, line in lines_of_fork(moment.change))
        record = record_of(moment.change)
        if record is not None:
            name, line = record[0].encode(), record[1]
            found[name] = found[name] + b"\n" + line if name in found else line
    return found


def _timers(run: Snapshot) -> Iterator[tuple[bytes, float]]:
    of_run = {TimerId("run"): run.head.timer} if run.head.timer is not None else {}
    of_tokens: list[Mapping[TimerId, Timer]] = [state.timers for state in run.tokens.values()]
    for timers in (of_run, *of_tokens):
        for name, timer in timers.items():
            if timer.left_ms is None and not run.is_final:
                yield timer_member(run.head.run_id, name, timer.generation).encode(), float(timer.due)


def _bytes(value: Argument) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
