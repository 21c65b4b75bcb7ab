"""What is wrong with the form of a document, in words; and the document without it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from pointsman.base.errors import Problem
from pointsman.definition.model import (
    BranchForm,
    BranchRule,
    Definition,
    Edge,
    JoinForm,
    LimitsForm,
    LoopForm,
    Metadata,
    Node,
    RetryForm,
)
from pointsman.definition.positions import pointer_of
from pointsman.definition.refusal import closest

UNREADABLE: Final = "\x00"
"""Stands for the id of a node that could not be read. No document can hold it (`limits`)."""

_PARTS: Final[Mapping[tuple[str, ...], tuple[str, type[BaseModel]]]] = {
    (): ("a definition", Definition),
    ("nodes",): ("a node", Node),
    ("nodes", "retry"): ("`retry`", RetryForm),
    ("nodes", "join"): ("`join`", JoinForm),
    ("nodes", "loop"): ("`loop`", LoopForm),
    ("nodes", "branch"): ("`branch`", BranchForm),
    ("nodes", "branch", "rules"): ("a rule", BranchRule),
    ("edges",): ("an edge", Edge),
    ("metadata",): ("`metadata`", Metadata),
    ("metadata", "limits"): ("`limits`", LimitsForm),
}
_NODE: Final = {"id": UNREADABLE, "type": "unreadable"}
_EDGE: Final = {"from": UNREADABLE, "to": UNREADABLE}
_RULE: Final = {"condition": "true", "next": [UNREADABLE]}
_FIELD_STAND_INS: Final[Mapping[tuple[str, ...], Any]] = {
    ("nodes",): [_NODE],
    ("nodes", "id"): UNREADABLE,
    ("nodes", "type"): "unreadable",
    ("nodes", "loop", "condition"): "true",
    ("nodes", "loop", "max_iterations"): 1,
    ("nodes", "loop", "loop_back_to"): UNREADABLE,
    ("nodes", "branch", "rules"): [_RULE],
    ("nodes", "branch", "rules", "condition"): "true",
    ("edges", "from"): UNREADABLE,
    ("edges", "to"): UNREADABLE,
}
"""What takes the place of a value that must be there, so that the rest can be looked at."""

_ITEM_STAND_INS: Final[Mapping[tuple[str, ...], Any]] = {
    ("nodes",): _NODE,
    ("edges",): _EDGE,
    ("nodes", "branch", "rules"): _RULE,
}
"""The same for an item of a list, whose neighbours must keep their indexes."""

_WANTED: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "too_short": "a list that is not empty",
}


def problem_of(document: dict[str, Any], error: ErrorDetails) -> Problem:
    """Say what pydantic found in our words, with our code."""
    *around, name = error["loc"]
    part, model = _PARTS.get(_names(around), ("", Definition))
    pointer = pointer_of(_written(document, error["loc"]))
    match error["type"]:
        case "missing":
            return Problem("DEF007", pointer_of(around), f"`{name}` is missing; {part} cannot be without it.")
        case "extra_forbidden":
            return _unknown_field(str(name), pointer, part, model)
        case _:
            field = f"`{_names(error['loc'])[-1]}`" if isinstance(name, str) else f"an item of `{_names(around)[-1]}`"
            return Problem("DEF008", pointer, f"{field} must be {wanted(error)}, not {shown(error['input'])}.")


def without(document: dict[str, Any], errors: Iterable[ErrorDetails]) -> dict[str, Any]:
    """A copy of the document with stand-ins for faulty values that must be there, and without the others."""
    kept = dict(document)
    for error in errors:
        loc = list(error["loc"]) if error["type"] == "missing" else _written(kept, error["loc"])
        while not _can_go(loc):
            loc.pop()
        _take_out(kept, loc)
    return kept


def shown(value: object) -> str:
    """A value as it may stand in a message: short."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…" + text[0] * (text[0] == '"')


def _unknown_field(name: str, pointer: str, part: str, model: type[BaseModel]) -> Problem:
    fields = [field.alias or known for known, field in model.model_fields.items()]
    close = closest(name, fields)
    told = f"`{name}` is not a field of {part}; nothing would read it."
    if not close:
        told += f" Its fields are {', '.join(f'`{field}`' for field in fields)}."
    return Problem("DEF006", pointer, told, suggestion=close)


def wanted(error: ErrorDetails) -> str:
    """What pydantic would have had, in words."""
    context = error.get("ctx", {})
    match error["type"]:
        case "greater_than_equal":
            return f"a number from {context['ge']:g}"
        case "less_than_equal":
            return f"a number up to {context['le']:,g}" if context["le"] < 1e6 else f"a number up to {context['le']:,}"
        case "literal_error":
            return str(context["expected"]).replace("'", "`")
        case "string_pattern_mismatch":
            return f"text that matches {context['pattern']}"
        case "wanted":
            return str(context["what"])
        case known:
            return _WANTED.get(known, error["msg"])


def _names(loc: Iterable[int | str]) -> tuple[str, ...]:
    return tuple(part for part in loc if isinstance(part, str))


def _written(document: Any, loc: Iterable[int | str]) -> list[int | str]:
    """As much of a location as the author wrote: short forms are written out before they are looked at."""
    written: list[int | str] = []
    for part in loc:
        if not isinstance(document, (dict, list)):
            break
        written.append(part)
        document = document.get(part) if isinstance(document, dict) else document[int(part)]
    return written


def _can_go(loc: list[int | str]) -> bool:
    """Whether `loc` is a field of one of our parts or an item with a stand-in, not something inside a field."""
    if isinstance(loc[-1], int):
        return _names(loc) in _ITEM_STAND_INS
    return _names(loc[:-1]) in _PARTS


def _take_out(kept: dict[str, Any], loc: list[int | str]) -> None:
    """Take out the value at `loc`, or put its stand-in there; every container on the way is copied."""
    inner: Any = kept
    for part in loc[:-1]:
        inner[part] = inner[part].copy()
        inner = inner[part]
    last = loc[-1]
    if isinstance(last, int):
        inner[last] = _ITEM_STAND_INS[_names(loc)]
    elif _names(loc) in _FIELD_STAND_INS:
        inner[last] = _FIELD_STAND_INS[_names(loc)]
    else:
        inner.pop(last, None)
