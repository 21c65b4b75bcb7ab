from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.base.reaching import reached

PLACES = st.integers(0, 6)


@given(st.sets(PLACES), st.sets(st.tuples(PLACES, PLACES)))
def test_what_is_reached_is_the_least_that_no_step_leads_out_of(starts: set[int], edges: set[tuple[int, int]]) -> None:
    # When the edges are followed
    found = reached(starts, lambda place: [target for source, target in edges if source == place])
    # Then it is what comes of taking every step again and again until nothing is new
    expected = set(starts)
    for _ in range(7):
        expected |= {target for source, target in edges if source in expected}
    assert found == expected
