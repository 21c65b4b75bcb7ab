"""Plans drawn in text: every edge is there, none that is not, and what is too wide becomes a list."""

from __future__ import annotations

import pytest

from pointsman.cli.picture import Label, Picture
from pointsman.plan import Node, Plan
from tests.support.plans import looping, plan, task


def drawn(made: Plan, width: int = 80) -> list[str]:
    return Picture(made).draw(_label, width).plain.split("\n")


def _label(node: Node) -> Label:
    return Label(node.id)


def tasks(names: str) -> list[Node]:
    return [task(name * 3) for name in names]


def test_a_fan_out_and_its_join_are_drawn_with_shared_lines() -> None:
    assert drawn(plan(*tasks("abcde"), "aaa->bbb->eee", "aaa->ccc->eee", "aaa->ddd->eee")) == [
        "        aaa",
        "   ┌─────┼─────┐",
        "  bbb   ccc   ddd",
        "   └─────┼─────┘",
        "        eee",
    ]


def test_nodes_that_share_no_edges_share_no_line() -> None:
    # Given two pairs: a and b lead to c and d, but a not to d
    made = plan(*tasks("abcd"), "aaa->ccc", "bbb->ccc", "bbb->ddd")
    # Then the line from b to both is another than that from a to c
    assert drawn(made) == [
        "  aaa   bbb",
        "   │     │",
        "   ├─────┤",
        "  ccc   ddd",
    ]


def test_an_edge_past_a_layer_goes_by_beside_it() -> None:
    assert drawn(plan(*tasks("abc"), "aaa->bbb->ccc", "aaa->ccc")) == [
        "     aaa",
        "   ┌──┴──┐",
        "  bbb    │",
        "   └──┬──┘",
        "     ccc",
    ]


def test_the_way_back_of_a_loop_is_no_line() -> None:
    made = plan(looping(task("aaa"), "aaa", "true"), task("bbb"), "aaa->bbb")
    assert drawn(made) == ["  aaa", "   │", "  bbb"]


def test_lines_that_cross_do_not_look_joined() -> None:
    made = plan(*tasks("abcdef"), "aaa->bbb->eee", "aaa->ccc->fff", "aaa->ddd->eee")
    assert drawn(made) == [
        "        aaa",
        "   ┌─────┼─────┐",
        "  bbb   ccc   ddd",
        "   └──┬──│─────┘",
        "      │  └──┐",
        "     eee   fff",
    ]


def test_labels_too_long_for_the_terminal_are_cut() -> None:
    made = plan(task("a_name_of_some_length"), task("and_another_one"))
    assert drawn(made, 24) == [" a_name_of_… and_anothe…"]


def test_a_plan_too_wide_becomes_a_list() -> None:
    made = plan(*tasks("abcdefgh"), *(f"aaa->{name * 3}" for name in "bcdefg"), "bbb->hhh", "ccc->hhh")
    assert drawn(made, 24) == [
        "aaa",
        *(f"{name * 3}  after aaa" for name in "bcdefg"),
        "hhh  after bbb, ccc",
    ]


@pytest.mark.parametrize("width", [30, 40, 80])
def test_no_line_is_wider_than_asked_for(width: int) -> None:
    made = plan(*tasks("abcdef"), "aaa->bbb->eee->fff", "aaa->ccc->eee", "ddd->fff")
    assert all(len(row) <= width for row in drawn(made, width))


def test_an_empty_plan_draws_nothing_at_all() -> None:
    assert drawn(plan()) == [""]
