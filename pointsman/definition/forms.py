"""Nodes and edges that were read before: what says the same has the same form, and is not checked again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final, Generic, TypeVar

import msgspec

from pointsman.definition.model import Definition, Edge, Node, Part

MOST_BYTES: Final = 16 << 20
"""What the nodes that are kept may take, about, and the same for the edges."""
_BYTES_A_FORM: Final = 2_000

Form = TypeVar("Form", bound=Part)


class Forms:
    """The nodes and edges read last, by their JSON. Most of a definition that was edited is as it was."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._nodes = _Known[Node](most_bytes)
        self._edges = _Known[Edge](most_bytes)

    def read(self, document: dict[str, Any]) -> Definition:
        """A definition out of its JSON values, which were found sound. Raises as `Definition.model_validate` does."""
        nodes, edges = _texts(document.get("nodes")), _texts(document.get("edges"))
        found = dict(document)
        if nodes:
            found["nodes"] = self._nodes.in_place(nodes, document["nodes"])
        if edges:
            found["edges"] = self._edges.in_place(edges, document["edges"])
        definition = Definition.model_validate(found)
        self._nodes.keep(nodes, definition.nodes)
        self._edges.keep(edges, definition.edges)
        return definition


class _Known(Generic[Form]):
    def __init__(self, most_bytes: int) -> None:
        self._forms: OrderedDict[bytes, Form] = OrderedDict()
        self._most = most_bytes
        self._size = 0

    def in_place(self, texts: Iterable[bytes], items: Iterable[Any]) -> list[Any]:
        """The items, those that are known already read."""
        return [self._forms.get(text, item) for text, item in zip(texts, items, strict=True)]

    def keep(self, texts: Iterable[bytes], forms: Iterable[Form]) -> None:
        for text, form in zip(texts, forms, strict=True):
            if text in self._forms:
                self._forms.move_to_end(text)
            else:
                self._forms[text] = form
                self._size += _BYTES_A_FORM + len(text)
        while self._size > self._most:
            self._size -= _BYTES_A_FORM + len(self._forms.popitem(last=False)[0])


def _texts(items: object) -> list[bytes]:
    """What each item says; nothing where these are no items."""
    return list(map(msgspec.json.encode, items)) if isinstance(items, list) else []
