"""Reading request bodies: their kind, their size, and what stands in them, each thing wrong with its place."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from pointsman.base.errors import Problem, RequestRefused
from pointsman.definition.positions import pointer_of

MAX_BODY_BYTES: Final = 8 << 20
"""As large as a definition may be. Larger inputs belong into a store of the caller's, by reference."""
JSON: Final = frozenset({"application/json"})
JSON_PATCH: Final = frozenset({"application/json-patch+json"})
MERGE_PATCH: Final = frozenset({"application/merge-patch+json"})
YAML: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
_BYTE: Final = re.compile(r"\(byte (\d+)\)")

Model = TypeVar("Model", bound="Form")


class Form(BaseModel):
    """What every JSON body has in common: unknown fields are refused, values are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


async def read_body(request: Request, media: Collection[str]) -> bytes:
    """The body of a request.

    Raises:
        RequestRefused: API004 it is of another kind than `media`; API005 it is too large.
    """
    _check_media(request, media)
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
    return bytes(body)


async def read_optional(request: Request) -> bytes:
    """The body of a request that may come without one. Raises as `read_body`."""
    body = await read_body(request, JSON | {""})
    if body:
        _check_media(request, JSON)
    return body


def parsed_form(model: type[Model], body: bytes) -> Model:
    """A JSON object as one of our forms; an absent body counts as `{}`.

    Raises:
        RequestRefused: API003 it is no JSON; API006 it is not what is asked for.
    """
    return filled(model, decoded(body) if body else {})


def decoded(body: bytes, wanted: Any = Any) -> Any:
    """The JSON values of a body. Raises `RequestRefused` API003 where it is no JSON, API006 where it is no `wanted`."""
    try:
        body.decode()
        return msgspec.json.decode(body, type=wanted)
    except msgspec.ValidationError as wrong:
        told = f"the body is not what is asked for: {wrong}"
        raise refusal(Problem("API006", "", told, 1)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise _not_json(body, wrong) from None


def filled(model: type[Model], values: Any) -> Model:
    """The form with these values. Raises `RequestRefused` API006 with every problem."""
    try:
        return model.model_validate(values)
    except ValidationError as wrong:
        raise invalid(wrong.errors(include_url=False, include_context=False)) from None


def invalid(errors: Collection[Any], *, within: int = 0) -> RequestRefused:
    """The refusal for what pydantic found; `within` is how many leading parts of each place to leave out."""
    return refusal(*(Problem("API006", pointer_of(error["loc"][within:]), _told(error)) for error in errors))


def refusal(*problems: Problem) -> RequestRefused:
    """The error of a request with these problems, at least one."""
    lines = " ".join(f"{found.pointer or 'the body'}: {found.message}" for found in problems)
    return RequestRefused("API006", f"{lines} Nothing was changed.", problems=problems)


def media_type(request: Request) -> str:
    """The kind of a body, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_media(request: Request, media: Collection[str]) -> None:
    given = media_type(request)
    if given not in media:
        wanted = " or ".join(sorted(media))
        told = f"Content-Type is `{given}`" if given else "the request has no Content-Type"
        raise RequestRefused("API004", f"{told}; this address takes {wanted}. Nothing was read.")


def _too_large() -> RequestRefused:
    return RequestRefused(
        "API005", f"the body is larger than {MAX_BODY_BYTES:,} bytes, the most that is taken. Nothing was changed."
    )


def _not_json(body: bytes, wrong: Exception) -> RequestRefused:
    told = "nested too deep" if isinstance(wrong, RecursionError) else str(wrong)
    place = wrong.start if isinstance(wrong, UnicodeDecodeError) else _place(told)
    found = Problem("API003", "", told, body.count(b"\n", 0, place) + 1)
    return RequestRefused(
        "API003", f"the body is not JSON: {told} (line {found.line}). Nothing was changed.", problems=(found,)
    )


def _place(told: str) -> int:
    found = _BYTE.search(told)
    return int(found[1]) if found else 0


def _told(error: Any) -> str:
    name = error["loc"][-1] if error["loc"] else "the body"
    match error["type"]:
        case "extra_forbidden":
            return f"`{name}` is not a field of this request; nothing would read it."
        case "missing":
            return f"`{name}` is missing."
        case _:
            return f"{error['msg'].removeprefix('Value error, ')}."
