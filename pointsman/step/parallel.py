"""`parallel`, and every other control node that only passes on what it was fired with: it ends as it begins."""

from __future__ import annotations

from pointsman.base.ids import TokenId
from pointsman.protocol.output import EMPTY
from pointsman.protocol.state import Result
from pointsman.step.draft import Draft


def passed_through(draft: Draft, sources: tuple[TokenId, ...]) -> Result:
    """A result whose output is that of its sources; at a start node, the run's input."""
    output = EMPTY if sources else draft.run.head.input
    if len(sources) == 1 and (source := draft.result(sources[0])) is not None and source.of:
        sources = source.of  # or a long chain of control nodes would have to be followed link by link
    return Result("completed", 1, draft.now, draft.now, output, sources)
