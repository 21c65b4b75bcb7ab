"""Answers as JSON, and how the OpenAPI document describes them and the bodies that are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from pydantic import BaseModel
from starlette.responses import Response

JSON_MEDIA: Final = "application/json"


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON; outputs of workers go through it as the bytes they are."""
    return Response(msgspec.json.encode(value), status, headers, JSON_MEDIA)


def passed_on(body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that is JSON already."""
    return Response(body, 200, headers, JSON_MEDIA)


def etag(revision: int) -> dict[str, str]:
    """The header that names a run's revision, for `If-Match`."""
    return {"ETag": f'"{revision}"'}


def gives(kind: type[msgspec.Struct], text: str, example: Any = None) -> dict[str, Any]:
    """Describe an answer of one of our structs."""
    content: dict[str, Any] = {"schema": component(kind)}
    if example is not None:
        content["example"] = example
    return {"description": text, "content": {JSON_MEDIA: content}}


def takes(
    kind: type[BaseModel] | Mapping[str, Any], examples: Mapping[str, Any], *media: str, required: bool = True
) -> dict[str, Any]:
    """Describe the body that a route asks for, with examples by name."""
    schema = component(kind) if isinstance(kind, type) else kind
    shown = {name: {"value": value} for name, value in examples.items()}
    content = {name: {"schema": schema, "examples": shown} for name in media or (JSON_MEDIA,)}
    return {"requestBody": {"required": required, "content": content}}


def component(kind: type[Any]) -> dict[str, str]:
    """A reference to a schema of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
