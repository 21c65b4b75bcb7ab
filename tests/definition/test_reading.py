"""Texts into documents: strictly, with lines, within limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.base.errors import InvalidDefinition
from pointsman.definition import Media, read
from pointsman.definition.limits import MAX_JSON_BYTES, MAX_YAML_BYTES, beyond_json


def refusal(text: str | bytes, media: Media = "auto") -> list[str]:
    """The problems of a text that cannot be read."""
    with pytest.raises(InvalidDefinition) as refused:
        read(text, media)
    return [str(problem) for problem in refused.value.problems]


def document(text: str, media: Media = "auto") -> Any:
    return read(text, media).document


def test_yaml_scalars_follow_the_core_schema_of_yaml_1_2() -> None:
    # Given what YAML 1.1 would read as booleans, dates, octal and sexagesimal numbers, and keys such as `on`
    text = """\
on: yes
off: no
date: 2024-01-01
time: 12:30:00
octal: 0o17
old_octal: 017
hex: 0x1F
underscored: 1_000
integer: -12
float: 1.5e3
short: .5
negative: -0.0
true: True
none: ~
empty:
null: "null"
text: '12'
block: |
  a
  b
404: missing
"""
    # Then only the core schema's forms are anything but text, and keys are always text
    assert document(text) == {
        "on": "yes",
        "off": "no",
        "date": "2024-01-01",
        "time": "12:30:00",
        "octal": 15,
        "old_octal": 17,
        "hex": 31,
        "underscored": "1_000",
        "integer": -12,
        "float": 1500.0,
        "short": 0.5,
        "negative": 0.0,
        "true": True,
        "none": None,
        "empty": None,
        "null": "null",
        "text": "12",
        "block": "a\nb\n",
        "404": "missing",
    }


def test_an_alias_stands_for_a_value_of_its_own() -> None:
    # Given an anchor used twice
    made = document("a: &x {n: [1]}\nb: *x\nc: [*x, &y 5, *y]\n")
    # Then each place holds the value, and changing one changes no other
    assert made == {"a": {"n": [1]}, "b": {"n": [1]}, "c": [{"n": [1]}, 5, 5]}
    made["b"]["n"].append(2)
    assert made["a"] == {"n": [1]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", "DEF001 / (line 1): the text is not YAML: expected ',' or ']', but got '<stream end>' at column 6."),
        ("a: 1\nb: *x\n", "DEF001 /b (line 2): no anchor `&x` stands before this alias."),
        ("a: 1\n---\nb: 2\n", "DEF001 / (line 2): the text holds more than one YAML document."),
        (
            "a: \x07",
            "DEF001 /: the text is not YAML: unacceptable character #x0007: special characters are not allowed.",
        ),
        ("", "DEF001 /: the text is empty; it should hold a definition."),
        (b"a: \xff", "DEF001 / (line 1): the text is not UTF-8: invalid start byte."),
        ('{"a": 1,\n"b" 2}', "DEF001 / (line 2): the text is not JSON: expecting ':' delimiter at column 5."),
        ('{"a": 1} x', "DEF001 / (line 1): the text is not JSON: extra data at column 10."),
        (
            "a: 1\nb: {c: 2}\nb: 3\n",
            "DEF002 /b (line 3): this key stands in its object twice, first in line 2; only one could count. "
            "Remove one.",
        ),
        (
            '{"a": [0, {"b": 1,\n"b": 2}]}',
            "DEF002 /a/1/b (line 2): this key stands in its object twice, first in line 1; only one could count. "
            "Remove one.",
        ),
        ("a: &a [*a]\n", "DEF004 /a/0 (line 1): `*a` stands inside what it names."),
        (
            "a: !!python/object:os.system x\n",
            "DEF004 /a (line 1): the tag `tag:yaml.org,2002:python/object:os.system` has no meaning here. Remove it.",
        ),
        ("a: !secret [x]\n", "DEF004 /a (line 1): the tag `!secret` has no meaning here. Remove it."),
        ("a:\n- .inf\n", "DEF004 /a/0 (line 2): JSON has no `.inf`. Quote it if it is meant as text."),
        ("? [a]\n: b\n", "DEF004 / (line 1): a key must be a plain or quoted scalar."),
        (
            "a: &a {x: 1}\nb:\n  <<: *a\n",
            "DEF004 /b (line 3): merge keys (`<<`) are not part of YAML 1.2. Write the fields out, or alias a "
            "whole value.",
        ),
        (
            '{"a": [1,\nNaN]}',
            "DEF004 /a/1 (line 2): this value is not a finite number; JSON has no infinity and no NaN.",
        ),
        ('{"a": 1e999}', "DEF004 /a (line 1): this value is not a finite number; JSON has no infinity and no NaN."),
        ('{"a": "\\ud800"}', "DEF004 /a (line 1): this value contains half a surrogate pair, which is no text."),
        ('{"a\\u0000": 1}', "DEF004 / (line 1): a key of this object contains U+0000, which Postgres cannot store."),
    ],
)  # fmt: skip
def test_a_text_that_cannot_be_read_is_refused_with_its_place(text: str | bytes, problem: str) -> None:
    assert refusal(text) == [problem]


def test_every_key_that_stands_twice_is_told() -> None:
    assert [problem[:20] for problem in refusal('{"a": 1, "a": {"b": 1, "b": 2},\n"a": 3}')] == [
        "DEF002 /a (line 1): ",
        "DEF002 /a/b (line 1)",
        "DEF002 /a (line 2): ",
    ]


def test_lines_that_stand_for_a_billion_are_refused() -> None:
    # Given nine anchors, each of ten of the one before
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    # Then they are refused before they are written out
    assert refusal("\n".join(lines)) == [
        "DEF003 /: the definition holds more than 500,000 values, aliases written out; it was not read."
    ]


def test_nesting_beyond_the_limit_is_refused_in_both_formats() -> None:
    # Given nesting by brackets, and nesting that only aliases bring about
    deep = "[" * 65 + "]" * 65
    told = "nesting goes deeper than 64 levels; the definition was not read."
    assert refusal(deep, "json") == [f"DEF003 {'/0' * 64} (line 1): {told}"]
    assert refusal(deep, "yaml") == [f"DEF003 {'/0' * 64}: {told}"]
    assert refusal("[" * 100_000, "json") == [f"DEF003 /: {told}"]
    lines = [f"a0: &a0 {'[' * 40}{']' * 40}", f"a1: {'[' * 40}*a0{']' * 40}"]
    assert refusal("\n".join(lines)) == [f"DEF003 /a1{'/0' * 40}: {told}"]
    assert document("[" * 64 + "]" * 64, "json") == document("[" * 64 + "]" * 64, "yaml")


def test_texts_beyond_their_size_are_refused_unread() -> None:
    assert refusal('"' + "x" * MAX_JSON_BYTES + '"', "json") == [
        "DEF003 /: the text is larger than the 8,388,608 bytes allowed for JSON; it was not read."
    ]
    assert refusal("é" * (MAX_YAML_BYTES // 2 + 1)) == [
        "DEF003 /: the text is larger than the 1,048,576 bytes allowed for YAML; it was not read."
    ]
    assert refusal('{"a": 1' + "0" * 5_000 + "}") == [
        "DEF003 /: a number in the text has more than 4,300 digits; it was not read."
    ]


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert document("\ufeff{}") == {}
    assert read(b"\xef\xbb\xbfa: 1").document == {"a": 1}


MARKS = [*"ab:-?&*!%@`|>[]{},#'\"\\ \n\t01.~", "- ", "? ", ": ", "&a ", "*a", "!!", "%YAML 1.2\n", "---\n", "...\n"]
MARKS += ["<<: ", "|\n", ">2-\n", "\ufeff", "\x85", "\u2028", "0x", "!<x>", '"\\x', '"\\u12', "true", "\n  "]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(MARKS), max_size=14).map("".join), st.sampled_from(["json", "yaml"]))
def test_any_text_is_read_or_refused_with_a_code_of_ours(text: str, media: Media) -> None:
    try:
        made = document(text, media)
    except InvalidDefinition as wrong:
        told = {problem.code for problem in wrong.problems}
    else:
        told = {problem.code for problem in beyond_json(made)}
    assert told <= {"DEF001", "DEF002", "DEF003", "DEF004"}


JSON_KEYS = st.sampled_from(["a", "é", "a/b", "\x00", "\ud800x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


ODD = st.sampled_from([float("nan"), float("inf"), "\ud800", "a\x00", "é", (1,), b"x", 1.5])


def is_json(value: Any) -> bool:
    """What every document must be, said another way: it comes through JSON and UTF-8 as it is."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode().decode()
    except (TypeError, ValueError):
        return False
    return "\\u0000" not in text and json.loads(text) == value


