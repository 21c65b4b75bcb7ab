"""Both engines mean the same by the same expression (SEMANTICS §3.6)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from pointsman.base.errors import ExpressionError
from pointsman.expr import Engine
from tests.expr.cases import BINDINGS, CASES, FAILS
from tests.expr.generated import bindings, expressions


def outcome(cel: Engine, source: str, values: dict[str, Any]) -> str:
    """The value as JSON text, which tells 1 from 1.0 and from true; or the code of the error."""
    try:
        return json.dumps(cel.compile(source).evaluate(values))
    except ExpressionError as error:
        return error.code


@pytest.mark.parametrize(("source", "expected"), CASES, ids=[source for source, _ in CASES])
def test_an_expression_has_the_value_that_cel_gives_it(cel: Engine, source: str, expected: Any) -> None:
    # Given an expression, when it is evaluated
    found = outcome(cel, source, BINDINGS)
    # Then its value is the one the specification says, of the same kind, or it has none
    assert found == json.dumps(expected) if expected is not FAILS else found in ("CEL009", "CEL010")


@settings(max_examples=400, deadline=None, derandomize=True)
@given(expressions(), bindings)
def test_both_engines_give_one_value_or_both_refuse(
    engines: tuple[Engine, Engine], source: str, values: dict[str, Any]
) -> None:
    # Given any expression over any JSON, when both engines evaluate it
    first, second = (outcome(cel, source, values) for cel in engines)
    # Then they agree, down to the code of the error
    assert first == second


def test_the_suite_is_as_large_as_it_claims() -> None:
    assert len({source for source, _ in CASES}) == len(CASES) >= 430
