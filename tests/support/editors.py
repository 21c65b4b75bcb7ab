"""Runs that editors change while they move: what the API is to the executor, with documents in a dictionary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pointsman.adapters.blobs.store import open_blobs
from pointsman.base.ids import Digest, RunId
from pointsman.compile import compile_source
from pointsman.definition import Document, apply_patch
from pointsman.execute import Executor, Prepared, Programs
from pointsman.plan import encode_plan, plan_digest
from pointsman.ports.run_store import Link, RunStore
from pointsman.protocol.outcome import Outcome
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Completed
from pointsman.protocol.state import RunHead
from pointsman.protocol.transition import Patch, Transition, seal
from pointsman.step import Program, step
from tests.support.driven import cel

Documents = dict[Digest, Document]
"""The definitions of runs, as Postgres has them."""


class Editor:
    """Somebody who edits runs, beside others: each has an executor of its own, the documents are shared."""

    def __init__(self, store: RunStore, documents: Documents) -> None:
        self.store = store
        self._documents = documents
        self._programs = Programs(store)
        self._executor = Executor(store, self._programs, open_blobs("memory://"), 32_768)

    async def start(self, document: Document, run_id: str = "run_1") -> RunId:
        """Start a run of a definition."""
        plan = compile_source(document, cel(), name="edited")[1].plan
        body, definition = encode_plan(plan), self._keep(document)
        head = RunHead(RunId(run_id), plan.name, plan_digest(body), definition, cel().name, await self.store.now())
        assert await self._executor.start(head, body) == "started"
        return head.run_id

    async def edit(self, run_id: RunId, *operations: dict[str, Any]) -> Transition:
        """Apply an RFC 6902 patch to the definition a run has. Raises as `Executor.edit` does."""

        async def prepare(head: RunHead) -> Prepared:
            return self._prepared(head, operations)

        return await self._executor.edit(run_id, prepare)

    async def move_on(self, run_id: RunId) -> Outcome:
        """Complete one task of a run, as its worker and a coordinator do."""
        run = (await self.store.load([run_id]))[run_id]
        token = min(name for name, state in run.tokens.items() if state.state == "dispatched")
        signal = Completed(run_id, token, run.tokens[token].attempt, inline({"x": 1}))
        change = step(await self._programs.of(run.head), run, signal, await self.store.now())
        return (await self.store.apply([Link(seal(change))]))[0]

    async def definition(self, run_id: RunId) -> Document:
        """The definition that a run has."""
        return self._documents[(await self._executor.load(run_id)).head.definition]

    def _prepared(self, head: RunHead, operations: Sequence[dict[str, Any]]) -> Prepared:
        document = apply_patch(self._documents[head.definition], operations)
        plan = compile_source(document, cel(), name="edited")[1].plan
        body = encode_plan(plan)
        patch = Patch(0, plan_digest(body), _digest(document), head.definition, operations=tuple(operations))

        async def keep() -> None:
            self._keep(document)

        return Prepared(Program(plan, cel()), body, patch, keep)

    def _keep(self, document: Document) -> Digest:
        digest = _digest(document)
        self._documents[digest] = document
        return digest


def _digest(document: Document) -> Digest:
    return plan_digest(json.dumps(document).encode())
