"""Redriving dead letters: a parked node gets another attempt, a signal is put back; one by one, or many by a filter."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from fastapi import APIRouter
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import answer, gives, takes
from orchestrator_api.bodies import JSON, Form, decoded, filled, read_body, read_optional, refusal
from orchestrator_api.commands import CommandForm
from orchestrator_api.dead_letters import NO_NUL, LetterPath, found_letter
from orchestrator_api.deps import Api, DeadLetter, Services
from orchestrator_api.idempotency import NotConfirmed, once
from orchestrator_api.letter_ends import Asked, Redriven, give_up, redrive
from pointsman.base.clock import monotonic
from pointsman.base.errors import PointsmanError, Problem
from pointsman.base.ids import Millis, NodeId, RunId
from pointsman.ports.dead_letters import LetterFilter
from pointsman.protocol.dead_letter import DeadLetterKind
from pointsman.service import pause

router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"])

LONGEST_S: Final = 45
"""How long a request may take that redrives many; the key of one that takes a minute counts as given up."""
_INPUT: Final = WithJsonSchema({})


class RedriveForm(Form):
    """How to redrive."""

    input: Annotated[Any, _INPUT] = Field(
        default=None,
        description="In place of what the worker was handed, any JSON; for a signal that was set aside, the signal.",
    )
    reason: str = Field(default="", max_length=1_000, description="Why; it is kept with the letter.")


Asking = TypeVar("Asking", bound=RedriveForm)


class LetterFilterForm(Form):
    """Which open dead letters are meant. At least one field is needed."""

    run: str | None = Field(default=None, max_length=128, pattern=NO_NUL)
    workflow: str | None = Field(default=None, max_length=200, pattern=NO_NUL)
    node: str | None = Field(default=None, max_length=64, pattern=NO_NUL)
    type: str | None = Field(default=None, max_length=200, pattern=NO_NUL)
    kind: DeadLetterKind | None = None
    code: str | None = Field(default=None, max_length=200, pattern=NO_NUL)
    since: int | None = Field(default=None, ge=0, le=2**53)


class RedriveManyForm(RedriveForm):
    """Which letters to redrive, and how carefully."""

    filter: LetterFilterForm = Field(description="Which of the open letters: as in the list of dead letters.")
    limit: int = Field(default=100, ge=1, le=500, description="How many at most, the newest first.")
    rate_per_s: float = Field(default=20, ge=0.1, le=1_000, description="How many in a second, at most.")


class RedriveItem(msgspec.Struct, frozen=True):
    """One letter, and what became of the request there."""

    id: str
    outcome: Literal["redriven", "refused"]
    run_id: RunId | None
    attempt: int | None
    code: str | None
    """Why not: as the request for this letter alone would have been answered."""
    message: str | None


class RedrivenMany(msgspec.Struct, frozen=True):
    """What became of each letter, in the order in which they were redriven."""

    redriven: int
    refused: int
    items: tuple[RedriveItem, ...]
    more: bool
    """Whether there were more letters than `limit`."""


_MANY: Final = {"filter": {"workflow": "support-triage", "code": "busy"}, "rate_per_s": 5, "reason": "it is back"}
_ONE: Final = {"as it was": {"reason": "the bank is open"}, "with another input": {"input": {"order": 8}}}


@router.post(
    "/redrive",
    summary="Redrive dead letters by a filter",
    responses={200: gives(RedrivenMany, "What became of each letter.")},
    openapi_extra=takes(RedriveManyForm, {"all of a workflow that met a busy server": _MANY}),
)
async def redrive_many(request: Request, services: Api) -> Response:
    """Redrive the open letters that a filter finds, one after the other; each as if it were asked for alone."""
    body = await read_body(request, JSON)
    form, given = _form(RedriveManyForm, body)
    wanted = _wanted(form)
    if form.limit / form.rate_per_s > LONGEST_S:
        told = f"`limit` / `rate_per_s` may be {LONGEST_S} s at most; ask several times."
        raise refusal(Problem("API006", "/limit", told))
    asked = Asked(request.state.caller, form.reason, given)
    return await once(services, request, body, lambda: _redrive_many(services, form, wanted, asked))


@router.post(
    "/{letter_id}/redrive",
    summary="Redrive a dead letter",
    responses={200: gives(Redriven, "It was redriven, and that is durable.")},
    openapi_extra=takes(RedriveForm, _ONE, required=False),
)
async def redrive_one(letter_id: LetterPath, request: Request, services: Api) -> Response:
    """A node whose run waits for it gets another attempt; a signal that was set aside is put back."""
    body = await read_optional(request)
    form, given = _form(RedriveForm, body)
    letter = await found_letter(services, letter_id)
    asked = Asked(request.state.caller, form.reason, given)

    async def carry_out() -> Response:
        return answer(await redrive(services, letter, asked))

    return await once(services, request, body, carry_out)


@router.post(
    "/{letter_id}/skip",
    summary="Give a parked node up",
    responses={200: gives(Redriven, "It counts as skipped, and that is durable.")},
    openapi_extra=takes(CommandForm, {"with a reason": {"reason": "paid in cash"}}, required=False),
)
async def skip_one(letter_id: LetterPath, request: Request, services: Api) -> Response:
    """The node counts as skipped, and so does what can only come behind it; the run goes on with the rest."""
    body = await read_optional(request)
    form = filled(CommandForm, decoded(body) if body else {})
    letter = await found_letter(services, letter_id)
    asked = Asked(request.state.caller, form.reason)

    async def carry_out() -> Response:
        return answer(await give_up(services, letter, asked))

    return await once(services, request, body, carry_out)


async def _redrive_many(services: Services, form: RedriveManyForm, wanted: LetterFilter, asked: Asked) -> Response:
    letters = await services.records.letters.page(wanted, limit=form.limit + 1)
    items: list[RedriveItem] = []
    forks: set[RunId | None] = set()
    next_at = monotonic()
    for letter in letters[: form.limit]:
        await pause(services.drain, max(0.0, next_at - monotonic()))
        next_at = max(next_at, monotonic()) + 1 / form.rate_per_s
        item = await _item(services, letter, asked, forks)
        forks |= {item.run_id} if item.outcome == "redriven" else set()
        items.append(item)
    redriven = sum(item.outcome == "redriven" for item in items)
    return answer(RedrivenMany(redriven, len(items) - redriven, tuple(items), len(letters) > form.limit))


async def _item(services: Services, letter: DeadLetter, asked: Asked, forks: set[RunId | None]) -> RedriveItem:
    """Redrive one letter, unless another of its run has taken it along: into one of these forks."""
    now = await services.records.letters.get(letter.id) or letter
    if now.became is not None and now.became in forks:
        return RedriveItem(letter.id, "redriven", now.became, None, None, None)
    try:
        done = await redrive(services, letter, asked)
    except PointsmanError as wrong:
        return RedriveItem(letter.id, "refused", letter.run_id, None, wrong.code, wrong.message)
    except NotConfirmed as unconfirmed:
        told = msgspec.json.decode(unconfirmed.response.body)
        return RedriveItem(letter.id, "refused", letter.run_id, None, told["code"], told["detail"])
    return RedriveItem(letter.id, "redriven", done.run_id, done.attempt, None, None)


def _form(kind: type[Asking], body: bytes) -> tuple[Asking, bytes | None]:
    """The form, and the input as the bytes it is; null counts as none."""
    members = decoded(body, dict[str, msgspec.Raw]) if body else {}
    given = bytes(members.pop("input", msgspec.Raw(b"null")))
    form = filled(kind, {name: decoded(bytes(member)) for name, member in members.items()})
    return form, None if given == b"null" else given


def _wanted(form: RedriveManyForm) -> LetterFilter:
    told = form.filter
    if all(value is None for value in told.model_dump().values()):
        raise refusal(Problem("API006", "/filter", "say which letters: `since` alone will do."))
    return LetterFilter(
        RunId(told.run) if told.run is not None else None,
        told.workflow,
        NodeId(told.node) if told.node is not None else None,
        told.type,
        told.kind,
        told.code,
        "open",
        Millis(told.since) if told.since is not None else None,
    )
