"""What an edit token allows the request that came with it: asked at each state of the run that the edit is tried on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from biscuit_auth import PublicKey

from orchestrator_api.compiling import Made
from orchestrator_api.deps import Services, TakenPatch
from orchestrator_api.revisions import first_plan, patches_up_to
from pointsman.base.errors import EditRefused, Problem
from pointsman.base.ids import NodeId, split_token
from pointsman.edit.effect import Effect as RunEffect
from pointsman.plan import Plan
from pointsman.protocol.state import OpenToken, RunHead, Snapshot
from pointsman.rights.biscuit import holds
from pointsman.rights.denials import denials, heading_denials, use_of
from pointsman.rights.effect import Account, Effect, PastPatch, accounts_of
from pointsman.rights.grant import Grant, holder_of, is_held_by


class EditRights:
    """The rights of one request."""

    def __init__(self, services: Services, text: str, key: PublicKey, grant: Grant) -> None:
        self._services = services
        self._text = text
        self._key = key
        self.grant = grant
        self._own: frozenset[NodeId] = frozenset()

    def allow(self, run: Snapshot) -> None:
        """Make sure that the attempt the token was issued for is still out. Raises `EditRefused` API042."""
        if not is_out(run.tokens.get(self.grant.token), self.grant.attempt):
            raise self.over()

    def over(self) -> EditRefused:
        """The refusal once the task has ended, or the run."""
        return EditRefused(
            "API042",
            f"the edit token is for attempt {self.grant.attempt} of `{self.grant.token}`, which is no longer out; "
            "nothing was changed. What a task wants to add it must add while it is running.",
        )

    async def check(self, head: RunHead, old: Plan, document: bytes, made: Made, operations: int) -> None:
        """Make sure that the token allows a patch.

        Args:
            head: The run that is to be patched.
            old: Its plan.
            document: Its definition.
            made: What the patch makes of that.
            operations: How many operations the patch has.

        Raises:
            EditRefused: EDT060 to EDT069, with everything that it does not allow.
            ServerUnavailable: SRV062, the journal is behind, so what was used so far is not known.
        """
        accounts = accounts_of(self.grant, await self._past(head))
        self._own = accounts[-1].nodes
        problems = [
            *denials(self.grant, accounts, old, made.plan, operations),
            *heading_denials(json.loads(document), json.loads(made.definition)),
        ]
        if not problems and not self._biscuit_agrees(old, made.plan, accounts, operations):
            problems = [Problem("EDT069", "", "a check in the edit token itself is not met.")]
        if problems:
            raise _refusal(problems)

    def judge(self, effect: RunEffect) -> None:
        """Make sure that what a patch does to its run ends or repeats no activation of a node that others have made.

        Structure cannot show that: the patch may have been sent with `on_running`. Comes after `check`.

        Raises:
            EditRefused: EDT066.
        """
        problems = [
            Problem("EDT066", f"/nodes/{split_token(token)[1]}", f"`{token}` was begun, and would be {what}.")
            for what, tokens in (("taken back", effect.cancelled), ("begun anew", effect.restarted))
            for token in tokens
            if split_token(token)[1] not in self._own
        ]
        if problems:
            raise _refusal(problems)

    def _biscuit_agrees(self, old: Plan, new: Plan, accounts: Sequence[Account], operations: int) -> bool:
        use = use_of(Effect.between(old, new), accounts, operations)
        return holds(self._text, self._key, self.grant, use, self._services.clock.now())

    async def _past(self, head: RunHead) -> list[PastPatch]:
        """The run's patches up to its revision; none where no token of this task has sent any."""
        records = self._services.records
        taken = await patches_up_to(records, head)
        senders = (holder_of(patch.by) for patch in taken)
        if not any(sender is not None and is_held_by(sender, self.grant.holders[0]) for sender in senders):
            return []
        digests = [await first_plan(records, head.run_id), *(patch.plan for patch in taken)]
        plans = [(await records.plans.get(digest)).plan for digest in digests]
        return [
            PastPatch(patch.by, _count(patch), Effect.between(before, after))
            for patch, before, after in zip(taken, plans[:-1], plans[1:], strict=True)
        ]


def is_out(state: OpenToken | None, attempt: int) -> bool:
    """Whether a worker has been handed this attempt, and has not been heard of since."""
    return state is not None and state.state == "dispatched" and state.attempt == attempt


def _count(patch: TakenPatch) -> int:
    operations: list[Any] = json.loads(bytes(patch.operations))
    return len(operations)


def _refusal(problems: list[Problem]) -> EditRefused:
    first = problems[0]
    more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
    told = f"the edit token does not allow this patch: {first.message}{more} Nothing was changed."
    return EditRefused(first.code, told, problems=tuple(problems))
