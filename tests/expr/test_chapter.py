"""The chapter on expressions tells the truth."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from pointsman.base.errors import ExpressionError
from pointsman.expr import Engine, Limits, compile_template
from pointsman.expr.parser import MACROS
from pointsman.expr.references import GLOBAL, MEMBER, VARIABLES

CHAPTER = (Path(__file__).parents[2] / "docs" / "concepts" / "expressions.md").read_text()
ROW = re.compile(r"^\| `(.+)` \| (no value|`.+`) \|$", re.MULTILINE)


def rows(heading: str) -> list[tuple[str, str]]:
    """The rows of the tables with this heading."""
    tables = re.findall(rf"^\| {heading} \|.*\n((?:\|.*\n)+)", CHAPTER, re.MULTILINE)
    return [(left.replace("\\|", "|"), right.strip("`")) for table in tables for left, right in ROW.findall(table)]


def bindings() -> dict[str, object]:
    """The values that the chapter gives its variables."""
    return {name: json.loads(text) for name, text in re.findall(r"`(input|output) = (\{.+\})`", CHAPTER)}


@pytest.mark.parametrize(("expression", "value"), rows("expression \\| value"))
def test_each_expression_of_the_chapter_has_its_value(cel: Engine, expression: str, value: str) -> None:
    try:
        found = json.dumps(cel.compile(expression).evaluate(bindings()))
    except ExpressionError:
        found = "no value"
    assert found == value


@pytest.mark.parametrize(("template", "value"), rows("template \\| becomes"))
def test_each_template_of_the_chapter_becomes_its_value(cel: Engine, template: str, value: str) -> None:
    assert compile_template(json.loads(template), cel).render(bindings()) == json.loads(value)


def test_the_chapter_names_every_function_variable_and_limit() -> None:
    # Given all names that an expression can use, then the chapter has each
    names = {*GLOBAL, *MEMBER, *MACROS, "has", *VARIABLES}
    assert sorted(name for name in names if not re.search(rf"`{name}\b", CHAPTER)) == []
    # And the numbers in it are those of the code
    numbers = {getattr(Limits(), field.name) for field in fields(Limits)}
    assert sorted(number for number in numbers if f"{number:,}" not in CHAPTER) == []


def test_the_tables_of_the_chapter_are_read_whole() -> None:
    assert (len(rows("expression \\| value")), len(rows("template \\| becomes"))) == (28, 6)
