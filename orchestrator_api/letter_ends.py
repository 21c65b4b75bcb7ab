"""What becomes of a dead letter: by its kind, and by what its run is like now."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from orchestrator_api.commands import confirm, not_in_redis
from orchestrator_api.deps import DeadLetter, Services
from orchestrator_api.forking import ForkOrder, fork_run, starting
from orchestrator_api.reading import found
from pointsman.base.errors import RequestRefused, RunNotFound
from pointsman.base.ids import RunId, TokenId
from pointsman.execute import stored
from pointsman.ports.dead_letters import LetterFilter, LetterStatus
from pointsman.protocol.output import Output, output_of
from pointsman.protocol.signal import Redrive, Skip
from pointsman.protocol.state import FINAL

_MOST_AT_ONCE: Final = 500
"""Failures of one run that a fork of it does anew."""


class Asked(NamedTuple):
    """Who wants it, and why; with another input, JSON, where there is one."""

    by: str
    reason: str
    input: bytes | None = None


class Redriven(msgspec.Struct, frozen=True):
    """What became of a letter; it is durable."""

    id: str
    status: LetterStatus
    how: Literal["attempt", "fork", "signal", "skip"]
    """attempt: its node has another; fork: a new run does it anew; signal: it was put back; skip: it was given up."""
    run_id: RunId | None
    """The run that goes on with it."""
    attempt: int | None
    """The one that it has now."""
    seq: int | None
    """Of the event that tells it, in its run."""


async def redrive(services: Services, letter: DeadLetter, asked: Asked) -> Redriven:
    """Give a letter another chance.

    Raises:
        RequestRefused: API081 it is settled already; API082 it cannot be redriven as things are.
        Also as `Executor.command` does, and `NotConfirmed`.
    """
    _must_be_open(letter)
    if letter.kind == "rejected":
        return await _put_back(services, letter, asked)
    payload = await _payload(services, asked)
    if not letter.is_parked:
        return await _fork(services, letter, asked, payload)
    run_id, token, attempt = _place(letter)
    seq = await _command(services, letter, Redrive(run_id, token, attempt, payload, asked.by, asked.reason))
    return Redriven(letter.id, "redriven", "attempt", run_id, attempt + 1, seq)


async def give_up(services: Services, letter: DeadLetter, asked: Asked) -> Redriven:
    """Have a parked node count as skipped. Raises as `redrive` does."""
    _must_be_open(letter)
    if not letter.is_parked:
        raise _cannot(letter, "only a node that its run waits for can be given up")
    run_id, token, attempt = _place(letter)
    seq = await _command(services, letter, Skip(run_id, token, attempt, asked.by, asked.reason))
    return Redriven(letter.id, "skipped", "skip", run_id, None, seq)


async def _command(services: Services, letter: DeadLetter, signal: Redrive | Skip) -> int:
    """Have the run take it, and wait until the journal has, and with it the letter's end."""
    try:
        verdict = await services.live.executor.command(signal)
    except RunNotFound:
        raise await not_in_redis(services, signal.run_id) from None
    if verdict.reason == "not_a_task":
        raise _cannot(letter, f"node `{letter.node}` is no task, so it has no attempts; give it up, or cancel its run")
    if not verdict.changed:
        raise _settled(letter, "by now its run does not wait for it any more")
    await confirm(services, signal.run_id, verdict.seq, verdict.tip)
    return verdict.seq


async def _put_back(services: Services, letter: DeadLetter, asked: Asked) -> Redriven:
    """Put a signal back where workers push signals. Whoever dies half-way leaves it to be put back again: a signal that
    comes twice counts once."""
    if asked.input is None and not letter.is_whole:
        raise _cannot(letter, "only the beginning of its signal was kept: send the whole signal as `input`")
    async with services.records.letters.deciding(letter.id) as deciding:
        if deciding is None:
            raise _settled(letter, "somebody else was faster")
        await services.live.pushed.push(asked.input or letter.signal or b"")
        services.crasher.reach("between_push_and_letter")
        await deciding.redriven(asked.by, asked.reason, is_edited=asked.input is not None)
    return Redriven(letter.id, "redriven", "signal", letter.run_id, None, None)


async def _fork(services: Services, letter: DeadLetter, asked: Asked, payload: Output | None) -> Redriven:
    """Begin a new run that does anew what failed for good in a final one: all that did, since each failed the run.

    The id of the new run follows from the letter, so whoever dies half-way leaves a run that is found again.
    """
    run_id, token, _ = _place(letter)
    row = await found(services, run_id)
    if row.status not in FINAL:
        raise _cannot(letter, f"its run is {row.status} still, and goes on without it; wait until that has ended")
    new = RunId(letter.id.replace("dl_", "run_", 1))
    async with services.records.letters.deciding(letter.id) as deciding:
        if deciding is None:
            raise _settled(letter, "somebody else was faster")
        failed = await services.records.letters.page(LetterFilter(run=run_id, status="open"), limit=_MOST_AT_ONCE)
        tokens = {other.token: other.id for other in failed if other.token is not None and other.kind != "rejected"}
        order = ForkOrder(asked.by, asked.reason, tuple(sorted(tokens)), {token: payload} if payload else {}, new)
        try:
            await fork_run(services, await starting(services).origin(run_id), order)
        except RequestRefused as taken:
            if taken.code != "API012":
                raise
        await deciding.redriven(asked.by, asked.reason, is_edited=payload is not None, became=new)
        await deciding.redriven_with(list(tokens.values()), asked.by, asked.reason, new)
    return Redriven(letter.id, "redriven", "fork", new, None, None)


async def _payload(services: Services, asked: Asked) -> Output | None:
    if asked.input is None:
        return None
    limit = services.settings.coordinator.inline_limit_bytes
    return await stored(output_of(asked.input), services.blobs, limit)


def _place(letter: DeadLetter) -> tuple[RunId, TokenId, int]:
    assert letter.run_id is not None
    assert letter.token is not None
    return letter.run_id, letter.token, letter.attempt or 0


def _must_be_open(letter: DeadLetter) -> None:
    if letter.status != "open":
        raise _settled(letter, f"it is {letter.status}")


def _settled(letter: DeadLetter, why: str) -> RequestRefused:
    return RequestRefused("API081", f"the dead letter {letter.id} is settled: {why}; nothing was changed. Look at it.")


def _cannot(letter: DeadLetter, why: str) -> RequestRefused:
    return RequestRefused("API082", f"the dead letter {letter.id} was left as it is: {why}.")