@settings(max_examples=200, deadline=None)
@given(st.recursive(JSON | ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(JSON_KEYS, inner)))
def test_nothing_is_found_exactly_where_a_value_is_json(value: Any) -> None:
    assert (list(beyond_json(value)) == []) == is_json(value)


def pointers(value: Any, pointer: str = "") -> list[str]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    parts = ((str(key).replace("~", "~0").replace("/", "~1"), inner) for key, inner in entries)
    return [pointer, *(found for key, inner in parts for found in pointers(inner, f"{pointer}/{key}"))]


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_json_is_read_as_any_json_reader_reads_it(value: Any) -> None:
    # Given a document written with one value a line
    source = read(json.dumps(value, indent=1), "json")
    # Then its values are the same, and values further on stand on no earlier line
    assert source.document == value
    lines = [source.positions.line(pointer) for pointer in pointers(value)]
    assert lines == sorted(line for line in lines if line is not None)


def test_each_value_has_the_line_it_stands_on() -> None:
    # Given the same document in both formats
    as_json = '{"nodes": [\n {"id": "a",\n  "config": {"x/y":\n 1}},\n {"id": "b"}],\n "edges": [\n\n[]]}'
    as_yaml = "nodes:\n- id: a\n\n  config:\n    x/y: 1\n- id: b\nedges:\n- []\n"
    places = ["", "/nodes", "/nodes/0", "/nodes/0/config/x~1y", "/nodes/1/id", "/edges/0", "/nodes/1/missing", "/x"]
    # Then every pointer has its line, what is missing that of what is around it
    assert [read(as_json).positions.line(place) for place in places] == [1, 1, 2, 3, 5, 8, 5, 1]
    assert [read(as_yaml).positions.line(place) for place in places] == [1, 1, 2, 5, 6, 8, 6, 1]
