"""Edits by what is meant: adaptation patterns, taking an edit back, and what is different between two revisions."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import answer, gives, takes
from orchestrator_api.bodies import JSON, decoded, read_body
from orchestrator_api.deps import Api, Services
from orchestrator_api.patches import DONE, SentEdit, edit_run
from orchestrator_api.paths import RevisionPath, RunPath
from orchestrator_api.preview import Options
from orchestrator_api.revisions import Revision, at, patch_of, revisions
from pointsman.base.ids import Digest, RunId
from pointsman.definition import Document, Operation
from pointsman.edit.difference import Difference, difference
from pointsman.edit.inverse import inverse
from pointsman.edit.patterns import apply_pattern, read_request

router = APIRouter(prefix="/api/v1/runs", tags=["patches"])


class RevisionDifference(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """What is different between two revisions of a run."""

    run_id: RunId
    from_: int
    to: int
    from_definition: Digest
    to_definition: Digest
    difference: Difference
    """Of the plans."""


_PATTERN: Final = {
    "pattern": "insert_between",
    "from": "a",
    "to": "b",
    "node": {"id": "check", "type": "function"},
}


@router.post(
    "/{run_id}/edits",
    summary="Edit a running run by a pattern",
    responses=DONE,
    openapi_extra=takes(
        {"type": "object", "required": ["pattern"], "properties": {"pattern": {"type": "string"}}},
        {"insert between two nodes": _PATTERN},
    ),
)
async def post_edit(run_id: RunPath, request: Request, services: Api, options: Options) -> Response:
    """Apply one of the adaptation patterns to the definition of an open run; the answer says which operations of
    RFC 6902 it became."""
    body = await read_body(request, JSON)
    asked = decoded(body)

    def becoming(document: Document) -> list[Operation]:
        return apply_pattern(document, read_request(asked))[0]

    name = asked.get("pattern") if isinstance(asked, dict) else None
    description = name if isinstance(name, str) else ""
    sent = SentEdit.of(request, run_id, options, [asked], becoming, description=description[:200])
    return await edit_run(services, request, body, sent)


@router.post("/{run_id}/patches/{revision}/revert", summary="Take an edit back", responses=DONE)
async def post_revert(
    run_id: RunPath, revision: RevisionPath, request: Request, services: Api, options: Options
) -> Response:
    """Apply the inverse of the edit that made a revision, as a new edit under the same rules."""
    patch = await patch_of(services, run_id, revision)
    base = await services.records.documents.definition(patch.base_definition)
    assert base is not None, "what a patch points at is stored"
    undone = _undone(patch.inverse, base, patch.operations)
    sent = SentEdit.of(
        request,
        run_id,
        options,
        undone,
        lambda _: undone,
        description=f"revert of revision {revision}",
        restored=base,
    )
    return await edit_run(services, request, b"", sent)


def _undone(stored: msgspec.Raw | None, base: bytes, operations: msgspec.Raw) -> list[Any]:
    """The inverse of an edit; worked out for one that was made before inverses were kept."""
    if stored is None:
        return inverse(json.loads(base), json.loads(bytes(operations)))
    undone: list[Any] = json.loads(bytes(stored))
    return undone


@router.get(
    "/{run_id}/diff",
    summary="What is different between two revisions",
    responses={200: gives(RevisionDifference, "The difference of their plans.")},
)
async def get_diff(
    run_id: RunPath,
    services: Api,
    from_: Annotated[int, Query(alias="from", ge=1, le=2**31 - 1, description="The earlier one.")] = 1,
    to: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="The later one; the newest unless given.")] = None,
) -> Response:
    """Compare the plans of two revisions of a run, open or final. What only its authors read is not compared, but the
    digests of the definitions say whether anything differs."""
    had = await revisions(services, run_id)
    numbers = from_, to or len(had)
    one, other = (at(had, run_id, number) for number in numbers)
    return answer(await _compared(services, run_id, numbers, one, other))


async def _compared(
    services: Services, run_id: RunId, numbers: tuple[int, int], one: Revision, other: Revision
) -> RevisionDifference:
    plans = services.records.plans
    found = difference((await plans.get(one.plan)).plan, (await plans.get(other.plan)).plan)
    return RevisionDifference(run_id, *numbers, one.definition, other.definition, found)
