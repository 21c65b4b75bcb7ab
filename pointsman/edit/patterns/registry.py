"""All patterns, and what can be done with a request for any of them."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pointsman.base.errors import EditRefused, Problem
from pointsman.definition import Document, Operation, apply_patch
from pointsman.definition.faults import shown, wanted
from pointsman.definition.positions import pointer_of
from pointsman.definition.refusal import closest
from pointsman.definition.schema import DIALECT
from pointsman.edit.patterns.add_dependency import AddDependency
from pointsman.edit.patterns.change_condition import ChangeCondition
from pointsman.edit.patterns.copy import Copy
from pointsman.edit.patterns.delete import Delete
from pointsman.edit.patterns.insert_between import InsertBetween
from pointsman.edit.patterns.insert_conditional import InsertConditional
from pointsman.edit.patterns.insert_parallel import InsertParallel
from pointsman.edit.patterns.move import Move
from pointsman.edit.patterns.parallelise import Parallelise
from pointsman.edit.patterns.put_under_condition import PutUnderCondition
from pointsman.edit.patterns.refusal import refusal
from pointsman.edit.patterns.remove_dependency import RemoveDependency
from pointsman.edit.patterns.replace import Replace
from pointsman.edit.patterns.structure import problems_of
from pointsman.edit.patterns.swap import Swap
from pointsman.edit.patterns.wrap_in_loop import WrapInLoop
from pointsman.edit.patterns.wrap_with_retry import WrapWithRetry

PatternRequest: TypeAlias = Annotated[
    InsertBetween
    | InsertParallel
    | InsertConditional
    | Delete
    | Move
    | Replace
    | Swap
    | Copy
    | WrapInLoop
    | WrapWithRetry
    | Parallelise
    | PutUnderCondition
    | AddDependency
    | RemoveDependency
    | ChangeCondition,
    Field(discriminator="pattern"),
]
"""A request for any pattern; `pattern` says which."""


def read_request(value: object) -> PatternRequest:
    """Read a request from JSON values.

    Raises:
        EditRefused: EDT040, with every problem of its form; their pointers lead into it.
    """
    try:
        return _adapter().validate_python(value)
    except ValidationError as wrong:
        raise refusal(_problem(value, error) for error in wrong.errors(include_url=False)) from None


def apply_pattern(document: Document, request: PatternRequest) -> tuple[list[Operation], Document]:
    """What a pattern becomes on a definition that compiles: its operations, and the document after them.

    The graph of the new document is sound. What only its expressions can tell is left to the compiler: whether they
    still read nodes that there are, and that come before.

    Raises:
        EditRefused: EDT041 to EDT048, the pattern cannot be applied; the problem's pointer leads into the request.
            EDT049, the graph would not be sound; the pointers lead into the new document.
    """
    operations = request.operations(document)
    changed = apply_patch(document, operations)
    problems = problems_of(changed)
    if problems:
        told = f"the pattern would leave a definition that cannot be executed: {problems[0].message}"
        more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
        raise EditRefused("EDT049", f"{told}{more} It was not applied; nothing changed.", problems=tuple(problems))
    return operations, changed


def request_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a request for any pattern."""
    schema = _adapter().json_schema(by_alias=True)
    return {"$schema": DIALECT, **schema, "title": "Pointsman adaptation pattern"}


@cache
def _adapter() -> TypeAdapter[PatternRequest]:
    return TypeAdapter(PatternRequest)


def _problem(value: object, error: ErrorDetails) -> Problem:
    """Say what is wrong with the form of a request, and where."""
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_pattern(value)
    if error["type"] == "missing":
        return Problem("EDT040", pointer_of(_written(value, error)), f"`{error['loc'][-1]}` is missing.")
    loc = _written(value, error)
    match error["type"]:
        case "extra_forbidden":
            return Problem("EDT040", pointer_of(loc), f"`{loc[-1]}` is no field here; nothing would read it.")
        case _ if not loc:
            return Problem("EDT040", "", f"this must be {wanted(error)}.")
        case _:
            return Problem(
                "EDT040", pointer_of(loc), f"`{loc[-1]}` must be {wanted(error)}, not {shown(error['input'])}."
            )


def _written(value: Any, error: ErrorDetails) -> list[int | str]:
    """The place of an error in the request, without what pydantic adds to name models and members of unions."""
    found: list[int | str] = []
    for part in error["loc"]:
        is_there = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int)
        if is_there:
            found.append(part)
            value = value[part]
    return found


def _unknown_pattern(value: object) -> Problem:
    names = list(_adapter().json_schema()["discriminator"]["mapping"])
    named = value.get("pattern") if isinstance(value, dict) else None
    close = closest(named, names) if isinstance(named, str) else None
    told = f"`pattern` is {shown(named)}; the patterns are {', '.join(f'`{name}`' for name in names)}."
    return Problem("EDT040", "/pattern", told, suggestion=close)
