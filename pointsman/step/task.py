"""`task`: a node that a worker executes. Activation, dispatch, and what a worker reports (SEMANTICS §5, §6)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pointsman.base.errors import ExpressionError
from pointsman.base.ids import EdgeId, Millis, TimerId, TokenId, job_id, split_token
from pointsman.protocol.output import Output
from pointsman.protocol.state import ErrorInfo, OpenToken, Result, Timer
from pointsman.protocol.task import Task, encode_task
from pointsman.protocol.transition import Dispatch
from pointsman.step.draft import MAX_DISPATCHES, Draft
from pointsman.step.ending import complete, fail
from pointsman.step.program import Site
from pointsman.step.values import bindings, context_of, payload_of, sources_of


def activate_task(draft: Draft, site: Site, token: TokenId, edges: tuple[EdgeId, ...]) -> None:
    """Open a token for the node and hand it to a worker, or keep it where the run is paused."""
    timers: dict[TimerId, Timer] = {}
    if site.node.deadline_ms is not None:
        timer = TimerId(f"deadline:{token}")
        timers[timer] = draft.arm(timer, site.node.deadline_ms)
    first = _first_attempt(draft, token)
    state = OpenToken("held", first, min_attempt=first, sources=edges, activated_at=draft.now, timers=timers)
    draft.set_token(token, state)
    dispatch(draft, site, token, state)


def _first_attempt(draft: Draft, token: TokenId) -> int:
    """1, unless an edit took the node away and another brought it back: then what was out before stays late."""
    buried = draft.result(token)
    return buried.attempt + 1 if buried is not None else 1


def dispatch(draft: Draft, site: Site, token: TokenId, state: OpenToken) -> None:
    """Put the current attempt of an open token on its stream.

    While the run is paused it is held instead; past what one transition may emit it is queued.
    """
    if draft.is_paused or len(draft.dispatches) >= MAX_DISPATCHES:
        draft.more = draft.more or not draft.is_paused
        draft.set_token(token, replace(state, state="held" if draft.is_paused else "queued", type=""))
        return
    try:
        config = _config(draft, site, token)
    except ExpressionError as wrong:
        fail(draft, site, token, ErrorInfo("template_error", str(wrong)), attempt=state.attempt)
        return
    state = _sent(draft, site, token, state)
    draft.set_token(token, state)
    body = encode_task(_task(draft, site, token, state, config))
    draft.dispatches[token] = Dispatch(token, site.node.type, site.node.id, body)


def completed(draft: Draft, site: Site, token: TokenId, state: OpenToken, attempt: int, output: Output) -> None:
    """A worker finished. The first completion wins, whichever attempt it came from."""
    complete(draft, site, token, Result("completed", attempt, state.activated_at, draft.now, output))


def _config(draft: Draft, site: Site, token: TokenId) -> Any:
    if site.node.config is None:
        return None
    template = draft.program.template(site)
    return template.render(bindings(draft, template.references, split_token(token)[0]))


def _sent(draft: Draft, site: Site, token: TokenId, state: OpenToken) -> OpenToken:
    """The token as it stands once this attempt is out."""
    timers = state.timers
    if site.node.timeout_ms is not None:
        timer = TimerId(f"timeout:{token}")
        timers = {**timers, timer: draft.arm(timer, site.node.timeout_ms)}
    return OpenToken(
        "dispatched",
        state.attempt,
        site.node.type,
        state.min_attempt,
        state.deliveries,
        state.sources,
        state.activated_at,
        draft.now,
        timers,
        payload=state.payload,
    )


def _task(draft: Draft, site: Site, token: TokenId, state: OpenToken, config: Any) -> Task:
    frame, node = split_token(token)
    run = draft.run.head
    sources = sources_of(draft, site, token, state.sources)
    payload = payload_for(draft, site, token, state)
    return Task(
        id=token,
        job_id=job_id(run.run_id, token, state.attempt),
        run_id=run.run_id,
        node_id=node,
        to_node=node,
        type=site.node.type,
        attempt=state.attempt,
        hop=draft.seq,
        created_at=draft.now,
        from_node=split_token(sources[0])[1] if sources else None,
        payload=payload.data,
        payload_ref=payload.ref,
        config=config,
        context=context_of(draft, frame, site.node.context) if site.node.context else {},
        deadline=_deadline(state),
        metadata=site.node.metadata,
    )


def payload_for(draft: Draft, site: Site, token: TokenId, state: OpenToken) -> Output:
    """What the worker of an open token is handed: another input if somebody gave it one, else what fired it."""
    return state.payload or payload_of(draft, sources_of(draft, site, token, state.sources))


def _deadline(state: OpenToken) -> Millis | None:
    """When this attempt must be done: the nearest of its timers."""
    return min((timer.due for timer in state.timers.values()), default=None)
