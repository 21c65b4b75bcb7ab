"""Gates: the `conditional` nodes before what is executed only under a condition."""

from __future__ import annotations

from collections.abc import Collection

from pointsman.edit.patterns.rewrite import Rewrite


def gate_for(work: Rewrite, wanted: str | None, node: str, coming: Collection[str] = ()) -> str:
    """The id of a new gate: the one wanted, or one made from the id of a node behind it.

    Args:
        work: The definition.
        wanted: What the request says.
        node: A node behind the gate.
        coming: Ids that other new nodes have.

    Raises:
        EditRefused: EDT045, the wanted one is taken, or is no id.
    """
    if wanted is None:
        return work.free_name(f"{node}-gate", coming)
    work.need_new(wanted, "/gate", coming)
    return wanted
