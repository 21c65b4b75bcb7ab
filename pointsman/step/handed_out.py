"""What the worker of an open token was handed, or would be: derived anew, since no event repeats it."""

from __future__ import annotations

from pointsman.base.ids import Millis, TokenId
from pointsman.protocol.output import Output
from pointsman.protocol.state import Snapshot
from pointsman.step.draft import Draft, node_of
from pointsman.step.program import Program
from pointsman.step.task import payload_for


def input_of(program: Program, run: Snapshot, token: TokenId) -> Output | None:
    """The payload of an open token's task; None where it is not open, or no task."""
    state, site = run.tokens.get(token), program.sites.get(node_of(token))
    if state is None or site is None or site.node.kind != "task":
        return None
    return payload_for(Draft(program, run, Millis(0)), site, token, state)
