"""The effect of an edit: what it would do to a run, as a preview tells it and a commit is held to (SEMANTICS §8.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from pointsman.base.ids import Digest, EdgeId, TokenId, split_token
from pointsman.protocol.state import RunStatus, Snapshot
from pointsman.protocol.transition import Transition
from pointsman.step import Program, advance
from pointsman.step.join import decide


class Waiting(msgspec.Struct, frozen=True):
    """A join that waits for other edges than before. Empty: it does not wait, or not any more."""

    before: tuple[EdgeId, ...]
    after: tuple[EdgeId, ...]


class Effect(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an edit does besides giving the run another plan. Tokens are `frame:node`, sorted."""

    fired: dict[TokenId, str] = {}
    """Activated by it, each with what became of it at once: dispatched, held, queued, sleeping, completed, failed."""
    cancelled: tuple[TokenId, ...] = ()
    """Open before, and closed by it."""
    restarted: tuple[TokenId, ...] = ()
    """Out before, and handed out anew."""
    skipped: tuple[TokenId, ...] = ()
    """Behind what was already decided otherwise."""
    undone: tuple[TokenId, ...] = ()
    """Skipped, or passed by a control node, before; they may come yet, or went with the loop they were in."""
    waiting: dict[TokenId, Waiting] = {}
    """Joins of which some in-edges have resolved and others are awaited, where those awaited are others now."""
    status: RunStatus | None = None
    """The run's status, where the edit changes it: it ended what the run was waiting for."""

    @property
    def is_empty(self) -> bool:
        """Whether it does nothing to tokens, joins and the run's status."""
        return self == Effect()


def effect_of(old: Program, new: Program, run: Snapshot, change: Transition) -> Effect:
    """What `change`, the transition of an edit from `old` to `new`, does to `run`."""
    after = _after(run, change)
    gone = run.tokens.keys() - after.tokens.keys()
    skipped = {token for token in _ended(run, after) if after.results[token].status == "skipped"}
    return Effect(
        fired=dict(sorted(_fired(run, after))),
        cancelled=tuple(sorted(token for token in gone if token not in skipped)),
        restarted=tuple(sorted(_restarted(run, after))),
        skipped=tuple(sorted(skipped)),
        undone=tuple(sorted(run.results.keys() - after.results.keys() - after.tokens.keys())),
        waiting=dict(sorted(_waiting(old, new, run, after))),
        status=change.status,
    )


def plan_hash(plan: Digest, effect: Effect) -> str:
    """What names an edit's effect: the SHA-256 of the new plan's digest and the effect, whenever it is worked out."""
    return hashlib.sha256(msgspec.json.encode((plan, effect), order="sorted")).hexdigest()


def _after(run: Snapshot, change: Transition) -> Snapshot:
    """The run after the edit; `run` itself is left alone."""
    joins = {token: dict(resolved) for token, resolved in run.joins.items()}
    head = msgspec.structs.replace(run.head)
    after = Snapshot(head, dict(run.tokens), dict(run.results), joins, dict(run.frames))
    advance(after, change, head.tip)
    return after


def _ended(run: Snapshot, after: Snapshot) -> Iterator[TokenId]:
    """Tokens that have ended, or have ended otherwise."""
    for token, result in after.results.items():
        before = run.results.get(token)
        if before is None or before.status != result.status:
            yield token


def _fired(run: Snapshot, after: Snapshot) -> Iterator[tuple[TokenId, str]]:
    for token, state in after.tokens.items():
        if token not in run.tokens:
            yield token, state.state
    for token in _ended(run, after):
        status = after.results[token].status
        if token not in run.tokens and status in ("completed", "failed"):
            yield token, status


def _restarted(run: Snapshot, after: Snapshot) -> Iterator[TokenId]:
    for token, state in after.tokens.items():
        if token in run.tokens and state.attempt > run.tokens[token].attempt:
            yield token


def _waiting(old: Program, new: Program, run: Snapshot, after: Snapshot) -> Iterator[tuple[TokenId, Waiting]]:
    for token in run.joins.keys() | after.joins.keys():
        told = Waiting(_awaited(old, run, token), _awaited(new, after, token))
        if told.before != told.after:
            yield token, told


def _awaited(program: Program, run: Snapshot, token: TokenId) -> tuple[EdgeId, ...]:
    """The in-edges of a join that have not resolved, sorted; none where it has been decided."""
    site = program.sites.get(split_token(token)[1])
    resolved = run.joins.get(token, {})
    if site is None or not resolved or run.is_final or decide(site, list(resolved.values())) is not None:
        return ()
    return tuple(sorted(edge.id for edge in site.ins if edge.id not in resolved))
