"""What may be in Redis once every run has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

BELONGS: Final = frozenset({"epoch", "wf.types", "wf.workers"})
LEASES: Final = "worker:"


def is_left_behind(found: Mapping[str, Any]) -> Iterator[str]:
    """Everything in a dump that should have gone with the runs: state, counters, backlog, timers, uses of plans."""
    for name, content in sorted(found.items()):
        if content and name not in BELONGS and not name.startswith(LEASES):
            yield f"Redis still has {name}: {_brief(content)}"


def _brief(content: Any) -> str:
    text = repr(content)
    return text if len(text) < 300 else f"{text[:300]}…"
