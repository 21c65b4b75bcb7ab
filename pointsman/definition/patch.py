"""JSON Patch (RFC 6902) of a definition, its nodes and edges addressable by id as well.

`/nodes/<id>/…` and `/edges/<id>/…` are our extension: what is neither an index nor `-` is an id, looked up in the
document as the operation finds it. An edge without an id of its own goes by `from->to`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from jsonpatch import JsonPatch, JsonPatchException, JsonPatchTestFailed
from jsonpointer import JsonPointer, JsonPointerException

from pointsman.base.errors import EditRefused, Problem
from pointsman.definition.faults import shown
from pointsman.definition.limits import MAX_VALUES
from pointsman.definition.positions import pointer_of
from pointsman.definition.refusal import closest

Operation: TypeAlias = Mapping[str, Any]

_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "from"),
    "copy": ("path", "from"),
    "test": ("path", "value"),
}
_INDEX: Final = re.compile(r"(?:0|[1-9][0-9]*|-)\Z")
_BY_ID: Final = frozenset({"nodes", "edges"})
_PUT_IN: Final = frozenset({"add", "copy", "move"})
_FIRST_EDGE: Final = frozenset({"/edges/-", "/edges/0"})


def apply_patch(document: dict[str, Any], operations: Sequence[Operation]) -> dict[str, Any]:
    """The document after `operations`, all of them or, on any error, none.

    The document given is not changed; what the patch does not touch is shared with it.

    Raises:
        EditRefused: EDT001 to EDT011, about the first operation that cannot be carried out. Its problem's pointer
            leads into `operations`.
    """
    return [document, *stages(document, operations)][-1]


def stages(document: dict[str, Any], operations: Sequence[Operation]) -> list[dict[str, Any]]:
    """The document after each of `operations`. Raises as `apply_patch`."""
    if isinstance(operations, (str, bytes, Mapping)) or not isinstance(operations, Sequence):
        raise _refusal("EDT001", "", "a patch is a list of operations.")
    patch = _Patch(document)
    return [patch.carry_out(index, operation) for index, operation in enumerate(operations)]


def with_edges(document: dict[str, Any], operation: Operation) -> dict[str, Any]:
    """The document as `operation` finds it: where it is to put in the first edge, no `edges` are an empty list."""
    if operation["op"] not in _PUT_IN or operation["path"] not in _FIRST_EDGE or "edges" in document:
        return document
    return {**document, "edges": []}


def segment(items: Sequence[Any], index: int) -> str:
    """How a pointer names an item of `nodes` or `edges`: by its id where that leads to it alone, else by its index."""
    name = id_of(items[index])
    is_alone = name is not None and sum(id_of(item) == name for item in items) == 1
    return name if name and is_alone and not _INDEX.match(name) else str(index)


def _refusal(code: str, pointer: str, told: str, suggestion: str | None = None) -> EditRefused:
    hint = f" Did you mean {suggestion}?" if suggestion else ""
    problem = Problem(code, pointer, told, suggestion=suggestion)
    return EditRefused(code, f"{told}{hint} The patch was refused; nothing changed.", problems=(problem,))


class _Patch:
    """A document on its way through the operations of a patch."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document: Any = document
        self._index = 0
        self._told = ""
        self._size: int | None = None

    def carry_out(self, index: int, operation: Operation) -> dict[str, Any]:
        self._index, self._told = index, f"operation {index}"
        verb = self._check(operation)
        where = operation["path"] or '""'
        self.document = with_edges(self.document, operation)
        self._told = f"operation {index}, `{verb} {where}`"
        try:
            self._carry_out(verb, operation)
        except RecursionError:
            raise self._refused("EDT011", "", "the value is nested too deep.") from None
        if not isinstance(self.document, dict):
            raise self._refused("EDT010", "path", "the document cannot become anything but an object.")
        return self.document

    def _carry_out(self, verb: str, operation: Operation) -> None:
        path = self._parts(operation, "path")
        if verb == "move":
            self._move(self._located(self._parts(operation, "from"), "from"), path, operation)
            return
        path = self._located(path, "path")
        if verb == "copy":
            self._copy(self._located(self._parts(operation, "from"), "from"), path)
        elif verb == "remove" and not path:
            raise self._refused("EDT010", "path", "the whole document cannot be removed.")
        else:
            self._apply({"op": verb, "path": pointer_of(path), "value": operation.get("value")}, "path", path)

    def _check(self, operation: Operation) -> str:
        if not isinstance(operation, Mapping):
            raise self._refused("EDT001", "", f"an operation is an object, not {shown(operation)}.")
        verb = operation.get("op")
        if not isinstance(verb, str) or verb not in _MEMBERS:
            known = ", ".join(f"`{known}`" for known in _MEMBERS)
            raise self._refused("EDT002", "op", f"`op` is {shown(verb)}; the operations are {known}.")
        for member in _MEMBERS[verb]:
            if member not in operation:
                raise self._refused("EDT003", "", f"`{verb}` needs a `{member}`, and this operation has none.")
            if member != "value" and not isinstance(operation[member], str):
                told = f"`{member}` is a JSON Pointer as text, not {shown(operation[member])}."
                raise self._refused("EDT003", member, told)
        return verb

    def _parts(self, operation: Operation, member: str) -> list[str]:
        try:
            return list(JsonPointer(operation[member]).parts)
        except JsonPointerException:
            told = f"`{operation[member]}` is no JSON Pointer: it begins with `/`, and `~` stands only in `~0`, `~1`."
            raise self._refused("EDT004", member, told) from None

    def _located(self, parts: list[str], member: str) -> list[str]:
        """The same location with an index in place of an id."""
        if len(parts) < 2 or parts[0] not in _BY_ID or _INDEX.match(parts[1]):
            return parts
        items = self.document.get(parts[0])
        if not isinstance(items, list):
            return parts
        ids = [id_of(item) for item in items]
        match [place for place, known in enumerate(ids) if known == parts[1]]:
            case [place]:
                return [parts[0], str(place), *parts[2:]]
            case []:
                told = f"no item of `/{parts[0]}` has the id `{parts[1]}`."
                close = closest(parts[1], [known for known in ids if known is not None])
                raise self._refused("EDT005", member, told, close)
            case places:
                listed = " and ".join(f"`/{parts[0]}/{place}`" for place in places)
                told = f"`{parts[1]}` is the id of {listed}; say which by its index."
                raise self._refused("EDT009", member, told)

    def _move(self, source: list[str], path: list[str], operation: Operation) -> None:
        """Remove, then add: an id in `path` is looked up in between, as an index is counted."""
        value = self._value(source, "from")
        target = self._located(path, "path")
        if target == source:
            return
        if target[: len(source)] == source:
            moved = operation["from"] or '""'
            raise self._refused("EDT008", "path", f"`{moved}` cannot be moved into itself.")
        self._apply({"op": "remove", "path": pointer_of(source)}, "from", source)
        path = self._located(path, "path")
        self._apply({"op": "add", "path": pointer_of(path), "value": value}, "path", path)

    def _copy(self, source: list[str], path: list[str]) -> None:
        value = self._value(source, "from")
        self._size = (self._size or _size(self.document)) + _size(value)
        if self._size > MAX_VALUES:
            told = f"the document would hold more than {MAX_VALUES:,} values."
            raise self._refused("EDT011", "path", told)
        self._apply({"op": "add", "path": pointer_of(path), "value": value}, "path", path)

    def _value(self, parts: list[str], member: str) -> Any:
        try:
            value = JsonPointer.from_parts(parts).resolve(self.document)
        except JsonPointerException:
            raise self._missing(parts, member) from None
        if parts and parts[-1] == "-" and not isinstance(self._around(parts), dict):
            raise self._missing(parts, member)
        return value

    def _around(self, parts: list[str]) -> Any:
        return JsonPointer.from_parts(parts[:-1]).resolve(self.document)

    def _apply(self, operation: dict[str, Any], member: str, parts: list[str]) -> None:
        self.document = _unshared(self.document, parts)
        try:
            self.document = JsonPatch([operation]).apply(self.document, in_place=True)
        except JsonPatchTestFailed:
            raise self._untrue(operation, parts) from None
        except (JsonPatchException, JsonPointerException):
            raise self._missing(parts, member) from None

    def _untrue(self, operation: dict[str, Any], parts: list[str]) -> EditRefused:
        actual = _shown(self._value(parts, "path"))
        return self._refused("EDT007", "path", f"the value there is {actual}, not {_shown(operation['value'])}.")

    def _missing(self, parts: list[str], member: str) -> EditRefused:
        """Say how far a location leads, and what is wrong with its next segment."""
        value, depth = self.document, 0
        for part in parts:
            inner = _inner(value, part)
            if inner is _NOTHING:
                break
            value, depth = inner, depth + 1
        there, segment = pointer_of(parts[:depth]) or "/", parts[depth] if depth < len(parts) else ""
        if isinstance(value, list):
            told = f"`{there}` is a list of {len(value)}, and `{segment}` is no index that can be used here."
            return self._refused("EDT006", member, told)
        if isinstance(value, dict):
            close = closest(segment, value)
            told = f"`{there}` has no member `{segment}`."
            return self._refused("EDT005", member, told, close)
        return self._refused("EDT005", member, f"`{there}` is {shown(value)}, and nothing is inside it.")

    def _refused(self, code: str, member: str, told: str, suggestion: str | None = None) -> EditRefused:
        pointer = pointer_of([self._index, member] if member else [self._index])
        return _refusal(code, pointer, f"{self._told}: {told}", suggestion)


_NOTHING: Final = object()


def _inner(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part, _NOTHING)
    if isinstance(value, list) and _INDEX.match(part) and part != "-" and int(part) < len(value):
        return value[int(part)]
    return _NOTHING


def id_of(item: object) -> str | None:
    """The id that a node or edge goes by, None where it has none."""
    if not isinstance(item, dict):
        return None
    own = item.get("id")
    if isinstance(own, str):
        return own
    source, target = item.get("from"), item.get("to")
    return f"{source}->{target}" if isinstance(source, str) and isinstance(target, str) else None


def _unshared(document: Any, parts: Iterable[str]) -> Any:
    """The document with every container that `parts` leads through copied, so that it can be changed there."""
    if not isinstance(document, (dict, list)):
        return document
    top = inner = document.copy()
    for part in parts:
        child = _inner(inner, part)
        if not isinstance(child, (dict, list)):
            break
        child = child.copy()
        if isinstance(inner, dict):
            inner[part] = child
        else:
            inner[int(part)] = child
        inner = child
    return top


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1
