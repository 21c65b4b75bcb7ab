"""Dead letters: what came to its end and was taken by nobody, listed, and looked at one by one."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from orchestrator_api.answers import answer, gives
from orchestrator_api.bodies import refusal
from orchestrator_api.deps import Api, DeadLetter, Services
from orchestrator_api.letter_story import LetterView, story
from orchestrator_api.paths import Limit
from pointsman.base.errors import Problem, RequestRefused
from pointsman.base.ids import Millis, NodeId, RunId
from pointsman.ports.dead_letters import NEWEST_LETTER, LetterFilter, LetterStatus, Place
from pointsman.protocol.dead_letter import DeadLetterKind

router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"])

LETTER_ID: Final = r"^dl_[0-9A-HJKMNP-TV-Z]{26}$"
LetterPath = Annotated[
    str, Path(pattern=LETTER_ID, description="The letter's id.", examples=["dl_01JB3R5D6X7Y8Z9A0B1C2D3E4F"])
]
_CURSOR: Final = re.compile(r"(\d{1,19})-(dl_[0-9A-Z]{26})\Z")
NO_NUL: Final = r"^[^\x00]*$"
"""What Postgres can compare with."""


class LetterSummary(msgspec.Struct, frozen=True):
    """A dead letter in brief. What is not known of it is null: a signal may name neither run nor node."""

    id: str
    kind: DeadLetterKind
    status: LetterStatus
    at: Millis
    run_id: RunId | None
    workflow: str | None
    node: NodeId | None
    type: str | None
    attempt: int | None
    parked: bool
    """Whether its run is open and waits for what becomes of it."""
    code: str
    """The type of the node's error; of a signal, the code with which it was set aside."""
    message: str


class LetterPage(msgspec.Struct, frozen=True):
    """Dead letters, newest first."""

    letters: tuple[LetterSummary, ...]
    next: str | None
    """The cursor of the next page; null on the last one."""


@router.get("", summary="List dead letters", responses={200: gives(LetterPage, "Dead letters, newest first.")})
async def list_dead_letters(
    services: Api,
    run: Annotated[str | None, Query(max_length=128, pattern=NO_NUL, description="Only of this run.")] = None,
    workflow: Annotated[str | None, Query(max_length=200, pattern=NO_NUL, description="Only of this workflow.")] = None,
    node: Annotated[str | None, Query(max_length=64, pattern=NO_NUL, description="Only of nodes of this id.")] = None,
    type: Annotated[  # noqa: A002
        str | None, Query(max_length=200, pattern=NO_NUL, description="Only of nodes of this task type.")
    ] = None,
    kind: Annotated[DeadLetterKind | None, Query(description="Only of this kind.")] = None,
    code: Annotated[
        str | None, Query(max_length=200, pattern=NO_NUL, description="Only with this error type or code.")
    ] = None,
    status: Annotated[LetterStatus | None, Query(description="Only in this state.")] = None,
    since: Annotated[
        int | None, Query(ge=0, le=2**53, description="Only from this time on, in Unix milliseconds.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
    limit: Limit = 50,
) -> Response:
    """What came to its end and was taken by nobody: nodes whose failure no edge took, and signals set aside."""
    wanted = LetterFilter(
        RunId(run) if run is not None else None,
        workflow,
        NodeId(node) if node is not None else None,
        type,
        kind,
        code,
        status,
        Millis(since) if since is not None else None,
    )
    letters = await services.records.letters.page(wanted, after=_place(cursor), limit=limit + 1)
    shown = letters[:limit]
    following = f"{shown[-1].at}-{shown[-1].id}" if len(letters) > limit else None
    return answer(LetterPage(tuple(map(summary, shown)), following))


@router.get("/{letter_id}", summary="Look at a dead letter", responses={200: gives(LetterView, "The whole story.")})
async def get_dead_letter(letter_id: LetterPath, services: Api) -> Response:
    """The letter, every failure that led to it, and what its worker was handed or what its signal said."""
    return answer(await story(services, await found_letter(services, letter_id)))


async def found_letter(services: Services, letter_id: str) -> DeadLetter:
    """One letter. Raises `RequestRefused` API080 where there is none."""
    letter = await services.records.letters.get(letter_id)
    if letter is None:
        raise RequestRefused(
            "API080", f"there is no dead letter {letter_id}. List dead letters to see those there are."
        )
    return letter


def summary(letter: DeadLetter) -> LetterSummary:
    """A letter in brief."""
    return LetterSummary(
        letter.id,
        letter.kind,
        letter.status,
        letter.at,
        letter.run_id,
        letter.workflow,
        letter.node,
        letter.type,
        letter.attempt,
        letter.is_parked and letter.status == "open",
        letter.code,
        letter.message,
    )


def _place(cursor: str | None) -> Place:
    if cursor is None:
        return NEWEST_LETTER
    found = _CURSOR.match(cursor)
    if found is None or int(found[1]) >= 2**63:
        raise refusal(Problem("API006", "/query/cursor", "this is no cursor; take `next` of the page before."))
    return Place(int(found[1]), found[2])
