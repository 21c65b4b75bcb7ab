"""`wait`: a node that ends when its time has come."""

from __future__ import annotations

from msgspec.structs import replace

from pointsman.base.errors import ExpressionError
from pointsman.base.ids import EdgeId, TimerId, TokenId, split_token
from pointsman.protocol.state import ErrorInfo, OpenToken
from pointsman.step.draft import Draft
from pointsman.step.ending import complete, fail
from pointsman.step.parallel import passed_through
from pointsman.step.program import Site
from pointsman.step.values import bindings, sources_of

MAX_WAIT_MS = 10 * 365 * 24 * 3_600_000


def activate_wait(draft: Draft, site: Site, token: TokenId, edges: tuple[EdgeId, ...]) -> None:
    """Open a token that sleeps; it ends at once where there is nothing to wait for."""
    state = OpenToken("sleeping", sources=edges, activated_at=draft.now)
    draft.set_token(token, state)
    try:
        delay = _delay(draft, site, token)
    except ExpressionError as wrong:
        fail(draft, site, token, ErrorInfo("wait_error", str(wrong)))
        return
    if not delay:
        wake(draft, site, token, state)
        return
    timer = TimerId(f"wait:{token}")
    draft.set_token(token, replace(state, timers={timer: draft.arm(timer, delay)}))


def wake(draft: Draft, site: Site, token: TokenId, state: OpenToken) -> None:
    """The time has come: what the node was fired with is passed on."""
    complete(draft, site, token, passed_through(draft, sources_of(draft, site, token, state.sources)))


def _delay(draft: Draft, site: Site, token: TokenId) -> int:
    wait = site.node.wait
    if not isinstance(wait, str):
        return wait or 0
    expression = draft.program.expression(wait)
    value = expression.evaluate(bindings(draft, expression.references, split_token(token)[0]))
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_WAIT_MS:
        raise ExpressionError(
            "CEL030", f"`{wait}` of node `{site.node.id}` gave {value!r}; a wait is 0 or more milliseconds"
        )
    return int(value)
