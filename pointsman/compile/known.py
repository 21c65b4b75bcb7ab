"""What was found out about parts of definitions, kept for the next definition that has them."""

from __future__ import annotations

from typing import Final

from pointsman.base.memo import Memo
from pointsman.compile.assemble import node_of
from pointsman.definition import Forms
from pointsman.definition import Node as NodeForm
from pointsman.expr import Engine, Mixed

MOST: Final = 20_000
"""Nodes of which something is kept."""


class Known:
    """What compiling by one engine made of single nodes and edges, which does not depend on what is around them."""

    def __init__(self, engine: Engine) -> None:
        self.forms = Forms()
        self.node = Memo(node_of, MOST)
        """The plan's node."""
        self.strings = Memo[NodeForm, tuple[Mixed, ...]](lambda form: engine.template(form.config).strings, MOST)
        """What of a node's config has expressions in it."""
