"""What is published about the API itself: the schema of definitions, the pages of error codes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path
from starlette.responses import Response

from orchestrator_api.answers import answer, gives
from pointsman.base.codes import CODES
from pointsman.base.errors import RequestRefused
from pointsman.definition import json_schema
from pointsman.edit.patterns import tools

router = APIRouter(prefix="/api/v1", tags=["reference"])


class ErrorPage(msgspec.Struct, frozen=True):
    """What an error code means, what happened as a result, and what to do."""

    code: str
    title: str
    meaning: str
    result: str
    remedy: str
    status: int | None
    """The HTTP status it comes with; null where HTTP never sees it."""


class EditTool(msgspec.Struct, frozen=True):
    """An adaptation pattern as a tool of a language model."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema, draft 2020-12, of its arguments."""


class EditTools(msgspec.Struct, frozen=True):
    """Every adaptation pattern as a tool."""

    tools: list[EditTool]


@router.get(
    "/schema/workflow",
    summary="The JSON Schema of definitions",
    responses={
        200: {"description": "JSON Schema, draft 2020-12.", "content": {"application/schema+json": {"schema": {}}}}
    },
)
async def get_schema() -> Response:
    """The form of a definition; what only the compiler can know is not in it."""
    return Response(msgspec.json.encode(json_schema()), media_type="application/schema+json")


@router.get(
    "/schema/edit-tools",
    summary="The adaptation patterns as tools of a language model",
    responses={200: gives(EditTools, "Names, descriptions and the schemas of arguments.")},
)
async def get_edit_tools() -> Response:
    """What to give to a model that may edit its own run. A call of a tool is the pattern `name` with the arguments."""
    return answer(EditTools([EditTool(*tool) for tool in tools()]))


@router.get(
    "/errors/{code}",
    summary="The page of an error code",
    responses={200: gives(ErrorPage, "What it means and what to do.")},
)
async def get_error(code: Annotated[str, Path(pattern=r"^[A-Z]{3}[0-9]{3}$", examples=["CMP012"])]) -> Response:
    """The page that a problem's `type` names."""
    page = CODES.get(code)
    if page is None:
        raise RequestRefused("API017", f"there is no error code {code}.")
    return answer(ErrorPage(code, page.title, page.meaning, page.result, page.remedy, page.http))
