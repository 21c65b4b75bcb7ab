"""Expressions are read the way CEL's grammar says, and what is not one is refused with its place."""

from __future__ import annotations

import pytest

from pointsman.base.errors import ExpressionError
from pointsman.expr import Engine


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "column 1: expected a value, found the end."),
        ("output.score >", "column 15: expected a value, found the end."),
        ("output.score > > 1", "column 16: expected a value, found `>`."),
        ("output.score = 1", "column 14: '=' means nothing here."),
        ("output.score == 1 and true", "column 19: expected an operator or the end, found `and`."),
        ("(output.score", "column 14: expected `)`, found the end."),
        ("[1, 2", "column 6: expected `]`, found the end."),
        ("{'a' 1}", "column 6: expected `:`, found `1`."),
        ("{'a': 1", "column 8: expected `}`, found the end."),
        ("true ? 1", "column 9: expected `:`, found the end."),
        ("true ? false ? 1 : 2 : 3", "column 14: expected `:`, found `?`."),
        ("output.", "column 8: expected a field name after the dot, found the end."),
        ("output.in", "column 8: expected a field name after the dot, found `in`."),
        ("output.1", "column 7: expected an operator or the end, found `.1`."),
        ("input.l.all(1, true)", "column 13: expected the name of a variable, as in `.all(x, …)`, found `1`."),
        ("input.l.all(for, true)", "column 13: `for` is a reserved word."),
        ("while > 1", "column 1: `while` is a reserved word."),
        ("'abc", "column 1: this string does not end; ' is missing."),
        ("'a\nb'", "line 1, column 1: this string does not end; ' is missing."),
        ('"""abc"', 'column 1: this string does not end; """ is missing.'),
        ("'\\q'", "column 2: `\\q` is no escape sequence; write `\\\\` for `\\`."),
        ("'\\ud800'", "column 2: `\\ud800` is no Unicode character."),
        ("'\\U00110000'", "column 2: `\\U00110000` is no Unicode character."),
        ("9223372036854775808", "column 1: 9223372036854775808 does not fit into 64 bits; write it as a decimal."),
        ("1e999", "column 1: 1e999 is larger than any number."),
        ("1 +\n  2 +\n  @", "line 3, column 3: '@' means nothing here."),
        ("output.name == '\ud800'", "column 17: half of a surrogate pair is no Unicode character."),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(cel: Engine, source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        cel.compile(source)
    assert caught.value.code == "CEL001"
    assert caught.value.message.endswith(f", {message}")


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 2 == 3 && 2 < 3 || false", True),
        ("1 < 2 == true", True),
        ("!false && false", False),
        ("-2 - -3", 1),
        ("2-1", 1),
        ("- 2 + 3", 1),
        ("!(!true)", True),
        ("1 - (2 - 3)", 2),
        ("8 / (4 / 2)", 4),
        ("(1 + 2) * (3 - 1)", 6),
        ("1 == 1 ? 'a' : 'b'", "a"),
        ("(true || false) && false", False),
        ("true || (false && false)", True),
        ("(1).matches == 1 || true", True),
        ("-1 < 0", True),
        ("(-1) in [-1]", True),
        ("[1, 2,].size( ) // trailing", 2),
        ("\t{ 'a' :\n1 } . a", 1),
    ],
)
def test_operators_bind_as_tightly_as_in_cel(cel: Engine, source: str, value: object) -> None:
    assert cel.compile(source).evaluate({}) == value


def test_words_that_the_engines_reserve_are_free_for_authors(cel: Engine) -> None:
    # Given fields and comprehension variables called like the engines' own words
    values = {"input": {"namespace": {"package": 1}, "v0": [1], "in": 2, "null": 3}, "loop": {"iteration": 4}}
    # When they are read, then nothing clashes
    assert cel.compile("input.namespace.package").evaluate(values) == 1
    assert cel.compile("input.v0.map(v0, v0 + loop.iteration)").evaluate(values) == [5]
    assert cel.compile("input.v0.map(type, type + 1)").evaluate(values) == [2]
    assert cel.compile("input['in'] + input['null']").evaluate(values) == 5
