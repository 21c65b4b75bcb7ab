"""The inverse of a patch: the operations that take the patched definition back to what it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from jsonpointer import JsonPointer

from pointsman.base.errors import EditRefused
from pointsman.base.sameness import is_same
from pointsman.definition import Document, Operation, apply_patch
from pointsman.definition.patch import id_of, segment, stages, with_edges
from pointsman.definition.positions import pointer_of

_BY_ID: Final = frozenset({"nodes", "edges"})


def inverse(document: Document, operations: Sequence[Operation]) -> list[Operation]:
    """The operations that undo `operations`, which are to be applied to `document`.

    Nodes and edges are named by id where that leads to them alone, so that the inverse still means the same ones after
    other patches. An item of any other list goes by its index; what is undone there is tested first.

    Raises:
        EditRefused: As `apply_patch` does.
    """
    return undoing(document, operations, stages(document, operations))


def undoing(document: Document, operations: Sequence[Operation], becoming: Sequence[Document]) -> list[Operation]:
    """The same, where it is known what the document becomes with each operation."""
    undone: list[Operation] = []
    for operation, after in zip(operations, becoming, strict=True):
        undone[:0] = _undo(operation, with_edges(document, operation), after)
        document = after
    return undone


def _undo(operation: Operation, before: Document, after: Document) -> list[Operation]:
    if operation["op"] == "test":
        return []
    if not operation["path"]:
        return [{"op": "replace", "path": "", "value": before}]
    if operation["op"] == "move":
        return _undo_move(operation, before, after)
    target = _located(before, operation["path"])
    if operation["op"] == "remove":
        return [_put_back(before, after, target)]
    if operation["op"] == "replace":
        return [*_guard(after, target), {"op": "replace", "path": _named(after, target), "value": _at(before, target)}]
    return _undo_add(before, after, _ended(after, target))


def _undo_add(before: Document, after: Document, target: list[str]) -> list[Operation]:
    around = _at(before, target[:-1])
    if isinstance(around, dict) and target[-1] in around:
        return [{"op": "replace", "path": _named(after, target), "value": around[target[-1]]}]
    return [*_guard(after, target), {"op": "remove", "path": _named(after, target)}]


def _undo_move(operation: Operation, before: Document, after: Document) -> list[Operation]:
    """Move it back; where that cannot be said, or something was overwritten, take it out and put it back as it was."""
    source = _located(before, operation["from"])
    if _located(before, operation["path"]) == source:
        return []
    between = apply_patch(before, [{"op": "remove", "path": pointer_of(source)}])
    target = _ended(after, _located(between, operation["path"]))
    back = _named_for_insertion(between, source)
    moved: list[Operation] = [{"op": "move", "from": _named(after, target), "path": back}]
    if _leads(after, moved, before):
        return moved
    return [*_undo_add(between, after, target), _put_back(before, between, source)]


def _leads(document: Document, operations: Sequence[Operation], wanted: Document) -> bool:
    try:
        return is_same(apply_patch(document, operations), wanted)
    except EditRefused:
        return False


def _put_back(before: Document, after: Document, target: list[str]) -> Operation:
    """Add what `before` has at `target` and `after` has not."""
    return {"op": "add", "path": _named_for_insertion(after, target), "value": _at(before, target)}


def _guard(document: Document, target: list[str]) -> Iterator[Operation]:
    """A test where only an index says which item is meant, which other patches may have shifted."""
    if isinstance(_at(document, target[:-1]), list):
        pointer = _named(document, target)
        if pointer.endswith(f"/{target[-1]}"):
            yield {"op": "test", "path": pointer, "value": _at(document, target)}


def _located(document: Document, pointer: str) -> list[str]:
    """The parts of a pointer that leads somewhere, an index in place of an id."""
    parts = list(JsonPointer(pointer).parts)
    if len(parts) >= 2 and parts[0] in _BY_ID and isinstance(document.get(parts[0]), list):
        items = document[parts[0]]
        ids = [id_of(item) for item in items]
        if parts[1] in ids and segment(items, ids.index(parts[1])) == parts[1]:
            parts[1] = str(ids.index(parts[1]))
    return parts


def _ended(document: Document, target: list[str]) -> list[str]:
    """The same location where `-` stood for the end of a list: the index of what is there now."""
    around = _at(document, target[:-1])
    return [*target[:-1], str(len(around) - 1)] if isinstance(around, list) and target[-1] == "-" else target


def _at(document: Any, parts: Sequence[str]) -> Any:
    for part in parts:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _named(document: Document, parts: list[str]) -> str:
    """The pointer to something that is there, by id where it has one."""
    if len(parts) >= 2 and parts[0] in _BY_ID and isinstance(document[parts[0]], list):
        parts = [parts[0], segment(document[parts[0]], int(parts[1])), *parts[2:]]
    return pointer_of(parts)


def _named_for_insertion(document: Document, parts: list[str]) -> str:
    """The pointer by which something is added at `parts`: in front of what is there now, or at the end of a list."""
    around = _at(document, parts[:-1])
    if isinstance(around, list) and int(parts[-1]) == len(around):
        return f"{_named(document, parts[:-1])}/-"
    return _named(document, parts)
