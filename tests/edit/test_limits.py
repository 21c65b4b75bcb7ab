"""Limits of edits: each is told when it is passed, with where, and none before."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.base.errors import Problem
from pointsman.definition import apply_patch
from pointsman.edit.limits import Limits, Spent, agent_nodes_added, check_limits

BEFORE: dict[str, Any] = {
    "nodes": [{"id": "a", "type": "function"}, {"id": "b", "type": "agent"}],
    "edges": [{"from": "a", "to": "b"}],
}


def adding(*nodes: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"op": "add", "path": "/nodes/-", "value": {"id": name, "type": kind}} for name, kind in nodes]


def found(limits: Limits, operations: list[dict[str, Any]], spent: Spent | None = None) -> list[Problem]:
    return check_limits(limits, operations, BEFORE, apply_patch(BEFORE, operations), spent or Spent())


PATCH = adding(("c", "http"), ("d", "agent"), ("e", "join"))


@pytest.mark.parametrize(
    ("trips", "allows", "problem"),
    [
        (
            Limits(max_operations=2),
            Limits(max_operations=3),
            Problem("EDT051", "", "the patch has 3 operations, and 2 are allowed."),
        ),
        (
            Limits(max_nodes=4),
            Limits(max_nodes=5),
            Problem("EDT053", "/nodes", "the definition would have 5 nodes, and 4 are allowed."),
        ),
        (
            Limits(node_types=("function", "agent")),
            Limits(node_types=("http", "agent")),
            Problem(
                "EDT054",
                "/nodes/c/type",
                "patches may not bring nodes of type `http`, only of `function`, `agent` and control types.",
            ),
        ),
        (
            Limits(max_agent_nodes=0),
            Limits(max_agent_nodes=1),
            Problem(
                "EDT055",
                "/nodes",
                "the patch brings 1 nodes of type `agent`, 0 came by earlier ones, and 0 in all are allowed.",
            ),
        ),
    ],
)
def test_each_limit_trips_one_past_it_and_not_before(trips: Limits, allows: Limits, problem: Problem) -> None:
    assert found(trips, PATCH) == [problem]
    assert found(allows, PATCH) == []


def test_a_run_takes_so_many_patches_and_no_more() -> None:
    limits = Limits(max_patches=2)
    assert found(limits, PATCH, Spent(patches=1)) == []
    told = "the run has taken 2 patches, and no more are allowed."
    assert found(limits, PATCH, Spent(patches=2)) == [Problem("EDT052", "", told)]


def test_agents_that_earlier_patches_added_count_too() -> None:
    limits = Limits(max_agent_nodes=3)
    assert found(limits, PATCH, Spent(agent_nodes=2)) == []
    assert [problem.code for problem in found(limits, PATCH, Spent(agent_nodes=3))] == ["EDT055"]
    # A patch that brings none is not held up by those there are
    assert found(limits, adding(("c", "http")), Spent(agent_nodes=9)) == []


def test_a_node_that_becomes_an_agent_counts_as_one_that_is_added() -> None:
    operations = [{"op": "replace", "path": "/nodes/a/type", "value": "agent"}]
    assert agent_nodes_added(BEFORE, apply_patch(BEFORE, operations)) == 1
    assert [problem.code for problem in found(Limits(max_agent_nodes=0), operations)] == ["EDT055"]
    assert [problem.pointer for problem in found(Limits(node_types=("http",)), operations)] == ["/nodes/a/type"]


def test_what_was_there_before_the_patch_is_held_to_no_limit() -> None:
    # Given a definition past every limit
    limits = Limits(max_nodes=1, node_types=("http",), max_agent_nodes=0)
    # Then it can still be changed, and made smaller
    assert found(limits, [{"op": "replace", "path": "/nodes/b/config", "value": {"x": 1}}][:0]) == []
    assert found(limits, [{"op": "add", "path": "/nodes/b/config", "value": {"x": 1}}]) == []
    assert found(Limits(max_nodes=0), [{"op": "remove", "path": "/nodes/b"}]) == []


def test_all_that_is_passed_is_told_at_once() -> None:
    limits = Limits(max_operations=1, max_patches=1, max_nodes=2, node_types=("function",), max_agent_nodes=0)
    codes = [problem.code for problem in found(limits, PATCH, Spent(patches=1))]
    assert codes == ["EDT051", "EDT052", "EDT053", "EDT054", "EDT054", "EDT055"]


def test_the_defaults_let_ordinary_edits_pass() -> None:
    assert found(Limits(), PATCH, Spent(patches=10, agent_nodes=10)) == []
