"""The table of SEMANTICS §8: what may be changed of a node, by how far it has come."""

from __future__ import annotations

import pytest

from tests.support.edit_table import CHANGES, STATES, table

YES = "yes"
RESTART = "EDT024, or `restart`"
CANCEL = "EDT021, or `cancel`"

WANTED = {
    #                                 not activated, held back, waiting, running, ended, skipped
    "change its config": (YES, YES, YES, RESTART, "EDT028", "EDT028"),
    "change its type": (YES, YES, YES, RESTART, "EDT028", "EDT028"),
    "change its retry": (YES, YES, YES, YES, "EDT027", "EDT027"),
    "change its timeout": (YES, YES, YES, YES, "EDT027", "EDT027"),
    "change its metadata": (YES, YES, YES, YES, "EDT027", "EDT027"),
    "change its join": (YES, YES, YES, YES, YES, YES),
    "remove it": (YES, YES, YES, CANCEL, "EDT028", YES),
    "add an edge into it": (YES, YES, YES, CANCEL, "EDT021", YES),
    "add an edge out of it": (YES, YES, YES, YES, YES, YES),
    "lead another way into it": (YES, YES, YES, CANCEL, "EDT021", YES),
    "put a false condition before it": (YES, YES, YES, CANCEL, "EDT021", YES),
    "move it into a loop": (YES, YES, YES, CANCEL, "EDT028", "EDT028"),
}
"""Where the design's table says "refused" of a skip that nothing rests on, the rule it is drawn from takes the edit."""


@pytest.mark.parametrize("change", CHANGES)
def test_what_may_be_changed_follows_from_how_far_the_node_has_come(change: str) -> None:
    # Given a node in each state
    # When it is edited
    found = table()[change]
    # Then the verdict is the one the design gives
    assert found == dict(zip(STATES, WANTED[change], strict=True))
