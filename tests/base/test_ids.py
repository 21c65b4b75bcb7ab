from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from pointsman.base.ids import NODE_ID, ROOT, NodeId, pass_frame, split_frame

LOOPS = st.from_regex(NODE_ID, fullmatch=True).map(NodeId)


@given(st.lists(st.tuples(LOOPS, st.integers(1, 100_000))))
def test_a_frame_names_the_passes_that_it_was_opened_in(passes: list[tuple[NodeId, int]]) -> None:
    # Given a frame opened pass by pass, from the run itself inwards
    frame = reduce(lambda parent, own: pass_frame(parent, *own), passes, ROOT)
    # Then it tells of each of them, the outermost first
    assert split_frame(frame) == passes
