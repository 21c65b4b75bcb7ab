"""Requests for patterns: read whole or refused with every problem, and described by one schema."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.base.errors import EditRefused
from pointsman.edit.patterns import Pattern, apply_pattern, read_request, request_schema
from tests.edit.patterns.graphs import graph, node
from tests.edit.patterns.random_requests import requests
from tests.support.definitions import definitions
from tests.support.driven import cel

SCHEMA = request_schema()
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)


def told(request: Any) -> list[str]:
    """What a request that cannot be read is told."""
    with pytest.raises(EditRefused) as refused:
        read_request(request)
    assert {problem.code for problem in refused.value.problems} == {"EDT040"}
    return [
        f"{problem.pointer} {problem.message}" + (f" {problem.suggestion}" if problem.suggestion else "")
        for problem in refused.value.problems
    ]


@settings(max_examples=50, deadline=None)
@given(definitions(cel(), nodes=6, depth=1), st.integers(0, 2**32))
def test_what_fits_the_schema_can_be_read_and_the_reverse(document: dict[str, Any], seed: int) -> None:
    for request in requests(Random(seed), document, 10):
        assert VALIDATOR.is_valid(request)
        before = deepcopy(request)
        assert isinstance(read_request(request), Pattern)
        assert request == before


def test_the_schema_has_one_form_for_each_pattern() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(SCHEMA["discriminator"]["mapping"]) == [
        "add_dependency",
        "change_condition",
        "copy",
        "delete",
        "insert_between",
        "insert_conditional",
        "insert_parallel",
        "move",
        "parallelise",
        "put_under_condition",
        "remove_dependency",
        "replace",
        "swap",
        "wrap_in_loop",
        "wrap_with_retry",
    ]


@pytest.mark.parametrize(
    "request_",
    [
        {"pattern": "insert"},
        {"pattern": "delete"},
        {"pattern": "delete", "nodes": []},
        {"pattern": "delete", "nodes": "a", "why": "x"},
        {"pattern": "swap", "nodes": ["a"]},
        {"pattern": "insert_between", "from": "a", "to": "b", "node": {"id": "n"}},
        {"pattern": "insert_between", "from": "a", "to": "b", "node": {"id": "n", "type": "f", "tiemout_ms": 5}},
        {"pattern": "change_condition", "from": "a", "to": "b"},
        {"pattern": "wrap_in_loop", "nodes": "a", "condition": "true"},
    ],
)
def test_a_slip_does_not_fit_the_schema_and_cannot_be_read(request_: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(request_)
    assert told(request_)


def test_an_unknown_pattern_is_told_with_those_there_are() -> None:
    [message] = told({"pattern": "insert_betwen", "from": "a", "to": "b"})
    assert message.startswith('/pattern `pattern` is "insert_betwen"; the patterns are `add_dependency`,')
    assert message.endswith(". `insert_between`")
    assert told({"nodes": "a"})[0].startswith("/pattern `pattern` is null; the patterns are")
    assert told([{"op": "add"}])[0].startswith(" this must be an object")


def test_every_problem_of_a_request_is_told_with_its_place() -> None:
    request = {
        "pattern": "insert_conditional",
        "from": 1,
        "fragment": {"nodes": [{"id": "n", "type": "f"}, {"id": "m", "tpye": "f"}]},
        "why": "x",
    }
    assert told(request) == [
        "/fragment/nodes/1 `type` is missing.",
        "/fragment/nodes/1/tpye `tpye` is no field here; nothing would read it.",
        "/from `from` must be text, not 1.",
        " `when` is missing.",
        "/why `why` is no field here; nothing would read it.",
    ]


def test_a_field_that_may_be_of_two_kinds_is_told_by_its_own_name() -> None:
    [one, other] = told({"pattern": "copy", "nodes": "a", "as": 1, "from": "a"})
    assert one == "/as `as` must be text, not 1."
    assert other == "/as `as` must be an object, not 1."


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"from": "a"}, "a request with either `node` or `fragment`"),
        ({"from": "a", "node": node("n"), "fragment": {"nodes": [node("m")]}}, "a request with either `node` or"),
        ({"node": node("n")}, "a request with `from`, `to` or both"),
    ],
)
def test_fields_that_do_not_go_together_are_told(fields: dict[str, Any], wanted: str) -> None:
    [message] = told({"pattern": "insert_between", **fields})
    assert message.startswith(f" this must be {wanted}")


def test_what_is_brought_is_kept_as_it_is_written() -> None:
    # Given a node in short forms
    brought = {"id": "n", "type": "f", "join": "any", "config": {"x": [1, 1.0, None]}, "retry": {"max_attempts": 2}}
    request = read_request({"pattern": "insert_between", "from": "a", "to": "b", "node": brought})
    # Then the operation has them, and nothing that was not written
    operations, _ = apply_pattern(graph("a->b"), request)
    assert operations[0] == {"op": "add", "path": "/nodes/-", "value": brought}
    assert request.model_dump(by_alias=True, exclude_unset=True)["node"] == brought


def test_nodes_whose_ids_look_like_indexes_are_reached_by_index() -> None:
    document = graph("7->0->b")
    request = read_request({"pattern": "delete", "nodes": "0"})
    assert apply_pattern(document, request)[0] == [
        {"op": "replace", "path": "/edges/7->0/to", "value": "b"},
        {"op": "remove", "path": "/edges/0->b"},
        {"op": "remove", "path": "/nodes/1"},
    ]


def test_a_value_that_json_cannot_hold_is_refused_with_its_place() -> None:
    request = read_request({"pattern": "insert_between", "from": "a", "to": "b", "node": node("n", config="\x00")})
    with pytest.raises(EditRefused) as refused:
        apply_pattern(graph("a->b"), request)
    assert [(problem.code, problem.pointer) for problem in refused.value.problems] == [("EDT045", "/node/config")]
