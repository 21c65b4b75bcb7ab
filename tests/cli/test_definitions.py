"""`validate`, `graph` and `schema`: offline, every problem at once, output that other tools take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointsman.definition import json_schema
from tests.cli.conftest import call

GOOD = """\
name: greeting
nodes:
  - {id: ask, type: function}
  - {id: polite, type: conditional}
  - {id: thank, type: function}
  - {id: end, type: wait, wait: 10}
  - id: polish
    type: function
    loop: {condition: 'output.score < 80', max_iterations: 3, loop_back_to: polish, break_path: end}
edges:
  - {from: ask, to: polite}
  - {from: polite, to: thank, when: 'ctx.ask.output.mood == "good"'}
  - {from: polite, to: polish}
  - {from: thank, to: end}
  - {from: thank, to: polish, on: error}
"""
BAD = """\
name: greeting
nodes:
  - {id: request, type: function}
  - {id: answer, type: function, retry: {max_attempts: none}}
  - {id: end, type: function}
edges:
  - {from: request, to: anwser}
  - {from: answer, to: end, when: 'ctx.reqest.output.ok'}
"""


@pytest.fixture
def good(tmp_path: Path) -> str:
    return _file(tmp_path, "good.yaml", GOOD)


@pytest.fixture
def bad(tmp_path: Path) -> str:
    return _file(tmp_path, "bad.yaml", BAD)


def _file(directory: Path, name: str, text: str) -> str:
    (directory / name).write_text(text)
    return str(directory / name)


def test_a_valid_definition_is_said_to_be_valid(good: str) -> None:
    said = call("validate", good)
    assert (said.code, said.out, said.err) == (0, f"{good} is valid: greeting, 5 nodes, 6 edges\n", "")


def test_every_problem_has_its_line_and_a_suggestion(bad: str) -> None:
    # When a definition with three mistakes is checked
    said = call("validate", bad)
    # Then all three are told, in a form that editors can jump to
    assert said.code == 3
    assert said.out.splitlines() == [
        f'{bad}:4: error DEF008 /nodes/1/retry/max_attempts: `max_attempts` must be a whole number, not "none".',
        f"{bad}:7: error CMP004 /edges/0/to: there is no node `anwser`. Did you mean `answer`?",
        f"{bad}:8: error CMP012 /edges/1/when: `ctx.reqest` is never written before `answer`."
        " Did you mean `ctx.request` (written by node `request`)?",
        f"{bad} is not valid: 3 problems",
    ]


def test_problems_as_json_hold_pointer_line_and_suggestion(bad: str) -> None:
    said = call("validate", bad, "--json")
    assert said.code == 3
    told = said.json
    assert told["valid"] is False
    assert [(problem["line"], problem["pointer"]) for problem in told["problems"]] == [
        (4, "/nodes/1/retry/max_attempts"),
        (7, "/edges/0/to"),
        (8, "/edges/1/when"),
    ]


def test_a_valid_definition_as_json_names_its_plan(good: str) -> None:
    told = call("validate", good, "--json").json
    digest = told["plan"].pop("digest")
    assert told == {
        "valid": True,
        "problems": [],
        "warnings": [],
        "plan": {"name": "greeting", "nodes": 5, "edges": 6},
    }
    assert len(digest) == 64


def test_text_that_is_no_definition_is_refused_with_its_line(tmp_path: Path) -> None:
    said = call("validate", _file(tmp_path, "broken.yaml", "nodes:\n  - {id: a\n"))
    assert said.code == 3
    assert ":3: error DEF001" in said.out


def test_a_definition_is_read_from_standard_input() -> None:
    assert call("validate", "-", stdin=GOOD).out == "- is valid: greeting, 5 nodes, 6 edges\n"


def test_a_missing_file_is_a_mistake_of_usage() -> None:
    said = call("validate", "nowhere.yaml")
    assert (said.code, said.out) == (2, "")
    assert "nowhere.yaml cannot be read: No such file" in said.err


def test_a_graph_is_drawn_in_mermaid(good: str) -> None:
    assert call("graph", good).out == (
        "flowchart TD\n"
        '  n0["ask<br/>function"]\n'
        '  n1{"polite<br/>conditional"}\n'
        '  n2["thank<br/>function"]\n'
        '  n3(["end<br/>wait"])\n'
        '  n4["polish<br/>function"]\n'
        "  n0 --> n1\n"
        '  n1 -->|"ctx.ask.output.mood == #quot;good#quot;"| n2\n'
        "  n1 --> n4\n"
        "  n2 --> n3\n"
        '  n2 -.->|"on error"| n4\n'
        "  n4 --> n3\n"
        '  n4 -.->|"↺ output.score #lt; 80 (at most 3)"| n4\n'
    )


def test_a_graph_is_drawn_for_graphviz(good: str) -> None:
    drawn = call("graph", good, "--format", "dot").out.splitlines()
    assert drawn[0] == 'digraph "greeting" {'
    assert '  "ask" [label="ask\\nfunction", shape=box];' in drawn
    assert '  "polite" -> "thank" [label="ctx.ask.output.mood == \\"good\\""];' in drawn
    assert '  "thank" -> "polish" [label="on error", style=dashed];' in drawn
    assert '  "polish" -> "polish" [label="↺ output.score < 80 (at most 3)", style=dotted, constraint=false];' in drawn
    assert drawn[-1] == "}"


def test_a_graph_as_json_holds_the_same_text(good: str) -> None:
    assert call("graph", good, "--json").json == {"format": "mermaid", "text": call("graph", good).out}


def test_a_graph_of_a_bad_definition_is_refused(bad: str) -> None:
    said = call("graph", bad, "--json")
    assert said.code == 3
    assert [error["line"] for error in said.json["error"]["errors"]] == [4, 7, 8]
    assert "error" in said.err


def test_the_schema_is_the_one_of_the_api() -> None:
    assert json.loads(call("schema").out) == json_schema()
