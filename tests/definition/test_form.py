"""The form of a definition: every field's kind and bounds, every mistake in it at once."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from pointsman.base.errors import InvalidDefinition
from pointsman.definition import Definition, parse, parse_document


def problems_of(text: str) -> list[str]:
    with pytest.raises(InvalidDefinition) as refused:
        parse(dedent(text))
    return [str(problem) for problem in refused.value.problems]


def field_problem(field: str, value: Any) -> str:
    """What is said of one field of a node."""
    with pytest.raises(InvalidDefinition) as refused:
        parse_document({"nodes": [{"id": "a", "type": "f", field: value}]})
    [problem] = refused.value.problems
    return str(problem)


@pytest.mark.parametrize("text", ["[]", '"x"', "5", "- a\n"])
def test_anything_but_an_object_is_no_definition(text: str) -> None:
    [problem] = problems_of(text)
    assert problem.startswith("DEF005 / (line 1): a definition is an object with `nodes` and `edges`; this is ")


def test_unknown_fields_are_refused_with_the_likely_one() -> None:
    # Given slips at every level of a definition, and a field that resembles none
    text = """\
        nodez: []
        nodes:
        - id: a
          type: f
          retry: {max_atempts: 3}
          loop: {conditions: "true", condition: "true", max_iterations: 1, loop_back_to: a}
          colour: red
        edges:
        - {from: a, too: b, to: b}
        metadata: {limits: {max_node: 1}, anything: {at: all}}
        """
    assert problems_of(text) == [
        "DEF006 /nodez (line 1): `nodez` is not a field of a definition; nothing would read it. Did you mean `nodes`?",
        "DEF006 /nodes/0/retry/max_atempts (line 5): `max_atempts` is not a field of `retry`; nothing would read it. "
        "Did you mean `max_attempts`?",
        "DEF006 /nodes/0/loop/conditions (line 6): `conditions` is not a field of `loop`; nothing would read it. "
        "Did you mean `condition`?",
        "DEF006 /nodes/0/colour (line 7): `colour` is not a field of a node; nothing would read it. Its fields are "
        "`id`, `type`, `name`, `config`, `context`, `join`, `route`, `retry`, `timeout_ms`, `deadline_ms`, "
        "`max_deliveries`, `failure_policy`, `loop`, `branch`, `wait`, `metadata`.",
        "DEF006 /edges/0/too (line 9): `too` is not a field of an edge; nothing would read it. Did you mean `to`?",
        "DEF006 /metadata/limits/max_node (line 10): `max_node` is not a field of `limits`; nothing would read it. "
        "Did you mean `max_nodes`?",
    ]


def test_missing_fields_are_told_at_what_lacks_them() -> None:
    text = """\
        nodes:
        - {id: a}
        - {type: f}
        - {id: b, type: loop, loop: {}}
        edges:
        - {from: a}
        """
    assert problems_of(text) == [
        "DEF007 /nodes/0 (line 2): `type` is missing; a node cannot be without it.",
        "DEF007 /nodes/1 (line 3): `id` is missing; a node cannot be without it.",
        "DEF007 /nodes/2/loop (line 4): `condition` is missing; `loop` cannot be without it.",
        "DEF007 /nodes/2/loop (line 4): `max_iterations` is missing; `loop` cannot be without it.",
        "DEF007 /nodes/2/loop (line 4): `loop_back_to` is missing; `loop` cannot be without it.",
        "DEF007 /edges/0 (line 6): `to` is missing; an edge cannot be without it.",
    ]
    assert problems_of("{}") == ["DEF007 / (line 1): `nodes` is missing; a definition cannot be without it."]


CEL = 'a CEL expression, as text or as {"type": "cel", "expression": …}'


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("timeout_ms", "5", '`timeout_ms` must be a whole number, not "5".'),
        ("timeout_ms", 5.0, "`timeout_ms` must be a whole number, not 5.0."),
        ("timeout_ms", True, "`timeout_ms` must be a whole number, not true."),
        ("timeout_ms", 0, "`timeout_ms` must be a number from 1, not 0."),
        ("deadline_ms", 10**12, "`deadline_ms` must be a number up to 315,360,000,000, not 1000000000000."),
        ("route", "furst", '`route` must be `first` or `all`, not "furst".'),
        ("failure_policy", "stop", '`failure_policy` must be `fail_fast`, `continue` or `park`, not "stop".'),
        ("context", "a", '`context` must be a list, not "a".'),
        ("context", [1], "an item of `context` must be text, not 1."),
        ("name", 5, "`name` must be text, not 5."),
        ("metadata", [], "`metadata` must be an object, not a list."),
        ("join", "some", '`join` must be `all`, `any`, a number, or an object with `mode` and `count`, not "some".'),
        ("join", 0, "`count` must be a number from 1, not 0."),
        ("wait", -1, "`wait` must be a number of milliseconds from 0, or a CEL expression that gives one, not -1."),
        ("wait", " ", f'`wait` must be {CEL}, not " ".'),
        ("wait", {"type": "jsonpath", "expression": "$"}, f"`wait` must be {CEL}, not an object."),
        ("retry", {"jitter": 2}, "`jitter` must be a number up to 1, not 2."),
        ("retry", {"jitter": "a"}, '`jitter` must be a number, not "a".'),
        ("retry", {"retry_on": [""]}, 'an item of `retry_on` must be text that is not empty, not "".'),
        ("branch", {"rules": []}, "`rules` must be a list that is not empty, not a list."),
        ("loop", 5, "`loop` must be an object, not 5."),
    ],
)
def test_a_value_its_field_cannot_have_is_refused(field: str, value: Any, problem: str) -> None:
    assert field_problem(field, value).partition(": ")[2] == problem
    assert field_problem(field, value).startswith(f"DEF008 /nodes/0/{field}")


@pytest.mark.parametrize("kind", ["", "a b", "a:b", "x" * 65])
def test_a_type_must_be_fit_to_name_a_stream(kind: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_document({"nodes": [{"id": "a", "type": kind}]})
    assert [problem.code for problem in refused.value.problems] == ["DEF008"]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", "x" * 141])
def test_an_edge_id_must_be_fit_for_a_pointer(name: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_document({"nodes": [], "edges": [{"from": "a", "to": "b", "id": name}]})
    assert [problem.pointer for problem in refused.value.problems] == ["/edges/0/id"]


def test_a_version_that_lost_its_zero_is_refused() -> None:
    assert problems_of("version: 1.10\nnodes: []\n") == [
        'DEF008 /version (line 1): `version` must be text (`"1.10"`) or a whole number, not 1.1.'
    ]
    assert parse('version: "1.10"\nnodes: []\n').definition.version == "1.10"
    assert parse("version: 2\nnodes: []\n").definition.version == 2


def test_long_values_are_cut_in_messages() -> None:
    assert field_problem("timeout_ms", "x" * 100) == (
        f'DEF008 /nodes/0/timeout_ms: `timeout_ms` must be a whole number, not "{"x" * 56}…".'
    )


def test_the_document_is_kept_as_it_was_written() -> None:
    # Given short forms, other spellings and fields of the author's own
    loop = {"loop_back_to": "a", "condition": "true", "max_iterations": 1}
    written = {
        "nodes": [{"id": "a", "type": "loop", "join": "any", "config": loop}],
        "edges": [],
        "metadata": {"owner": "x", "version": "1"},
    }
    parsed = parse_document(written)
    # Then the document is the very same, and the definition has them written out
    assert parsed.document is written
    assert parsed.definition == Definition.model_validate(
        {
            "nodes": [{"id": "a", "type": "loop", "join": {"mode": "any"}, "loop": loop}],
            "metadata": {"owner": "x", "version": "1"},
        }
    )


def test_the_error_of_a_definition_lists_all_its_problems() -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse("nodes:\n- {id: a}\n- 5\n")
    assert str(refused.value) == (
        "DEF007 the definition has 2 problems:\n"
        "  DEF007 /nodes/0 (line 2): `type` is missing; a node cannot be without it.\n"
        "  DEF008 /nodes/1 (line 3): an item of `nodes` must be an object, not 5."
    )
