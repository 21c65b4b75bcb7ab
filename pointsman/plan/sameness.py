"""When two nodes, or two edges, are the same."""

from __future__ import annotations

import msgspec

from pointsman.plan.model import Node


def is_the_same(before: msgspec.Struct, after: msgspec.Struct) -> bool:
    """Whether two parts are surely the same, which spares a comparison member by member.

    What authors write freely is compared as text: to Python `1`, `1.0` and `true` are equal.
    """
    return before is after or (before == after and _free_text(before) == _free_text(after))


def _free_text(part: msgspec.Struct) -> bytes:
    """What a node's author wrote freely; edges have nothing of the kind."""
    return msgspec.json.encode((part.config, part.metadata)) if isinstance(part, Node) else b""
