"""Which rounds are played: short ones by the tests, long ones by `make chaos`."""

from __future__ import annotations

from typing import Final

from tests.chaos.campaign import Round
from tests.chaos.load import Amount
from tests.chaos.schedule import KindName
from tests.support.topology import Topology

COORDINATORS: Final = ("coordinator", "coordinator2")
KILLS: Final[tuple[KindName, ...]] = ("kill",)
SHORT: Final = "pytest tests/chaos/test_short_forms.py"
EDITS_EVERY: Final = 3
"""So often a round of the long form is one of edits; the others know every fault."""


def short_edits(seed: int) -> Round:
    """Editors at work while both coordinators are killed again and again."""
    amount = Amount(runs=60, starts_per_s=60, edits_per_s=50, longest_ms=700)
    return Round("short edits", seed, 6, amount, 1.0, COORDINATORS, KILLS, again=SHORT)


def short_everything(seed: int) -> Round:
    """Every fault, and a few editors."""
    amount = Amount(runs=45, starts_per_s=8, edits_per_s=8, pauses_per_s=3, forks_per_s=2, longest_ms=150)
    return Round("short everything", seed, 7, amount, 3, again=SHORT)


def long_round(seed: int, topology: Topology = "one") -> Round:
    """What `make chaos` plays for a seed: 500 runs under 50 edits a second, or every fault."""
    again = f"make chaos SEED={seed} MINUTES=0 TOPOLOGY={topology}"
    if seed % EDITS_EVERY == 0:
        amount = Amount(runs=500, starts_per_s=100, edits_per_s=50, longest_ms=5_000)
        return Round("edits", seed, 30, amount, 0.5, COORDINATORS, KILLS, again=again)
    amount = Amount(runs=200, starts_per_s=8, edits_per_s=10, pauses_per_s=3, forks_per_s=1.5, longest_ms=400)
    return Round("everything", seed, 30, amount, 2.5, again=again)
