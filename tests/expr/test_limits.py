"""Expressions are limited by counting: the same ones pass in both engines, whatever the machine (SEMANTICS §3.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pointsman.base.errors import ExpressionError
from pointsman.expr import Engine, Limits

FORMS = {
    "parentheses": ("(", "1", ")"),
    "lists": ("[", "1", "]"),
    "maps": ("{'a': ", "1", "}"),
    "negations": ("!", "input.yes", ""),
    "signs": ("-(", "1", ")"),
    "choices in the condition": ("(", "true", " ? true : false)"),
    "choices at the end": ("true ? 1 : ", "1", ""),
    "choices in the middle": ("true ? (", "1", ") : 2"),
    "sums": ("1 + ", "1", ""),
    "nested sums": ("1 + (", "1", ")"),
    "indexes": ("[0][", "0", "]"),
    "selections": ("", "{'a': 1}", ".a"),
    "comparisons": ("", "1", " == 1"),
    "conversions": ("string(", "1", ")"),
    "timestamps": ("timestamp(", "0", ")"),
    "questions": ("has({'a': ", "1", "}.a)"),
    "both kinds of logic": ("(", "true", " && true || false)"),
    "functions": ("string(", "''", ".contains(''))"),
    "memberships": ("(", "1", " in [true])"),
    "comprehensions": ("[1].map(x, ", "x", ")"),
    "chained comprehensions": ("", "[1]", ".map(x, x)"),
    "comprehensions over choices": ("(true ? ", "[1]", " : []).map(x, x)"),
    "comprehensions over parts": ("[", "[1]", "].map(x, [x][0].map(y, y))[0]"),
}


def code(action: Callable[[], Any]) -> str:
    try:
        action()
    except ExpressionError as error:
        return error.code
    return "passes"


@pytest.mark.parametrize(("before", "middle", "after"), FORMS.values(), ids=FORMS)
def test_whatever_our_limits_let_through_both_engines_take(cel: Engine, before: str, middle: str, after: str) -> None:
    # Given ever deeper nesting of one form
    sources = [before * depth + middle + after * depth for depth in range(1, 40)]
    # When each is compiled, and evaluated if it compiled
    codes = [code(lambda source=source: cel.compile(source).evaluate({"input": {"yes": True}})) for source in sources]
    # Then the deep ones are refused by us, and no engine hits a limit of its own before
    allowed = codes.index("CEL007")
    assert allowed >= 4
    assert set(codes[allowed:]) == {"CEL007"}
    assert set(codes[:allowed]) <= {"passes", "CEL009"}


@pytest.mark.parametrize(
    "source",
    [
        "1 + " * 27 + "1",
        " && ".join(["input.yes"] * 490),
        "[" + ", ".join(["1"] * 990) + "]",
        "input" + ".a" * 127,
        "'" + "a" * 9_990 + "'",
        f"'a'.matches('{'a' * 1_000}')",
    ],
    ids=["sum", "logic", "list", "path", "text", "pattern"],
)
def test_an_expression_just_under_a_limit_is_evaluated(cel: Engine, source: str) -> None:
    assert code(lambda: cel.compile(source).evaluate({"input": {"yes": True}})) in ("passes", "CEL009")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("'" + "a" * 10_000 + "'", "has 10002 characters; 10000 are the most one may have"),
        ("1 + " * 28 + "1", "nested more than 28 levels deep"),
        ("(" * 5_000, "nested more than 28 levels deep"),
        ("!" * 5_000 + "true", "nested more than 28 levels deep"),
        ("[" + ", ".join(["1"] * 1_000) + "]", "more than 1000 parts"),
        ("[1].map(a, " * 5 + "1" + ")" * 5, "more than 4 comprehensions stand inside each other"),
        (f"'a'.matches('{'a' * 1_001}')", "the pattern has 1001 characters; 1000 are the most"),
        ("input" + ".a" * 990, "a path of more than 128 keys leads nowhere"),
    ],
    ids=["source", "sum", "parentheses", "negations", "parts", "comprehensions", "pattern", "path"],
)
def test_an_expression_over_a_limit_does_not_compile(cel: Engine, source: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        cel.compile(source)
    assert caught.value.code == "CEL007"


def numbers(count: int) -> dict[str, Any]:
    return {"input": {"numbers": list(range(count)), "text": "a" * count, "map": {str(key): 1 for key in range(count)}}}


@pytest.mark.parametrize(
    ("source", "most"),
    [
        ("input.numbers.all(x, true)", 9_999),
        ("input.map.all(k, true)", 9_999),
        ("[input.numbers].all(l, l.all(x, true))", 9_997),
        ("[input.map].all(m, m.all(k, true))", 4_998),
        ("input.numbers.filter(x, true).all(x, true)", 4_999),
        ("input.numbers.all(x, true) && input.numbers.all(x, true)", 4_999),
        ("input.numbers.all(x, [1, 2].all(y, true))", 3_333),
        ("input.numbers.all(x, input.numbers.all(y, true))", 99),
    ],
)
def test_the_rounds_of_comprehensions_are_counted_exactly(cel: Engine, source: str, most: int) -> None:
    # Given an expression that goes through as many items as it may, and one item more
    expression = cel.compile(source)
    # When both are evaluated, then that one item decides
    assert code(lambda: expression.evaluate(numbers(most))) == "passes"
    assert code(lambda: expression.evaluate(numbers(most + 1))) == "CEL008"


@pytest.mark.parametrize(
    "source",
    [
        "input.numbers.all(x, x in input.numbers)",
        "input.numbers.all(x, input.text == input.text)",
        "input.numbers.all(x, input.text.contains('b') || true)",
        "input.numbers.all(x, input.text.matches('b') || true)",
        "input.numbers.map(x, input.text) != []",
        "input.numbers.all(x, input.numbers == input.numbers)",
        "input.numbers.map(x, input.text + input.text) != []",
    ],
)
def test_what_a_round_does_to_large_values_counts_too(cel: Engine, source: str) -> None:
    # Given an expression whose every round looks at a value as long as the list
    expression = cel.compile(source)
    # When there are few items it is evaluated, when there are many it is not, though their number is allowed
    codes = [code(lambda count=count: expression.evaluate(numbers(count))) for count in (100, 5_000)]
    assert codes == ["passes", "CEL008"]


@pytest.mark.parametrize(
    ("source", "many"),
    [
        ("input.rows.all(r, r.cells.all(c, c.n > 0))", 2_000),
        ("input.rows.filter(r, r.name == 'abc').map(r, r.cells.filter(c, c.n > 0)).size()", 1_500),
        ("input.rows.map(r, {'name': r.name + '!', 'cells': r.cells.map(c, c.n)}).size()", 1_500),
        ("input.rows.exists(r, r.cells.exists(c, c.n > 1 && r.name != ''))", 2_000),
        ("input.rows.all(r, r.name == 'abc' && r.text != input.text && r.cells[0].n > 0 && !has(r.other))", 5_000),
        ("input.rows.filter(r, r.name in ['abc', 'abd']).map(r, r.text)", 4_000),
    ],
)
def test_ordinary_work_on_large_lists_is_let_through(cel: Engine, source: str, many: int) -> None:
    rows = [{"name": "abc", "cells": [{"n": 1}, {"n": 2}], "text": "a" * 100}] * many
    assert code(lambda: cel.compile(source).evaluate({"input": {"rows": rows, "text": "b" * 1_000}})) == "passes"


def test_the_bound_is_the_same_in_both_engines(engines: tuple[Engine, Engine]) -> None:
    # Given nested lists of differing length
    rows = [{"cells": [{"n": cell} for cell in range(row)]} for row in range(140)]
    source = "input.rows.all(r, r.cells.all(c, c.n >= 0))"
    # When the rounds that they take pass the limit
    codes = [
        [
            code(lambda cel=cel, count=count: cel.compile(source).evaluate({"input": {"rows": rows[:count]}}))
            for cel in engines
        ]
        for count in (130, 139, 140)
    ]
    # Then both engines refuse at the same place: 139 rows have 9,591 cells, and each row is a round too
    assert codes == [["passes", "passes"], ["passes", "passes"], ["CEL008", "CEL008"]]


def test_comparing_large_lists_again_and_again_is_counted(cel: Engine) -> None:
    # Given many lists, each of them compared a hundred times with another one
    lists = [list(range(300)) for _ in range(300)]
    source = f"input.lists.all(x, {' && '.join(['x == input.one'] * 100)})"
    # When that is evaluated, then it is refused; comparing once is not
    assert code(lambda: cel.compile(source).evaluate({"input": {"lists": lists, "one": lists[0]}})) == "CEL008"
    once = cel.compile("input.lists.all(x, x == input.one)")
    assert code(lambda: once.evaluate({"input": {"lists": lists, "one": lists[0]}})) == "passes"


def test_values_cannot_be_doubled_into_memory(cel: Engine) -> None:
    # Given chains of comprehensions that double a text, or a list, with each link
    text = "['a']" + ".map(x, x + x)" * 22 + ".size() > 0"
    lists = "[1]" + ".map(x, [x, x])" * 22 + ".size() > 0"
    # When they are evaluated, then it is seen beforehand what they would build
    assert code(lambda: cel.compile(text).evaluate({})) == "CEL008"
    assert code(lambda: cel.compile(lists).evaluate({})) == "CEL008"


def test_an_evaluation_reads_no_more_than_its_share(cel: Engine) -> None:
    # Given a text of half of what may be read
    values = {"input": {"text": "a" * 500_000}}
    # When it is read once it is evaluated, when twice it is not; asking for its size reads nothing
    assert code(lambda: cel.compile("input.text != ''").evaluate(values)) == "passes"
    assert code(lambda: cel.compile("input.text + input.text").evaluate(values)) == "CEL008"
    assert code(lambda: cel.compile("size(input.text) == size(input.text)").evaluate(values)) == "passes"


def test_a_hostile_pattern_takes_no_time(cel: Engine) -> None:
    # Given a pattern that takes ages where a matcher goes back and tries again
    expression = cel.compile("input.text.matches('^(a+)+$')")
    # When it is matched with a long text, then it just answers
    assert expression.evaluate({"input": {"text": "a" * 50_000 + "b"}}) is False


def test_a_message_says_which_limit_and_what_to_do(cel: Engine) -> None:
    with pytest.raises(ExpressionError) as caught:
        cel.compile("input.numbers.all(x, true)").evaluate(numbers(10_000))
    assert str(caught.value) == (
        "CEL008 `input.numbers.all(x, true)`: it could take more than 9999 rounds of its comprehensions; go through "
        "fewer items, or prepare the list in a task. It was not evaluated."
    )


def test_limits_are_one_frozen_object_with_defaults() -> None:
    assert Limits() == Limits(10_000, 28, 1_000, 4, 1_000, 9_999, 1_000_000)
