"""`conditional`, and any node with conditions on its out-edges: which of them are taken (SEMANTICS §3.1, §3.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pointsman.base.errors import ExpressionError
from pointsman.base.ids import TokenId, split_token
from pointsman.plan import Edge, Route
from pointsman.protocol.state import Resolution
from pointsman.step.draft import Draft
from pointsman.step.values import OutputLost, bindings

MAX_SHOWN = 1_024
"""Bytes of the values a failed condition read that its note keeps."""


class ConditionsFailed(Exception):
    """Conditions raised, none was true, and no edge stands without one; or what one reads is lost: the node fails."""


def choose(
    draft: Draft, route: Route, edges: Sequence[Edge], token: TokenId, output: Callable[[], Any]
) -> list[tuple[Edge, Resolution]]:
    """Resolve `edges`, all candidates, by their conditions.

    Raises:
        ConditionsFailed: See there.
    """
    holds = _Conditions(draft, token, output)
    taken = _all_true(edges, holds) if route == "all" else _first_true(edges, holds)
    if not taken and edges:
        if holds.raised:
            raise ConditionsFailed
        draft.note("no_branch_taken", token)
    return [(edge, "live" if edge.id in taken else "dead") for edge in edges]


def _all_true(edges: Sequence[Edge], holds: _Conditions) -> set[str]:
    return {edge.id for edge in edges if edge.when is None or holds(edge)}


def _first_true(edges: Sequence[Edge], holds: _Conditions) -> set[str]:
    """The first group whose condition is true; edges with the same condition form one group."""
    for edge in edges:
        if edge.when is not None and holds(edge):
            return {other.id for other in edges if other.when == edge.when}
    return {edge.id for edge in edges if edge.when is None}


class _Conditions:
    """Answers whether an edge's condition holds, each expression evaluated once; one that raises counts as false."""

    def __init__(self, draft: Draft, token: TokenId, output: Callable[[], Any]) -> None:
        self._draft = draft
        self._token = token
        self._output = output
        self._known: dict[str, bool] = {}
        self.raised = False

    def __call__(self, edge: Edge) -> bool:
        source = edge.when or "true"
        if source not in self._known:
            held = evaluate_condition(self._draft, source, self._token, self._output, edge.id)
            self.raised = self.raised or held is None
            self._known[source] = bool(held)
        return self._known[source]


def evaluate_condition(draft: Draft, source: str, token: TokenId, output: Callable[[], Any], where: str) -> bool | None:
    """Whether a condition holds; None where it raised, which a `condition_failed` note then tells.

    Raises:
        ConditionsFailed: What it reads is lost: nobody knows whether it holds, so nothing follows from it.
    """
    expression, values = None, {}
    try:
        expression = draft.program.expression(source)
        values = bindings(draft, expression.references, split_token(token)[0])
        if "output" in expression.references.variables:
            values["output"] = output()
        return expression.test(values)
    except ExpressionError as wrong:
        read = expression.values_read(values) if expression is not None else {}
        shown = msgspec.json.encode(read)[:MAX_SHOWN].decode(errors="replace")
        detail = {"where": where, "expression": source, "error": str(wrong), "values": shown}
        draft.note("condition_failed", token, detail)
        if isinstance(wrong, OutputLost):
            raise ConditionsFailed from wrong
        return None
