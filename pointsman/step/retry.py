"""Attempts that failed: tried again, or the end of their node (SEMANTICS §6)."""

from __future__ import annotations

import hashlib

from msgspec.structs import replace

from pointsman.base.ids import TimerId, TokenId
from pointsman.plan import Retry
from pointsman.protocol.state import ErrorInfo, OpenToken
from pointsman.step.draft import Draft
from pointsman.step.ending import fail
from pointsman.step.program import Site
from pointsman.step.task import dispatch


def attempt_failed(
    draft: Draft,
    site: Site,
    token: TokenId,
    state: OpenToken,
    error: ErrorInfo,
    *,
    retryable: bool = True,
    recorded: bool | None = None,
) -> None:
    """One attempt failed: back off and try again while the policy allows, else the node has failed.

    `recorded` is what was decided when this happened, if it is replayed: a fact, whatever the policy says by now.
    """
    retry = site.node.retry
    allowed = retryable and state.attempt < retry.max_attempts and _is_retried(retry, error.type)
    draft.retried = allowed if recorded is None else recorded
    if not draft.retried:
        fail(draft, site, token, error, timed_out=error.type == "timeout", attempt=state.attempt)
        return
    attempt_over(draft, token, state)
    timer = TimerId(f"retry:{token}")
    delay = backoff_ms(retry, token, state.attempt)
    kept = {name: armed for name, armed in state.timers.items() if name.startswith("deadline:")}
    waiting = replace(state, state="backing_off", attempt=state.attempt + 1, type="", error=error, dispatched_at=None)
    draft.set_token(token, replace(waiting, timers={**kept, timer: draft.arm(timer, delay)}))
    draft.note("node_retrying", token, {"attempt": state.attempt, "error": error.type, "delay_ms": delay})


def attempt_over(draft: Draft, token: TokenId, state: OpenToken) -> None:
    """Take the attempt's own timers off the clock; the node's deadline runs on."""
    for name, armed in state.timers.items():
        if not name.startswith("deadline:"):
            draft.disarm(name, armed)


def try_again(draft: Draft, site: Site, token: TokenId, state: OpenToken) -> None:
    """A backoff is over: the next attempt goes out."""
    kept = {name: armed for name, armed in state.timers.items() if name.startswith("deadline:")}
    dispatch(draft, site, token, replace(state, timers=kept, error=None))


def worker_lost(
    draft: Draft, site: Site, token: TokenId, state: OpenToken, worker: str, *, recorded: bool | None = None
) -> None:
    """A worker died holding the token: hand it out again, unless it has cost too many workers already.

    `recorded` is as in `attempt_failed`.
    """
    lost = state.deliveries + 1
    draft.retried = lost < site.node.max_deliveries if recorded is None else recorded
    draft.note("worker_lost", token, {"worker": worker, "attempt": state.attempt})
    if not draft.retried:
        told = f"{lost} workers were lost over it, max_deliveries is {site.node.max_deliveries}"
        fail(draft, site, token, ErrorInfo("poison", told), attempt=state.attempt)
        return
    attempt_over(draft, token, state)
    kept = {name: armed for name, armed in state.timers.items() if name.startswith("deadline:")}
    again = replace(state, attempt=state.attempt + 1, deliveries=lost, timers=kept, state="queued", type="")
    draft.set_token(token, again)
    dispatch(draft, site, token, again)


def task_lost(draft: Draft, site: Site, token: TokenId, state: OpenToken) -> None:
    """The task of an attempt is gone: hand the token out again. It costs the node neither a retry nor a worker."""
    attempt_over(draft, token, state)
    kept = {name: armed for name, armed in state.timers.items() if name.startswith("deadline:")}
    again = replace(state, attempt=state.attempt + 1, timers=kept, state="queued", type="")
    draft.set_token(token, again)
    dispatch(draft, site, token, again)


def backoff_ms(retry: Retry, token: TokenId, attempt: int) -> int:
    """The pause after `attempt`. Its jitter comes from token and attempt, so that replay finds the same."""
    exponent = min(attempt - 1, 64)
    full = min(retry.backoff_ms * retry.backoff_multiplier**exponent, float(retry.max_backoff_ms))
    if not retry.jitter:
        return int(full)
    draw = hashlib.blake2b(f"{token}#{attempt}".encode(), digest_size=4).digest()
    share = int.from_bytes(draw, "big") / 0xFFFFFFFF
    return int(full * (1 - retry.jitter * share))


def _is_retried(retry: Retry, error_type: str) -> bool:
    if error_type in retry.no_retry_on:
        return False
    return not retry.retry_on or error_type in retry.retry_on
