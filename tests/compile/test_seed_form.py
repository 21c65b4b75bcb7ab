"""The authoring language of the system this one replaces, and what it compiles to."""

from __future__ import annotations

from pointsman.base.ids import NodeId
from pointsman.plan import Loop
from tests.compile.compiling import edges_of, plan_of, problems_of, region, warnings_of


def test_conditions_are_taken_as_text_and_as_objects() -> None:
    text = """\
        nodes:
        - {id: gate, type: conditional}
        - {id: a, type: f}
        - {id: b, type: f}
        - {id: c, type: f}
        edges:
        - {from: gate, to: a, condition: {type: cel, expression: output.score >= 80}}
        - {from: gate, to: b, condition: " output.score >= 50 "}
        - {from: gate, to: c}
        """
    assert edges_of(text) == [
        "gate->a: gate -> a when output.score >= 80",
        "gate->b: gate -> b when output.score >= 50",
        "gate->c: gate -> c",
    ]


def test_a_branch_becomes_edges_in_the_order_of_its_rules() -> None:
    # Given rules with one way, with several, and two that lead to the same node
    text = """\
        nodes:
        - id: gate
          type: conditional
          branch:
            rules:
            - {condition: {type: cel, expression: output.x > 2}, next_nodes: [c, b]}
            - {condition: output.x > 1, next: b}
            default: [c]
        - {id: b, type: f}
        - {id: c, type: f}
        """
    assert edges_of(text) == [
        "gate->c: gate -> c when output.x > 2",
        "gate->b: gate -> b when output.x > 2",
        "gate->b.2: gate -> b when output.x > 1",
        "gate->c.2: gate -> c",
    ]
    assert warnings_of(text) == []


def test_a_plain_edge_beside_a_branch_is_the_same_edge() -> None:
    # Given the ways of a branch written as edges too, one with an id, and one more edge
    text = """\
        nodes:
        - {id: gate, type: f, branch: {rules: [{condition: output.x > 2, next: b}], default: c}}
        - {id: b, type: f}
        - {id: c, type: f}
        - {id: d, type: f}
        edges:
        - {from: gate, to: c, id: otherwise}
        - {from: gate, to: b}
        - {from: b, to: d}
        """
    assert edges_of(text) == ["b->d: b -> d", "gate->b: gate -> b when output.x > 2", "otherwise: gate -> c"]


def test_a_loop_may_stand_in_the_config_of_a_loop_node() -> None:
    text = """\
        nodes:
        - {id: draft, type: agent}
        - id: polish
          type: loop
          config:
            condition: {type: cel, expression: output.score < 80}
            max_iterations: 3
            loop_back_to: draft
            break_path: [publish]
            timeout_path: [review]
        - {id: publish, type: f}
        - {id: review, type: f}
        edges:
        - {from: draft, to: polish}
        """
    plan = plan_of(text)
    assert edges_of(text) == [
        "draft->polish: draft -> polish",
        "polish->publish: polish -> publish leave break",
        "polish->review: polish -> review leave timeout",
    ]
    assert plan.nodes[1].loop == Loop("output.score < 80", 3, NodeId("draft"))
    assert plan.regions == (region("polish", "draft", "draft polish"),)


def test_a_mistake_in_a_loop_inside_config_is_found_where_it_stands() -> None:
    text = """\
        nodes:
        - id: a
          type: loop
          config:
            condition: output.x >
            max_iterations: many
            loop_back_to: a
        """
    assert problems_of(text) == [
        "CMP014 /nodes/0/config/condition (line 5): CEL001 `output.x >`, column 11: expected a value, found the end.",
        'DEF008 /nodes/0/config/max_iterations (line 6): `max_iterations` must be a whole number, not "many".',
    ]


def test_paths_of_a_loop_and_plain_edges_are_merged() -> None:
    # Given a loop whose ways out are written as edges, one of them with a condition, and named at the node
    text = """\
        nodes:
        - id: a
          type: f
          loop: {condition: output.x < 3, max_iterations: 2, loop_back_to: a, break_path: [b, d], timeout_path: c}
        - {id: b, type: f}
        - {id: c, type: f}
        - {id: d, type: f}
        - {id: e, type: f}
        edges:
        - {from: a, to: b, when: output.x > 5}
        - {from: a, to: c}
        - {from: a, to: e}
        - {from: a, to: b, id: failed, on: error}
        """
    # Then each way is one edge, and an edge that no path names leaves by break, as it says nothing else
    assert edges_of(text) == [
        "a->b: a -> b when output.x > 5 leave break",
        "a->c: a -> c leave timeout",
        "a->e: a -> e",
        "failed: a -> b on error",
        "a->d: a -> d leave break",
    ]


def test_a_node_on_both_paths_of_a_loop_gets_two_edges() -> None:
    text = """\
        nodes:
        - id: a
          type: f
          loop: {condition: output.x, max_iterations: 2, loop_back_to: a, break_path: b, timeout_path: b}
        - {id: b, type: f}
        edges:
        - {from: a, to: b}
        """
    assert edges_of(text) == ["a->b: a -> b leave break", "a->b.2: a -> b leave timeout"]


def test_short_forms_of_a_join_are_written_out() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        - {id: all, type: join, join: all}
        - {id: any, type: join, join: any}
        - {id: two, type: join, join: 2}
        - {id: long, type: join, join: {mode: n, count: 2}}
        edges:
        - {from: a, to: all}
        - {from: a, to: any}
        - {from: b, to: any}
        - {from: a, to: two}
        - {from: b, to: two}
        - {from: a, to: long}
        - {from: b, to: long}
        """
    joins = {node.id: (node.join.mode, node.join.count) for node in plan_of(text).nodes if node.kind == "join"}
    assert joins == {"all": ("all", 0), "any": ("any", 0), "two": ("n", 2), "long": ("n", 2)}
