"""Completion: a run whose open count reached zero in this very transition is done (SEMANTICS §2, §5)."""

from __future__ import annotations

import msgspec

from pointsman.base.errors import ExpressionError
from pointsman.base.ids import ROOT, token_id
from pointsman.protocol.output import Output
from pointsman.protocol.state import ErrorInfo
from pointsman.step.draft import RUN_TIMER, Draft
from pointsman.step.values import bindings, compose


def settle(draft: Draft) -> None:
    """End the run where nothing of it is open any more; take its own timer off the clock wherever it ended."""
    if not draft.is_over and draft.open_count() == 0:
        _end(draft)
    if draft.is_over and draft.run.head.timer is not None:
        draft.disarm(RUN_TIMER, draft.run.head.timer)


def _end(draft: Draft) -> None:
    if draft.failed or draft.run.head.failed:
        draft.status, draft.error = "FAILED", draft.error or draft.run.head.error
        return
    try:
        draft.output = _output(draft)
        draft.status = "COMPLETED"
    except ExpressionError as wrong:
        draft.status, draft.error = "FAILED", ErrorInfo("output_error", f"metadata.output: {wrong}")


def _output(draft: Draft) -> Output:
    """What `metadata.output` says, else the outputs of the end nodes that completed."""
    source = draft.program.plan.output
    if source is not None:
        expression = draft.program.expression(source)
        value = expression.evaluate(bindings(draft, expression.references, ROOT))
        return Output(msgspec.Raw(msgspec.json.encode(value)))
    ends = [token_id(ROOT, site.node.id) for site in draft.program.ends]
    done = [(token, draft.result(token)) for token in ends]
    return compose(draft, tuple(token for token, result in done if result is not None and result.status == "completed"))
