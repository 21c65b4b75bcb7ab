"""Compiling what callers send, beside the event loop: it may take seconds, and streams must not wait for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from msgspec import structs

from pointsman.base.errors import InvalidDefinition, Problem
from pointsman.base.sameness import is_same
from pointsman.compile import Compiled, Known, compile_source
from pointsman.definition import Document, Media, Operation, Parsed, refused
from pointsman.definition.patch import stages
from pointsman.edit.inverse import undoing
from pointsman.expr import Engine
from pointsman.plan import Guards, Plan, PlanWriter
from pointsman.settings import LimitSettings

T = TypeVar("T")


class Made(NamedTuple):
    """A definition and its plan, both ready to be stored."""

    definition: bytes
    """The author's document as JSON, its keys in the author's order."""
    plan: Plan
    encoded: bytes
    """The plan's canonical JSON."""
    warnings: tuple[Problem, ...]


Becoming = Callable[[Document], Sequence[Operation]]
"""From the run's definition as it is to what is to be done to it; raises where that cannot be said."""


class Changed(NamedTuple):
    """A definition that a patch makes of another."""

    made: Made
    before: Document
    after: Document
    operations: tuple[Operation, ...]
    inverse: tuple[Operation, ...]
    """The operations that lead back."""


class Compiler:
    """Compiles one definition at a time, under the limits of this installation."""

    def __init__(self, engine: Engine, limits: LimitSettings, thread: Executor) -> None:
        self.engine = engine
        self._limits = limits
        self._thread = thread
        self._known = Known(engine)
        self._written = PlanWriter()

    async def compile(
        self, source: bytes | dict[str, Any], media: Media = "json", *, name: str | None = None, whole: bytes = b""
    ) -> Made:
        """Compile a definition.

        Args:
            source: Its text, or its document.
            media: What the text is.
            name: The name it goes by, if not its own.
            whole: The body in which the text stands as the member `definition`, so that problems say where.

        Raises:
            InvalidDefinition: With every problem found.
        """
        try:
            return await self._beside(lambda: self._made(source, media, name))
        except InvalidDefinition as wrong:
            if not whole or not isinstance(source, bytes):
                raise
            raise refused(*_shifted(wrong.problems, source, whole)) from None

    async def patched(
        self, document: bytes, becoming: Becoming, current: Plan, restored: bytes | None = None
    ) -> Changed:
        """Patch a stored definition, whose plan is `current`, and compile the result.

        Args:
            document: The definition.
            becoming: Says what the patch is.
            current: The definition's plan.
            restored: A definition to be taken to the letter where the result says the same, members in another order.

        Raises:
            EditRefused: An operation cannot be carried out.
            InvalidDefinition: The result has problems, all of which are told.
        """
        return await self._beside(lambda: self._changed(json.loads(document), becoming, current, restored))

    def _changed(self, before: Document, becoming: Becoming, current: Plan, restored: bytes | None) -> Changed:
        operations = becoming(before)
        documents = stages(before, operations)
        after = documents[-1] if documents else before
        undone = tuple(undoing(before, operations, documents))
        if restored is not None and is_same({"edges": [], **after}, {"edges": [], **json.loads(restored)}):
            after = json.loads(restored)
        return Changed(self._patched(before, after, current), before, after, tuple(operations), undone)

    def _patched(self, before: Document, after: Document, current: Plan) -> Made:
        # The installation's limits may be others than when the run was accepted; that is no change to the run.
        guards = current.guards if _limits(after) == _limits(before) else None
        return self._made(after, "json", current.name, guards)

    async def _beside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _made(
        self, source: bytes | dict[str, Any], media: Media, name: str | None, guards: Guards | None = None
    ) -> Made:
        parsed, compiled = compile_source(source, self.engine, media=media, name=name, known=self._known)
        plan = self._limited(parsed, compiled)
        if guards is not None:
            plan = structs.replace(plan, guards=guards)
        return Made(encoded(parsed.document), plan, self._written(plan), compiled.warnings)

    def _limited(self, parsed: Parsed, compiled: Compiled) -> Plan:
        """The plan, its guards no wider than this installation's."""
        plan, limits = compiled.plan, self._limits
        if len(plan.nodes) > limits.max_nodes:
            told = (
                f"the definition has {len(plan.nodes):,} nodes, and POINTSMAN_LIMITS_MAX_NODES allows "
                f"{limits.max_nodes:,}."
            )
            raise refused(Problem("CMP026", "/nodes", told, parsed.positions.line("/nodes")))
        return structs.replace(plan, guards=_narrowed(plan.guards, limits))


def encoded(document: dict[str, Any]) -> bytes:
    """A document as it is stored."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _limits(document: Document) -> object:
    """The limits of a definition whose form may be wrong."""
    about = document.get("metadata")
    return about.get("limits") if isinstance(about, dict) else None


def _narrowed(guards: Guards, limits: LimitSettings) -> Guards:
    durations = [known for known in (guards.max_duration_ms, limits.max_duration_ms) if known is not None]
    return Guards(
        max_nodes=min(guards.max_nodes, limits.max_nodes),
        max_tokens=min(guards.max_tokens, limits.max_tokens),
        max_loop_iterations=min(guards.max_loop_iterations, limits.max_loop_iterations),
        max_duration_ms=min(durations, default=None),
    )


def _shifted(problems: tuple[Problem, ...], source: bytes, whole: bytes) -> list[Problem]:
    """The problems of a definition, located in the body that it is the member `definition` of."""
    before = whole.count(b"\n", 0, max(whole.find(source), 0))
    return [
        replace(
            found, pointer=f"/definition{found.pointer}", line=found.line + before if found.line is not None else None
        )
        for found in problems
    ]
