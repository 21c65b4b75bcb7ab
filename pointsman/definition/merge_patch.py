"""JSON Merge Patch (RFC 7396) of a definition, as the RFC 6902 operations that do the same.

Arrays are replaced whole, as the RFC says: a merge patch cannot speak of one node or edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pointsman.base.errors import EditRefused, Problem
from pointsman.base.sameness import is_same
from pointsman.definition.faults import shown
from pointsman.definition.patch import Operation
from pointsman.definition.positions import pointer_of


def merge_operations(document: dict[str, Any], patch: Any) -> list[Operation]:
    """The operations that take `document` to what `patch` makes of it; none where it changes nothing.

    Raises:
        EditRefused: EDT010, the patch is no object: the document would not be one any more. EDT011, it is nested too
            deep.
    """
    if not isinstance(patch, dict):
        raise _refusal("EDT010", f"a merge patch of a definition is an object, not {shown(patch)}.")
    try:
        return list(_merged(document, patch, ()))
    except RecursionError:
        raise _refusal("EDT011", "the merge patch is nested too deep.") from None


def _refusal(code: str, told: str) -> EditRefused:
    return EditRefused(code, f"{told} The patch was refused; nothing changed.", problems=(Problem(code, "", told),))


def _merged(target: dict[str, Any], patch: dict[str, Any], around: tuple[str, ...]) -> Iterator[Operation]:
    for name, value in patch.items():
        place = (*around, name)
        if value is None:
            if name in target:
                yield {"op": "remove", "path": pointer_of(place)}
        elif name not in target:
            yield {"op": "add", "path": pointer_of(place), "value": _without_nulls(value)}
        elif isinstance(value, dict) and isinstance(target[name], dict):
            yield from _merged(target[name], value, place)
        elif not is_same(target[name], value):
            yield {"op": "replace", "path": pointer_of(place), "value": _without_nulls(value)}


def _without_nulls(value: Any) -> Any:
    """What an object amounts to where none was before; nulls inside of lists are values like others."""
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
