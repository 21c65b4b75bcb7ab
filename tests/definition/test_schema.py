"""The published JSON Schema: it accepts what the reader accepts, and refuses slips."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from pointsman.definition import json_schema
from pointsman.expr import engine
from tests.support.definitions import definitions

VALIDATOR = jsonschema_rs.Draft202012Validator(json_schema())


@settings(max_examples=100, deadline=None)
@given(definitions(engine(), nodes=10, depth=2, references=True, spellings=True))
def test_every_definition_that_compiles_fits_the_schema(document: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(document)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"nodes": [], "nodez": []},
        {"nodes": [{"id": "a"}]},
        {"nodes": [{"id": "a", "type": "f", "tiemout_ms": 5}]},
        {"nodes": [{"id": "a", "type": "f", "timeout_ms": "5"}]},
        {"nodes": [{"id": "a", "type": "f", "join": 0}]},
        {"nodes": [{"id": "a", "type": "f", "join": {"mode": "some"}}]},
        {"nodes": [{"id": "a", "type": "f", "wait": -1}]},
        {"nodes": [], "edges": [{"from": "a"}]},
        {"nodes": [], "edges": [{"from": "a", "to": "b", "when": {"type": "jsonpath", "expression": "$"}}]},
    ],
)
def test_what_the_reader_refuses_for_its_form_does_not_fit(document: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("join", ["all", "any", 2, {"mode": "n", "count": 2}, {"mode": "any"}, None])
def test_every_form_of_a_join_fits_the_schema(join: Any) -> None:
    assert VALIDATOR.is_valid({"nodes": [{"id": "a", "type": "f", "join": join}]})


def test_the_schema_names_fields_as_authors_write_them() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(schema["$defs"]["Edge"]["properties"]) == ["from", "to", "id", "when", "condition", "on", "leave"]
    assert json.loads(json.dumps(schema)) == schema
