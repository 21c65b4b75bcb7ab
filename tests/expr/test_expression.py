"""What evaluating gives: JSON, taken from the bindings that the expression names and no others."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pointsman.base.errors import ExpressionError
from pointsman.expr import Engine, engine


def failure(cel: Engine, source: str, values: Mapping[str, Any]) -> str:
    with pytest.raises(ExpressionError) as caught:
        cel.compile(source).evaluate(values)
    return str(caught.value)


class Recorded(Mapping[str, Any]):
    """Bindings that remember what was asked of them."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values_by_name = values
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.asked.append(name)
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("nobody should need all of the bindings")

    def __len__(self) -> int:
        raise AssertionError("nobody should need all of the bindings")


def test_only_the_variables_that_are_named_are_read(cel: Engine) -> None:
    # Given bindings of which some would be costly to provide
    bindings = Recorded({"output": {"score": 90}, "ctx": {"enrich": {"output": {"revenue": 200_000}}}})
    # When an expression is evaluated
    value = cel.compile("output.score >= 80 && ctx.enrich.output.revenue > 100000").evaluate(bindings)
    # Then only those were touched that it names
    assert (value, bindings.asked) == (True, ["output", "ctx"])


def test_a_value_that_is_passed_on_is_not_copied(cel: Engine) -> None:
    # Given values of kinds that expressions can only pass on, too
    output = {"items": [{"z": 1, "a": None}], "huge": 2**70, "nothing": None}
    # When an expression is nothing but their path, then they come out as they went in
    assert cel.compile("output.items").evaluate({"output": output}) is output["items"]
    assert cel.compile('output["items"][0]').evaluate({"output": output}) is output["items"][0]
    assert cel.compile("output.huge").evaluate({"output": output}) == 2**70
    assert cel.compile("output.nothing").evaluate({"output": output}) is None


def test_maps_come_out_in_the_order_of_their_keys(cel: Engine) -> None:
    # Given an expression that builds a map, when it is evaluated
    value = cel.compile("{'z': 1, 'a': {'y': input.x, 'b': null}}").evaluate({"input": {"x": [{"d": 1, "c": 2}]}})
    # Then the order does not depend on the engine, nor on the process
    assert str(value) == "{'a': {'b': None, 'y': [{'c': 2, 'd': 1}]}, 'z': 1}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("output.score > 1", "`output` has no key `score`."),
        ("output.score", "`output` has no key `score`."),
        ("output.items.first == 1", "`output.items` is a list, so it has no `first`."),
        ("output.text.first == 1", "`output.text` is a string, so it has no `first`."),
        ("output.nothing.first == 1", "`output.nothing` is null, so it has no `first`."),
        ("output.items[4] == 1", "there is no `output.items[4]`: `output.items` has 2 items."),
        ("output.text[0] == 'a'", "there is no `output.text[0]`: `output.text` is a string, not a list."),
        ("has(output.text.first) || false", "`output.text` is a string, which has no fields."),
        ("size(output.number) > 1", "`output.number` is a number, which has no size."),
        ("output.number.all(x, true)", "`output.number` is a number, which has no items to go through."),
        ('ctx["my-node"].output.x > 1', "`ctx` has no key `my-node`."),
        ("ctx.score.output.deep.er > 1", "`ctx.score.output` has no key `deep`."),
        ("loop.iteration > 1", "`loop` is not set here."),
        ("output.big + 1", "`output.big` holds the integer 9223372036854775808, which does not fit into 64 bits"),
        ("output.nan + 1", "`output.nan` holds the number nan, which JSON cannot write."),
        ("size(output.tuple + [1])", "`output.tuple` holds a tuple, which JSON does not have."),
        ("output.broken + ''", "`output.broken` holds a string that is no Unicode text"),
        ("output.keys == {}", "`output.keys` holds a map with 1 as a key; JSON's keys are strings."),
        ("output.deep == []", "`output.deep` holds a value nested more than 128 levels deep."),
    ],
)
def test_what_cannot_be_read_is_explained_in_one_wording(cel: Engine, source: str, message: str) -> None:
    deep: list[Any] = []
    for _ in range(150):
        deep = [deep]
    values = {
        "output": {
            "items": [1, 2],
            "text": "abc",
            "nothing": None,
            "number": 5,
            "big": 2**63,
            "nan": float("nan"),
            "tuple": (1, 2),
            "broken": "\ud800",
            "keys": {1: 2},
            "deep": deep,
        },
        "ctx": {"score": {"output": {}}},
    }
    assert failure(cel, source, values).startswith(f"CEL009 `{source}`: {message}")


