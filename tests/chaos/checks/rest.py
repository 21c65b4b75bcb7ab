"""What may be in Redis once every run has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

BELONGS: Final = frozenset({"epoch", "wf.server", "wf.types", "wf.workers"})
PASSING: Final = ("worker:", "ended:")
"""Begin the keys that go by themselves: leases, and signs that a run has ended."""


def is_left_behind(found: Mapping[str, Any]) -> Iterator[str]:
    """Everything in a dump that should have gone with the runs: state, counters, backlog, timers, uses of plans."""
    for name, content in sorted(found.items()):
        if content and name not in BELONGS and not name.startswith(PASSING):
            yield f"Redis still has {name}: {_brief(content)}"


def _brief(content: Any) -> str:
    text = repr(content)
    return text if len(text) < 300 else f"{text[:300]}…"
