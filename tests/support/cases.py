"""Properties that are asked of thousands of random cases, divided among tests so that processes can share them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

PARTS: Final = 4
CASES: Final = 20
"""How many times the examples of the profile: 2,000, or 100,000 to `make fuzz`, which is the most."""
MOST: Final = 100_000

Property = Callable[[st.DataObject], None]


def thousands(body: Property) -> Callable[[int], None]:
    """Make a property four tests, each of which asks it of its own quarter of the cases."""

    @pytest.mark.parametrize("part", range(PARTS))
    def asked_of(part: int) -> None:
        profile = settings()
        chosen = settings(
            max_examples=min(profile.max_examples * CASES, MOST) // PARTS,
            # Runs that end before anything can be edited are filtered out; so are edits that do not compile.
            suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
            deadline=None,
        )
        asked = chosen(given(st.data())(body))
        (seed(part)(asked) if profile.derandomize else asked)()

    asked_of.__name__, asked_of.__doc__, asked_of.__module__ = body.__name__, body.__doc__, body.__module__
    return asked_of
