"""The patterns as tools: what fits a tool's schema is a request, and the reverse."""

from __future__ import annotations

from random import Random
from typing import Any

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.edit.patterns import request_schema, tools
from tests.edit.patterns.random_requests import requests
from tests.support.definitions import definitions
from tests.support.driven import cel

TOOLS = {tool.name: jsonschema_rs.Draft202012Validator(tool.parameters) for tool in tools()}
REQUEST = jsonschema_rs.Draft202012Validator(request_schema())


def test_there_is_one_tool_for_each_pattern_and_each_says_what_it_does() -> None:
    assert TOOLS.keys() == request_schema()["discriminator"]["mapping"].keys()
    assert all(len(tool.description) > 20 for tool in tools())


@settings(max_examples=50, deadline=None)
@given(definitions(cel(), nodes=6, depth=1), st.integers(0, 2**32), st.sampled_from(sorted(TOOLS)))
def test_arguments_fit_a_tool_where_they_fit_its_pattern(document: dict[str, Any], seed: int, other: str) -> None:
    # Given requests for patterns
    for request in requests(Random(seed), document, 10):
        arguments = {name: value for name, value in request.items() if name != "pattern"}
        # When a model calls that pattern, or another one, with their arguments
        for name in (request["pattern"], other):
            # Then its tool takes what the pattern takes
            assert TOOLS[name].is_valid(arguments) == REQUEST.is_valid({"pattern": name, **arguments})
