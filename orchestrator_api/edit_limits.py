"""The limits of this installation, asked before each edit: what patches may make of one run (SEMANTICS §8.6)."""

from __future__ import annotations

import json
from typing import Any

from orchestrator_api.compiling import Changed
from orchestrator_api.deps import Records
from orchestrator_api.revisions import patches_up_to
from pointsman.base.errors import EditRefused, Problem
from pointsman.base.ids import Digest
from pointsman.definition import Document, Operation
from pointsman.edit.limits import Limits, Spent, agent_nodes_added, check_limits
from pointsman.protocol.state import RunHead
from pointsman.settings import EditSettings


class EditLimits:
    """What the settings allow."""

    def __init__(self, settings: EditSettings) -> None:
        self._limits = Limits(
            max_operations=settings.max_operations,
            max_patches=settings.max_patches,
            max_nodes=settings.max_nodes,
            node_types=settings.node_types,
            max_agent_nodes=settings.max_agent_nodes,
        )

    def check_size(self, operations: list[Operation], document: Document) -> None:
        """Refuse a patch that has too many operations before any is carried out. Raises `EditRefused` EDT051."""
        _refuse(check_limits(self._limits, operations, document, document))

    async def check(self, records: Records, head: RunHead, changed: Changed) -> None:
        """Refuse what goes beyond them.

        Raises:
            EditRefused: EDT051 to EDT055.
            ServerUnavailable: SRV062, the journal is behind.
        """
        before, after = changed.before, changed.after
        # Most patches bring no agents: then what earlier ones brought is not asked for.
        agents = await _agents(records, head) if agent_nodes_added(before, after) else 0
        _refuse(check_limits(self._limits, changed.operations, before, after, Spent(head.revision - 1, agents)))


async def _agents(records: Records, head: RunHead) -> int:
    """How many agents the patches of a run have brought so far."""
    brought = 0
    for patch in await patches_up_to(records, head):
        before, after = await _document(records, patch.base_definition), await _document(records, patch.definition)
        brought += agent_nodes_added(before, after)
    return brought


async def _document(records: Records, digest: Digest) -> dict[str, Any]:
    stored = await records.documents.definition(digest)
    assert stored is not None, "what a patch points at is stored"
    document: dict[str, Any] = json.loads(stored)
    return document


def _refuse(problems: list[Problem]) -> None:
    if problems:
        more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
        told = f"{problems[0].message}{more} The patch was refused; nothing changed."
        raise EditRefused(problems[0].code, told, problems=tuple(problems))
