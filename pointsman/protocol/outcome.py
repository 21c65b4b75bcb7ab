"""What apply answers. Expected outcomes are values, not errors (SEMANTICS §2)."""

from __future__ import annotations

from typing import Literal

Outcome = Literal["applied", "stale", "closed", "held", "fenced", "missing"]
"""
applied: written, all of it. stale: the run's tip is another one, reload and step again. closed: the run is final.
held: an edit is landing, try again within 50 ms. fenced: Redis lost state, wait for recovery. missing: Redis holds no
run of that id (it is final and cleaned up, or never was).
"""

StartOutcome = Literal["started", "exists", "late", "fenced", "refused", "busy"]
"""
exists: a run of that id is there already, unchanged, or has just ended. late: it came so late that the run may have run
already; nothing was written. refused: memory is above the soft limit. busy: too many tasks wait where its first ones
would; it waits for its turn.
"""
