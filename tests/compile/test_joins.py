"""Joins that could never fire are refused; everything else is not."""

from __future__ import annotations

import pytest

from tests.compile.compiling import problems_of


def joined(join: str, *edges: str, wait: str = "") -> list[str]:
    """The problems of a node `j` with this join. An edge is `a->b`, `a->b?` with a condition, `a->b!` on error."""
    names = dict.fromkeys(name.rstrip("?!") for edge in edges for name in edge.split("->"))
    lines = ["nodes:"]
    lines += [f"- {{id: {name}, type: f{f', join: {join}' if name == 'j' else wait}}}" for name in names]
    lines.append("edges:")
    for place, edge in enumerate(edges):
        source, target = edge.rstrip("?!").split("->")
        said = {"?": ", when: output.x", "!": ", on: error"}.get(edge[-1], "")
        lines.append(f"- {{from: {source}, to: {target}, id: e{place}{said}}}")
    return [problem.partition(": ")[2] for problem in problems_of("\n".join(lines) + "\n")]


def test_a_join_that_wants_more_edges_than_it_has_is_refused() -> None:
    assert joined("3", "a->j", "b->j") == ["`j` waits for 3 live edges, and the number of its in-edges is 2."]


def test_a_join_of_edges_that_exclude_each_other_is_refused() -> None:
    # Given two branches of one decision, and further down their descendants
    told = "`j` waits for 2 live edges, and no run has more than 1: `e{0}` and `e{1}` exclude each other."
    assert joined("2", "a->j?", "a->j") == [told.format(0, 1)]
    assert joined("2", "a->b?", "a->c", "b->j", "c->j") == [told.format(2, 3)]
    assert joined("2", "a->b", "a->c!", "b->d", "d->j", "c->j") == [told.format(3, 4)]


def test_a_join_of_some_exclusive_edges_is_refused_by_how_many_remain() -> None:
    # Given three in-edges of which two exclude each other
    assert joined("3", "a->b?", "a->c", "b->j", "c->j", "x->j") == [
        "`j` waits for 3 live edges, and no run has more than 2: `e2` and `e3` exclude each other."
    ]
    assert joined("2", "a->b?", "a->c", "b->j", "c->j", "x->j") == []


@pytest.mark.parametrize("join", ["all", "any"])
def test_joins_that_do_not_count_can_always_fire(join: str) -> None:
    # Given both branches of a decision, of which one is dead in every run
    assert joined(join, "a->b?", "a->c", "b->j", "c->j") == []


def test_the_two_ways_out_of_a_loop_exclude_each_other() -> None:
    text = """\
        nodes:
        - id: a
          type: f
          loop: {condition: output.x, max_iterations: 2, loop_back_to: a, break_path: j, timeout_path: j}
        - {id: j, type: f, join: 2}
        """
    assert problems_of(text) == [
        "CMP024 /nodes/1/join (line 5): `j` waits for 2 live edges, and no run has more than 1: `a->j` and `a->j.2` "
        "exclude each other."
    ]


def test_edges_of_a_node_that_routes_to_all_do_not_exclude_each_other() -> None:
    text = """\
        nodes:
        - {id: a, type: f, route: all}
        - {id: b, type: f}
        - {id: j, type: f, join: 2}
        edges:
        - {from: a, to: b, when: output.x > 1}
        - {from: a, to: j, when: output.x > 2}
        - {from: b, to: j}
        """
    assert problems_of(text) == []