@pytest.mark.parametrize("source", ["1.0 / 0.0", "[0.0 / 0.0]", "{'a': -1.0 / 0.0}", "type(1)", "[type('')]"])
def test_a_value_that_json_lacks_is_no_result(cel: Engine, source: str) -> None:
    assert failure(cel, source, {}).startswith(f"CEL010 `{source}`: its value has ")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("1 + 1", "2"),
        ("output.text", '"abc"'),
        ("output.nothing", "null"),
        ("output.items", "[1, 2]"),
        ("output.items + output.items + output.items + output.items + output.items", "[1, 2, 1, 2"),
        ("true ? 0 : 1", "0"),
    ],
)
def test_a_condition_is_true_or_false_and_nothing_else(cel: Engine, source: str, shown: str) -> None:
    # Given an expression with another kind of value
    values = {"output": {"items": [1, 2], "text": "abc", "nothing": None}}
    # When it is used as a condition
    with pytest.raises(ExpressionError, match="CEL011") as caught:
        cel.compile(source).test(values)
    # Then it is neither taken for true nor for false
    assert f"a condition must be true or false, and this is {shown}" in str(caught.value)


def test_a_condition_gives_its_truth_value(cel: Engine) -> None:
    values = {"output": {"ok": False, "score": 3}}
    assert cel.compile("output.score > 2").test(values) is True
    assert cel.compile("output.ok").test(values) is False
    assert cel.compile("has(output.ok)").test(values) is True


def test_a_failed_condition_can_tell_what_it_read(cel: Engine) -> None:
    # Given a condition that reads in every way there is
    source = (
        "output.score > 1 && has(output.ok) && size(output.items) > 1 && input.list.all(x, x > item) && input.no.pe"
    )
    # When it is asked what it read
    values = {"output": {"score": 3, "items": [1]}, "input": {"list": [2]}}
    # Then it names what it found, by path, and leaves out what was not there
    assert cel.compile(source).values_read(values) == {
        "output.score": 3,
        "has(output.ok)": False,
        "size(output.items)": 1,
        "input.list": [2],
    }


def test_nulls_in_results_leave_the_interpreter_whole() -> None:
    # Given cel-cpp, whose own way of handing out None takes a reference from it each time
    cel = engine("cel-cpp")
    values = {"input": {"list": [None, {"a": None}]}}
    expressions = [cel.compile(source) for source in ("null", "[null]", "{'a': [null]}", "input.list.map(x, x)")]
    before = sys.getrefcount(None)
    # When results with thousands of nulls are made and dropped
    for _ in range(2_000):
        for expression in expressions:
            expression.evaluate(values)
    # Then None has as many references as before, give or take those of unrelated objects
    assert abs(sys.getrefcount(None) - before) < 500


def test_errors_of_the_engines_are_put_into_words(cel: Engine) -> None:
    assert failure(cel, "1 / 0", {}) == "CEL009 `1 / 0`: divide by zero."
    assert failure(cel, "int('x')", {}) == "CEL009 `int('x')`: \"x\" is no integer of 64 bits."
    assert failure(cel, "'a' < 1", {}).endswith("(string, int)` cannot be applied to these kinds of values.")


def test_a_long_expression_is_quoted_in_part(cel: Engine) -> None:
    message = failure(cel, "output.missing == '" + "a" * 500 + "'", {"output": {}})
    assert message == "CEL009 `output.missing == '" + "a" * 101 + "…`: `output` has no key `missing`."
