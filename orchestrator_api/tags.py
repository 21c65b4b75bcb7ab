"""Tags: names for versions of a workflow, moved from one to another, each move written down for ever."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Header, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import answer, etag, gives, takes
from orchestrator_api.bodies import JSON, Form, parsed_form, read_body, read_optional
from orchestrator_api.deps import Api, Moved, Order, TagMove
from orchestrator_api.idempotency import once
from orchestrator_api.paths import MAX_NUMBER, TAG, Before, Limit, TagPath, WorkflowPath
from orchestrator_api.runs import no_such_tag, no_such_workflow
from pointsman.base.errors import RequestRefused
from pointsman.base.ids import Millis

router = APIRouter(prefix="/api/v1/workflows", tags=["tags"])

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        pattern=r'^"?[0-9]{1,9}"?$',
        description="The `ETag` of the tag: refused if it has moved since. `0`: only if it never was.",
    ),
]
_MAX_REASON: Final = 1_000


class TagForm(Form):
    """Where a tag is to be put."""

    version: int = Field(ge=1, le=MAX_NUMBER, description="The version that it is to name.")
    reason: str = Field(default="", max_length=_MAX_REASON, description="Why; kept in the tag's history.")


class TagReason(Form):
    """Why a tag is rolled back."""

    reason: str = Field(default="", max_length=_MAX_REASON, description="Why; kept in the tag's history.")


class Tag(msgspec.Struct, frozen=True):
    """A tag, and the move that put it where it is."""

    workflow: str
    tag: str
    version: int
    move: int
    """How often it has been moved: what its `ETag` says."""
    moved_at: Millis
    moved_by: str
    reason: str


class MovedTag(msgspec.Struct, frozen=True):
    """One move of a tag."""

    move: int
    at: Millis
    by: str
    moved_from: int | None
    """The version before; null where there was none."""
    moved_to: int | None
    """The version since; null where the tag was taken away."""
    reason: str
    in_force: int
    """The move that this one leaves in force: itself, or an earlier one where it rolled back to that."""


class TagPage(msgspec.Struct, frozen=True):
    """The tags of a workflow, by name."""

    tags: tuple[Tag, ...]
    next: str | None
    """`after` for the next page; null on the last one."""


class TagHistory(msgspec.Struct, frozen=True):
    """The moves of a tag, newest first."""

    moves: tuple[MovedTag, ...]
    next: int | None
    """`before` for the next page; null on the last one."""


@router.get("/{name}/tags", summary="List the tags", responses={200: gives(TagPage, "The tags, by name.")})
async def list_tags(
    name: WorkflowPath,
    services: Api,
    after: Annotated[str, Query(pattern=rf"{TAG}|^$", description="List tags behind this.")] = "",
    limit: Limit = 50,
) -> Response:
    """List the tags of a workflow, by name."""
    found = await services.records.tags.page(name, after=after, limit=limit + 1)
    if not found and await services.records.workflows.get(name) is None:
        raise no_such_workflow(name, None)
    following = found[limit - 1].tag if len(found) > limit else None
    return answer(TagPage(tuple(_shown(name, move) for move in found[:limit]), following))


@router.get("/{name}/tags/{tag}", summary="Look at a tag", responses={200: gives(Tag, "Where it is, and why.")})
async def get_tag(name: WorkflowPath, tag: TagPath, services: Api) -> Response:
    """Which version a tag names. Its `ETag` counts its moves, for `If-Match`."""
    move = await services.records.tags.get(name, tag)
    if move is None:
        raise no_such_tag(name, tag)
    return answer(_shown(name, move), headers=etag(move.number))


@router.get(
    "/{name}/tags/{tag}/history",
    summary="The moves of a tag",
    responses={200: gives(TagHistory, "Who moved it, when, from where, to where and why; newest first.")},
)
async def get_history(
    name: WorkflowPath, tag: TagPath, services: Api, before: Before = MAX_NUMBER, limit: Limit = 50
) -> Response:
    """Every move of a tag, newest first. A tag that was taken away has its history still."""
    found = await services.records.tags.history(name, tag, before=before, limit=limit + 1)
    if not found and before == MAX_NUMBER:
        raise no_such_tag(name, tag)
    moves = tuple(_told(past.move, past.moved_from) for past in found[:limit])
    return answer(TagHistory(moves, moves[-1].move if len(found) > limit else None))


@router.put(
    "/{name}/tags/{tag}",
    status_code=201,
    summary="Put a tag to a version",
    responses={
        200: gives(Tag, "It was there, or was moved there."),
        201: gives(Tag, "A new tag, or one that was taken away and is back."),
    },
    openapi_extra=takes(TagForm, {"a release": {"version": 3, "reason": "passed the canary"}}),
)
async def put_tag(
    name: WorkflowPath, tag: TagPath, request: Request, services: Api, if_match: IfMatch = None
) -> Response:
    """Let a tag name a version. Runs that start by the tag from now on take that one; those there are keep theirs."""
    body = await read_body(request, JSON)
    form = parsed_form(TagForm, body)
    order = _order(request, form.reason, if_match)

    async def carry_out() -> Response:
        moved = await services.records.tags.put(name, tag, form.version, order)
        if moved.outcome == "no_version":
            raise no_such_workflow(name, form.version)
        move = _done(name, tag, moved)
        is_new = moved.outcome == "moved" and moved.moved_from is None
        return answer(_shown(name, move), 201 if is_new else 200, etag(move.number))

    return await once(services, request, body, carry_out)


@router.post(
    "/{name}/tags/{tag}/rollback",
    summary="Roll a tag back",
    responses={200: gives(Tag, "Where it was before its last move that was not rolled back yet.")},
    openapi_extra=takes(TagReason, {"with a reason": {"reason": "version 3 answers too slowly"}}, required=False),
)
async def roll_back_tag(
    name: WorkflowPath, tag: TagPath, request: Request, services: Api, if_match: IfMatch = None
) -> Response:
    """Take the last move of a tag back; once more takes back the one before. A tag that was taken away comes back."""
    body = await read_optional(request)
    order = _order(request, parsed_form(TagReason, body).reason, if_match)

    async def carry_out() -> Response:
        moved = await services.records.tags.roll_back(name, tag, order)
        move = _done(name, tag, moved)
        return answer(_shown(name, move), headers=etag(move.number))

    return await once(services, request, body, carry_out)


@router.delete(
    "/{name}/tags/{tag}",
    summary="Take a tag away",
    responses={200: gives(MovedTag, "Its last move. The history stays, and the name can be used again.")},
)
async def remove_tag(
    name: WorkflowPath,
    tag: TagPath,
    request: Request,
    services: Api,
    if_match: IfMatch = None,
    reason: Annotated[str, Query(max_length=_MAX_REASON, description="Why; kept in the tag's history.")] = "",
) -> Response:
    """Take a tag away. No run starts by it any more; those that did keep their version."""
    order = _order(request, reason, if_match)

    async def carry_out() -> Response:
        moved = await services.records.tags.remove(name, tag, order)
        return answer(_told(_done(name, tag, moved), moved.moved_from))

    return await once(services, request, b"", carry_out)


def _order(request: Request, reason: str, if_match: str | None) -> Order:
    only_after = int(if_match.strip('"')) if if_match is not None else None
    return Order(request.state.caller, reason, only_after)


def _done(name: str, tag: str, moved: Moved) -> TagMove:
    """The move that is in the tag's history now. Raises `RequestRefused` where there is none."""
    match moved.outcome:
        case "missing":
            raise no_such_tag(name, tag)
        case "nowhere":
            told = f"before the last move of `{tag}` that was not rolled back there was no such tag; it is where it was"
            raise RequestRefused("API071", f"{told}. Put it to the version you want, or remove it.")
        case "overtaken":
            last = moved.move.number if moved.move else 0
            told = f"the last move of the tag `{tag}` is number {last}, and If-Match names another; nothing was moved"
            raise RequestRefused("API072", f"{told}. Read the tag again, and see whether your move is still right.")
        case _:
            assert moved.move is not None, "what was moved, or was there, has a move"
            return moved.move


def _shown(workflow: str, move: TagMove) -> Tag:
    assert move.version is not None, "a tag that is there names a version"
    return Tag(workflow, move.tag, move.version, move.number, move.at, move.by, move.reason)


def _told(move: TagMove, moved_from: int | None) -> MovedTag:
    return MovedTag(move.number, move.at, move.by, moved_from, move.version, move.reason, move.in_force)
