"""What may be in Redis once every run has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

BELONGS: Final = frozenset(
    {"epoch", "wf.server", "wf.types", "wf.workers"}
    | {f"wf.{role}{what}" for role in ("coordinator", "supervisor") for what in ("", "s", "s.changes")}
)
"""With more than one partition, who serves it and who there is."""
PASSING: Final = ("worker:", "ended:")
"""Begin the keys that go by themselves: leases, and signs that a run has ended."""


def is_left_behind(found: Mapping[str, Any]) -> Iterator[str]:
    """Everything in a dump that should have gone with the runs: state, counters, backlog, timers, uses of plans."""
    for name, content in sorted(found.items()):
        own = name.rpartition("}")[2]
        if content and own not in BELONGS and not own.startswith(PASSING):
            yield f"Redis still has {name}: {_brief(content)}"


def _brief(content: Any) -> str:
    text = repr(content)
    return text if len(text) < 300 else f"{text[:300]}…"
