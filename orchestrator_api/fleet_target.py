"""One run and the edit of a fleet: what it would do there, or what became of it, and never twice."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from orchestrator_api.commands import DURABLE_S, lost, not_in_redis
from orchestrator_api.deps import Decision, NewFleetEdit, Services
from orchestrator_api.patches import Preparing, SentEdit, Unchanged, audit_refusal
from orchestrator_api.preview import EditOptions
from orchestrator_api.revisions import patches_up_to
from pointsman.base.errors import (
    EditRefused,
    InvalidDefinition,
    PointsmanError,
    RunClosed,
    RunNotFound,
    ServerUnavailable,
)
from pointsman.base.ids import RunId, Tip
from pointsman.execute import Prepared
from pointsman.protocol.state import RunHead
from pointsman.protocol.transition import tip_after

ENDED: Final = Decision("ended")
_OF_ONE_RUN: Final = frozenset({"RUN002", "RUN006", "SRV060", "SRV061"})
"""It moves too fast, is being recovered, or is not in Redis at the moment."""


def passes(error: PointsmanError) -> bool:
    """Whether the same may go well with this run in a moment."""
    return error.code in _OF_ONE_RUN


def concerns_all(error: PointsmanError) -> bool:
    """Whether it is no matter of this run: a server is away, or the journal behind."""
    return isinstance(error, ServerUnavailable) and not passes(error)


class _HasIt(Exception):
    """The run was given the edit before."""

    def __init__(self, revision: int) -> None:
        super().__init__(revision)
        self.revision = revision


class Targets:
    """The runs of one edit. To each it is a patch like any other, by a sender of its own."""

    def __init__(self, services: Services, edit: NewFleetEdit) -> None:
        self._services = services
        self._edit = edit
        self._operations: list[Any] = msgspec.json.decode(edit.operations)
        # No key's name has a space in it, so nobody else is called so.
        self._by = f"fleet edit {edit.id} ({edit.by})"

    async def preview(self, run_id: RunId) -> Decision:
        """What would become of the edit. Changes nothing. Raises as `Executor.preview` does, refusals aside."""
        preparing = Preparing(self._services, self._sent(run_id))
        try:
            tried = await self._services.live.executor.preview(run_id, preparing, on_running=self._edit.on_running)
        except Unchanged as same:
            return Decision("unchanged", same.head.revision)
        except (EditRefused, InvalidDefinition) as wrong:
            return Decision("refused", None, wrong.code, wrong.message)
        except (RunClosed, RunNotFound) as gone:
            return await self._gone(gone, run_id)
        return Decision("applied", tried.run.head.revision + 1)

    async def apply(self, run_id: RunId, *, is_again: bool) -> Decision:
        """Give the edit to a run, and say what became of it once that is durable.

        Args:
            run_id: The run.
            is_again: Whether somebody has tried before, and may have succeeded.

        Raises:
            ServerUnavailable: SRV062, what was done is not in the journal, or what was done before is not known.
                SRV061, Redis has lost what was done.
            Also as `Executor.edit` does, refusals aside.
        """
        sent = self._sent(run_id)
        try:
            change = await self._services.live.executor.edit(
                run_id, _Once(self._services, sent, is_again), on_running=self._edit.on_running
            )
        except _HasIt as had:
            return Decision("applied", had.revision)
        except Unchanged as same:
            return Decision("unchanged", same.head.revision)
        except (EditRefused, InvalidDefinition) as wrong:
            await audit_refusal(self._services, sent, wrong)
            return Decision("refused", None, wrong.code, wrong.message)
        except (RunClosed, RunNotFound) as gone:
            return (await self.look_up(run_id) if is_again else None) or await self._gone(gone, run_id)
        await self._durable(run_id, change.seq, tip_after(change))
        assert change.patch is not None, "an edit says what it was"
        return Decision("applied", change.patch.revision)

    async def look_up(self, run_id: RunId) -> Decision | None:
        """What became of a run that somebody has tried to edit; None where it does not have the edit.

        Raises:
            ServerUnavailable: SRV062, the journal is behind.
        """
        found = (await self._services.live.store.load([run_id])).get(run_id)
        if found is not None:
            await self._durable(run_id, found.head.seq, found.head.tip)
        for patch in await self._services.records.patches.taken(run_id):
            if patch.by == self._by:
                return Decision("applied", patch.revision)
        return None

    def _sent(self, run_id: RunId) -> SentEdit:
        return SentEdit(
            run_id,
            self._operations,
            lambda _: self._operations,
            self._edit.description,
            self._by,
            rights=None,
            if_match=None,
            options=EditOptions(self._edit.on_running, False, None),
        )

    async def _gone(self, gone: RunClosed | RunNotFound, run_id: RunId) -> Decision:
        """That a run has ended. Raises `RunError` RUN006 where it is only not in Redis at the moment."""
        if isinstance(gone, RunNotFound):
            why = await not_in_redis(self._services, run_id)
            if not isinstance(why, RunClosed):
                raise why
        return ENDED

    async def _durable(self, run_id: RunId, seq: int, tip: Tip) -> None:
        confirmation = await self._services.records.watch.confirm(run_id, seq, tip, DURABLE_S)
        if confirmation == "lost":
            raise lost(run_id, seq)
        if confirmation == "late":
            told = f"the journal has not passed event {seq} of run {run_id} within {DURABLE_S:g} s"
            raise ServerUnavailable("SRV062", f"{told}, so what it was edited with is not known. Try again.")


class _Once:
    """Compiles the edit for a run that does not have it yet."""

    def __init__(self, services: Services, sent: SentEdit, is_again: bool) -> None:
        self._records = services.records
        self._preparing = Preparing(services, sent)
        self._by = sent.by
        self._may_have_it = is_again

    async def __call__(self, head: RunHead) -> Prepared:
        """Compile it against the definition of `head`. It is asked again when somebody has edited the run meanwhile."""
        if self._may_have_it:
            for patch in await patches_up_to(self._records, head):
                if patch.by == self._by:
                    raise _HasIt(patch.revision)
        self._may_have_it = True
        return await self._preparing(head)
