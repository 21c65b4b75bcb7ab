"""JSON Merge Patch, RFC 7396 to the letter, by way of RFC 6902 operations."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.base.errors import EditRefused
from pointsman.base.sameness import is_same
from pointsman.definition import apply_patch, merge_operations

RFC: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
"""The cases of its appendix A in which both sides are objects."""

VALUES = st.recursive(
    st.sampled_from([0, 1, 1.0, True, None, "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab/"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("ab/"), VALUES, max_size=3)


def merged(document: dict[str, Any], patch: Any) -> dict[str, Any]:
    before = deepcopy(document), deepcopy(patch)
    after = apply_patch(document, merge_operations(document, patch))
    assert (document, patch) == before
    return after


def by_the_rfc(target: Any, patch: Any) -> Any:
    """The pseudocode of its section 2."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = by_the_rfc(target.get(name), value)
    return target


@pytest.mark.parametrize(("document", "patch", "expected"), RFC)
def test_the_examples_of_the_rfc_come_out_so(document: Any, patch: Any, expected: Any) -> None:
    assert merged(document, patch) == expected


@settings(max_examples=300, deadline=None)
@given(OBJECTS, OBJECTS)
def test_any_merge_does_what_the_pseudocode_does(document: dict[str, Any], patch: dict[str, Any]) -> None:
    after = merged(document, patch)
    assert is_same(after, by_the_rfc(document, patch))
    assert merge_operations(after, patch) == [], "merging twice is merging once"


def test_only_what_differs_becomes_an_operation() -> None:
    document = {"name": "a", "metadata": {"x": 1, "limits": {"max_nodes": 5}}, "nodes": [{"id": "a"}]}
    patch = {"name": "a", "metadata": {"x": None, "limits": {"max_nodes": 6}, "y": {"z": None}}, "nodes": []}
    assert merge_operations(document, patch) == [
        {"op": "remove", "path": "/metadata/x"},
        {"op": "replace", "path": "/metadata/limits/max_nodes", "value": 6},
        {"op": "add", "path": "/metadata/y", "value": {}},
        {"op": "replace", "path": "/nodes", "value": []},
    ]


@pytest.mark.parametrize("patch", [None, [], "x", 1, [{"op": "add"}]])
def test_a_merge_patch_that_is_no_object_is_refused(patch: Any) -> None:
    with pytest.raises(EditRefused, match="a merge patch of a definition is an object") as refused:
        merge_operations({}, patch)
    assert refused.value.code == "EDT010"


def test_a_merge_patch_nested_without_end_is_refused() -> None:
    patch: dict[str, Any] = {}
    for _ in range(100_000):
        patch = {"a": patch}
    with pytest.raises(EditRefused) as refused:
        merge_operations({}, patch)
    assert refused.value.code == "EDT011"
