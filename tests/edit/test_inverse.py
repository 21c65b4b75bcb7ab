"""The inverse of a patch: applied after it, the document is what it was, to the order of every list."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pointsman.base.errors import EditRefused
from pointsman.base.sameness import is_same
from pointsman.definition import apply_patch
from pointsman.definition.positions import pointer_of
from pointsman.edit.inverse import inverse

WORKFLOW: dict[str, Any] = {
    "nodes": [
        {"id": "score", "type": "agent", "config": {"model": "small", "tags": ["a", "b", "a"]}},
        {"id": "gate", "type": "conditional"},
        {"id": "notify", "type": "function", "config": {"to": "x"}},
    ],
    "edges": [
        {"from": "score", "to": "gate"},
        {"from": "gate", "to": "notify", "when": "output.x > 1"},
        {"from": "gate", "to": "notify", "id": "always"},
    ],
}


def undone(*operations: dict[str, Any], document: dict[str, Any] = WORKFLOW) -> list[Any]:
    """The inverse of a patch, which must lead back."""
    before = deepcopy(document)
    made = inverse(document, operations)
    assert document == before, "the document was changed"
    assert is_same(apply_patch(apply_patch(document, operations), made), document)
    return made


def test_what_was_added_is_removed_by_its_id() -> None:
    made = undone(
        {"op": "add", "path": "/nodes/-", "value": {"id": "mail", "type": "function"}},
        {"op": "add", "path": "/edges/0", "value": {"from": "score", "to": "mail"}},
    )
    assert made == [{"op": "remove", "path": "/edges/score->mail"}, {"op": "remove", "path": "/nodes/mail"}]


def test_what_was_removed_comes_back_before_the_item_that_followed_it() -> None:
    made = undone({"op": "remove", "path": "/nodes/gate"}, {"op": "remove", "path": "/edges/always"})
    assert made == [
        {"op": "add", "path": "/edges/-", "value": {"from": "gate", "to": "notify", "id": "always"}},
        {"op": "add", "path": "/nodes/notify", "value": {"id": "gate", "type": "conditional"}},
    ]


def test_a_replaced_value_comes_back_under_the_id_its_node_has_then() -> None:
    made = undone(
        {"op": "replace", "path": "/nodes/notify/config/to", "value": "y"},
        {"op": "replace", "path": "/nodes/notify/id", "value": "tell"},
        {"op": "replace", "path": "/nodes/tell/config/to", "value": "z"},
    )
    assert made == [
        {"op": "replace", "path": "/nodes/tell/config/to", "value": "y"},
        {"op": "replace", "path": "/nodes/tell/id", "value": "notify"},
        {"op": "replace", "path": "/nodes/notify/config/to", "value": "x"},
    ]


def test_what_only_an_index_names_is_tested_before_it_is_undone() -> None:
    # Given changes inside a list whose items have no ids
    made = undone(
        {"op": "add", "path": "/nodes/score/config/tags/1", "value": "c"},
        {"op": "replace", "path": "/nodes/score/config/tags/0", "value": "d"},
    )
    # Then another patch that shifts them makes the inverse fail, instead of taking out something else
    assert made == [
        {"op": "test", "path": "/nodes/score/config/tags/0", "value": "d"},
        {"op": "replace", "path": "/nodes/score/config/tags/0", "value": "a"},
        {"op": "test", "path": "/nodes/score/config/tags/1", "value": "c"},
        {"op": "remove", "path": "/nodes/score/config/tags/1"},
    ]


def test_a_value_that_was_overwritten_comes_back() -> None:
    assert undone({"op": "add", "path": "/nodes/score/config/model", "value": 1}) == [
        {"op": "replace", "path": "/nodes/score/config/model", "value": "small"}
    ]
    assert undone({"op": "copy", "from": "/nodes/score", "path": "/nodes/notify/config"}) == [
        {"op": "replace", "path": "/nodes/notify/config", "value": {"to": "x"}}
    ]


def test_what_was_moved_is_moved_back_to_its_place() -> None:
    assert undone({"op": "move", "from": "/edges/always", "path": "/edges/score->gate"}) == [
        {"op": "move", "from": "/edges/always", "path": "/edges/-"}
    ]
    assert undone({"op": "move", "from": "/nodes/score/config", "path": "/metadata"}) == [
        {"op": "move", "from": "/metadata", "path": "/nodes/score/config"}
    ]


def test_a_move_over_another_value_brings_both_back() -> None:
    made = undone({"op": "move", "from": "/nodes/score/config/model", "path": "/nodes/notify/config"})
    assert made == [
        {"op": "replace", "path": "/nodes/notify/config", "value": {"to": "x"}},
        {"op": "add", "path": "/nodes/score/config/model", "value": "small"},
    ]


def test_a_move_out_of_what_it_replaces_is_undone_too() -> None:
    undone({"op": "move", "from": "/nodes/score/config", "path": "/nodes/score"})
    undone({"op": "move", "from": "/nodes/score/config/tags", "path": "/nodes/score/config"})
    undone({"op": "move", "from": "/nodes", "path": ""}, document={"nodes": {"nodes": []}})


def test_tests_and_moves_to_the_same_place_leave_nothing_to_undo() -> None:
    made = undone(
        {"op": "test", "path": "/nodes/gate/type", "value": "conditional"},
        {"op": "move", "from": "/nodes/gate", "path": "/nodes/1"},
    )
    assert made == []


def test_a_whole_document_that_was_replaced_comes_back_whole() -> None:
    assert undone({"op": "replace", "path": "", "value": {}}) == [{"op": "replace", "path": "", "value": WORKFLOW}]


def test_the_first_edges_of_a_definition_go_again_one_by_one() -> None:
    # Given a definition without edges, and a patch that brings two
    alone = {"nodes": WORKFLOW["nodes"]}
    operations = [{"op": "add", "path": "/edges/-", "value": {"from": "score", "to": to}} for to in ("gate", "notify")]
    made = inverse(alone, operations)
    # Then they are removed by id, not with the list: others may have added to it since
    assert made == [
        {"op": "remove", "path": "/edges/score->notify"},
        {"op": "remove", "path": "/edges/score->gate"},
    ]
    assert apply_patch(apply_patch(alone, operations), made) == {**alone, "edges": []}


def test_a_patch_that_cannot_be_applied_has_no_inverse() -> None:
    with pytest.raises(EditRefused, match="operation 1") as refused:
        inverse(WORKFLOW, [{"op": "remove", "path": "/nodes/gate"}, {"op": "remove", "path": "/nodes/gate"}])
    assert refused.value.code == "EDT005"


NAMES = st.sampled_from(["a", "b", "nodes", "edges", "id", "0", "", "~/"])
VALUES = st.recursive(
    st.sampled_from([0, 1, True, False, None, 1.0, "a", "b"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
ITEMS = st.lists(st.fixed_dictionaries({"id": st.sampled_from(["a", "b", "c", "7", "x->y"])}, optional={"v": VALUES}))
DOCUMENTS = st.fixed_dictionaries(
    {}, optional={"nodes": ITEMS | VALUES, "edges": ITEMS | VALUES, "a": VALUES, "b": VALUES}
)


def places(value: Any, around: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a value where something is."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [around, *(place for key, inner in entries for place in places(inner, (*around, key)))]


def spelled(data: st.DataObject, document: dict[str, Any], place: tuple[Any, ...]) -> str:
    """A pointer to a place: by id, where there is one, or by index."""
    if len(place) > 1 and place[0] in ("nodes", "edges") and isinstance(document[place[0]], list):
        item = document[place[0]][place[1]] if place[1] < len(document[place[0]]) else None
        if isinstance(item, dict) and isinstance(item.get("id"), str) and data.draw(st.booleans()):
            place = (place[0], item["id"], *place[2:])
    return pointer_of(place)


def new_place(data: st.DataObject, document: dict[str, Any]) -> tuple[Any, ...]:
    """Somewhere that `add`, `copy` and `move` can lead to."""
    around = data.draw(st.sampled_from(places(document)))
    value = document
    for key in around:
        value = value[key]
    if isinstance(value, list):
        return (*around, data.draw(st.integers(0, len(value)) | st.just("-")))
    return (*around, data.draw(NAMES)) if isinstance(value, dict) else around


def drawn(data: st.DataObject, document: dict[str, Any]) -> dict[str, Any]:
    verb = data.draw(st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]))
    there = spelled(data, document, data.draw(st.sampled_from(places(document))))
    new = new_place(data, document)
    to = spelled(data, document, new) if new and new[-1] != "-" else pointer_of(new)
    if verb in ("move", "copy"):
        return {"op": verb, "from": there, "path": to}
    return {"op": verb, "path": to if verb == "add" else there, "value": data.draw(VALUES)}


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_patch_and_its_inverse_leave_the_document_as_it_was(data: st.DataObject) -> None:
    # Given any document and operations that can be applied to it, at any depth
    document = data.draw(DOCUMENTS)
    operations: list[dict[str, Any]] = []
    patched = document
    for _ in range(data.draw(st.integers(1, 4))):
        operation = drawn(data, patched)
        try:
            patched = apply_patch(patched, [operation])
        except EditRefused:
            continue
        operations.append(operation)
    assume(operations)
    # Then the inverse leads back, whatever they were
    undone(*operations, document=document)
