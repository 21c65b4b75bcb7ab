"""Every problem the compiler finds: its code, its place, its words."""

from __future__ import annotations

from pointsman.base.errors import InvalidDefinition
from pointsman.compile import compile_definition
from pointsman.definition import Definition
from tests.compile.compiling import ENGINE, problems_of


def test_a_definition_without_nodes_is_refused() -> None:
    assert problems_of("nodes: []\n") == [
        "CMP001 /nodes (line 1): the definition has no nodes; a run would have nothing to do."
    ]


def test_a_node_id_outside_the_alphabet_is_refused_once() -> None:
    # Given a bad id that an edge uses too
    text = """\
        nodes:
        - {id: my node, type: f}
        - {id: b, type: f}
        edges:
        - {from: my node, to: b}
        """
    # Then only the id itself is a problem
    assert problems_of(text) == [
        "CMP002 /nodes/0/id (line 2): `my node` cannot be the id of a node (letters, digits, `_` and `-`, at most 64)."
    ]


def test_two_nodes_of_one_id_are_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        - {id: a, type: g}
        """
    assert problems_of(text) == [
        "CMP003 /nodes/2/id (line 4): `a` is the id of another node already (/nodes/0). Give each its own."
    ]


def test_an_unknown_node_is_refused_wherever_it_is_named() -> None:
    # Given unknown nodes in each place that names one, one of them nearly right
    text = """\
        nodes:
        - {id: score, type: f, context: [bb]}
        - id: b
          type: f
          loop: {condition: 'false', max_iterations: 1, loop_back_to: x, break_path: y, timeout_path: [z]}
          branch: {rules: [{condition: output.x, next: w}], default: v}
        edges:
        - {from: scores, to: b}
        - {from: score, to: zzz}
        """
    # Then each is found, with a suggestion where there is one
    assert problems_of(text) == [
        "CMP004 /nodes/0/context/0 (line 2): there is no node `bb`.",
        "CMP004 /nodes/1/loop/loop_back_to (line 5): there is no node `x`.",
        "CMP004 /nodes/1/loop/break_path (line 5): there is no node `y`.",
        "CMP004 /nodes/1/loop/timeout_path/0 (line 5): there is no node `z`.",
        "CMP004 /nodes/1/branch/rules/0/next (line 6): there is no node `w`.",
        "CMP004 /nodes/1/branch/default (line 6): there is no node `v`.",
        "CMP004 /edges/0/from (line 8): there is no node `scores`. Did you mean `score`?",
        "CMP004 /edges/1/to (line 9): there is no node `zzz`.",
    ]


def test_leave_on_an_edge_that_leaves_no_loop_is_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        edges:
        - {from: a, to: b, leave: break}
        """
    assert problems_of(text) == [
        "CMP005 /edges/0/leave (line 5): `leave` says by which path a loop is left, and this is no edge by which a "
        "loop at `a` is left."
    ]


def test_edges_that_share_an_id_are_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        edges:
        - {from: a, to: b, when: output.x}
        - {from: a, to: b, on: error}
        - {from: a, to: b, id: x}
        - {from: a, to: b, id: x}
        """
    assert problems_of(text) == [
        "CMP006 /edges/1 (line 6): there is an edge `a->b` already (/edges/0). A second one between the same nodes "
        "needs an `id`.",
        "CMP006 /edges/3/id (line 8): `x` is the id of another edge already (/edges/2). Give each its own.",
    ]


def test_what_is_said_twice_and_differently_is_refused() -> None:
    text = """\
        name: x
        version: 1
        nodes:
        - {id: a, type: f, name: A, metadata: {name: B}}
        - {id: b, type: f, branch: {rules: [{condition: output.x, next: c, next_nodes: c}], default: c}}
        - {id: c, type: f}
        edges:
        - {from: a, to: b, when: output.x, condition: output.y}
        metadata: {name: y, version: 2}
        """
    assert problems_of(text) == [
        "CMP007 /nodes/0/metadata/name (line 4): `name` stands here and outside of `metadata`, and the two differ. "
        "Keep one of them.",
        "CMP007 /nodes/1/branch/rules/0/next_nodes (line 5): `next` and `next_nodes` are two spellings of one field. "
        "Keep one of them.",
        "CMP007 /edges/0/condition (line 8): `when` and `condition` are two spellings of one field. Keep one of them.",
        "CMP007 /metadata/name (line 9): `name` stands here and outside of `metadata`, and the two differ. "
        "Keep one of them.",
        "CMP007 /metadata/version (line 9): `version` stands here and outside of `metadata`, and the two differ. "
        "Keep one of them.",
    ]


def test_fields_that_do_not_fit_their_node_are_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: loop}
        - {id: b, type: wait}
        - {id: c, type: f, wait: 5}
        - {id: d, type: f, route: all, join: {mode: n}, branch: {rules: [{condition: output.x}]}}
        - {id: e, type: f, join: {mode: any, count: 2}}
        """
    assert problems_of(text) == [
        "CMP008 /nodes/0 (line 2): a node of type `loop` needs `loop`: when to go round again, and where to.",
        "CMP008 /nodes/1 (line 3): a node of type `wait` needs `wait`: milliseconds, or a CEL expression that gives "
        "them.",
        "CMP008 /nodes/2/wait (line 4): `wait` belongs to nodes of type `wait`; this one's type is `f`.",
        "CMP008 /nodes/3/branch/rules/0 (line 5): this rule names no node that follows. Add `next`.",
        "CMP008 /nodes/3/route (line 5): `branch` takes the first rule that is true, `route: all` every one. Remove "
        "one of them.",
        "CMP008 /nodes/3/join (line 5): a join of mode `n` needs `count`: how many live edges it takes.",
        "CMP008 /nodes/4/join/count (line 6): `count` belongs to mode `n`; this join's mode is `any`.",
    ]


def test_a_cycle_is_refused_with_its_nodes_in_order() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        - {id: c, type: f}
        edges:
        - {from: a, to: b}
        - {from: b, to: c}
        - {from: c, to: b}
        - {from: c, to: c}
        """
    assert problems_of(text) == [
        "CMP009 /edges/2 (line 8): `b` -> `c` -> `b` is a cycle, and no loop: a run would never leave it. To go round "
        "on purpose, give `c` a `loop` with `loop_back_to: b` in place of this edge.",
        "CMP009 /edges/3 (line 9): `c` -> `c` is a cycle, and no loop: a run would never leave it. To go round on "
        "purpose, give `c` a `loop` with `loop_back_to: c` in place of this edge.",
    ]


def test_a_long_cycle_is_named_by_its_ends() -> None:
    # Given a cycle of twenty nodes behind a start
    names = [f"n{place}" for place in range(20)]
    edges = [("s", "n0"), *zip(names, [*names[1:], "n0"], strict=True)]
    document = {
        "nodes": [{"id": name, "type": "f"} for name in ("s", *names)],
        "edges": [{"from": source, "to": target} for source, target in edges],
    }
    # Then the message stays readable
    [problem] = problems_of(document)
    assert problem.startswith(
        "CMP009 /edges/20: `n0` -> `n1` -> `n2` -> `n3` -> `n4` -> `n5` -> … -> `n16` -> `n17` -> `n18` -> `n19` -> "
        "`n0` is a cycle, and no loop"
    )


def test_nodes_that_no_run_could_reach_are_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        - {id: c, type: f}
        edges:
        - {from: a, to: b}
        - {from: b, to: a}
        - {from: b, to: c}
        """
    assert problems_of(text) == [
        "CMP011 /nodes (line 1): every node has an edge that leads to it, so a run could begin nowhere.",
        "CMP010 /nodes/2 (line 4): `c` is never reached: every way to it comes out of a cycle that nothing leads into.",
        "CMP009 /edges/1 (line 7): `a` -> `b` -> `a` is a cycle, and no loop: a run would never leave it. To go round "
        "on purpose, give `b` a `loop` with `loop_back_to: a` in place of this edge.",
    ]


def test_reading_a_node_that_does_not_exist_is_refused() -> None:
    text = """\
        nodes:
        - {id: score, type: f}
        - {id: gate, type: f}
        - {id: my-gate, type: f, config: {to: "${ctx['my-gat'].output}"}}
        edges:
        - {from: score, to: gate, when: ctx.scores.output.x > 1}
        metadata: {output: ctx.gaet.output}
        """
    assert problems_of(text) == [
        'CMP012 /nodes/2/config/to (line 4): `ctx["my-gat"]` is never written before `my-gate`. '
        'Did you mean `ctx["my-gate"]` (written by node `my-gate`)?',
        "CMP012 /edges/0/when (line 6): `ctx.scores` is never written before `score`. "
        "Did you mean `ctx.score` (written by node `score`)?",
        "CMP012 /metadata/output (line 7): `ctx.gaet` is never written. "
        "Did you mean `ctx.gate` (written by node `gate`)?",
    ]


def test_reading_a_node_that_never_comes_before_is_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: f, config: {to: ["${ctx.b.output}"]}}
        - {id: b, type: f, context: [c, b]}
        - {id: c, type: f}
        edges:
        - {from: a, to: b, when: ctx.c.output.x && ctx.a.output.y}
        """
    assert problems_of(text) == [
        "CMP013 /nodes/0/config/to/0 (line 2): `ctx.b` is never written before `a`: no path leads there from `b`.",
        "CMP013 /nodes/1/context/0 (line 3): `c` never comes before `b`: no path leads there from `c`.",
        "CMP013 /nodes/1/context/1 (line 3): `b` never comes before `b`: no path leads there from `b`.",
        "CMP013 /edges/0/when (line 6): `ctx.c` is never written before `a`: no path leads there from `c`.",
    ]


def test_an_expression_that_does_not_compile_is_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: f, loop: {condition: output.x >, max_iterations: 2, loop_back_to: a}}
        - {id: b, type: wait, wait: run.idd}
        edges:
        - {from: a, to: b, when: "${output.x}"}
        metadata: {output: foo(1)}
        """
    assert problems_of(text) == [
        "CMP014 /nodes/0/loop/condition (line 2): CEL001 `output.x >`, column 11: expected a value, found the end.",
        "CMP014 /nodes/1/wait (line 3): CEL005 `run.idd`, column 5: `run` has no field `idd`, only `run.id` or "
        "`run.workflow`. Did you mean `id`?",
        "CMP014 /edges/0/when (line 5): CEL001 `${output.x}`, column 1: '$' means nothing here. Write it without "
        "`${ }`.",
        "CMP014 /metadata/output (line 6): CEL003 `foo(1)`, column 1: there is no function `foo`.",
    ]


def test_the_condition_of_a_rule_with_several_ways_is_refused_once() -> None:
    text = """\
        nodes:
        - {id: a, type: f, branch: {rules: [{condition: output.x >, next: [b, c]}], default: b}}
        - {id: b, type: f}
        - {id: c, type: f}
        """
    assert problems_of(text) == [
        "CMP014 /nodes/0/branch/rules/0/condition (line 2): CEL001 `output.x >`, column 11: expected a value, found "
        "the end."
    ]


def test_a_template_that_does_not_compile_is_refused() -> None:
    text = """\
        nodes:
        - id: a
          type: f
          config:
            to:
            - "${ 1 + }"
            greeting: hello ${ foo(1) }
        """
    assert problems_of(text) == [
        "CMP015 /nodes/0/config/to/0 (line 6): CEL001 `1 +`, column 4: expected a value, found the end.",
        "CMP015 /nodes/0/config/greeting (line 7): CEL003 `foo(1)`, column 1: there is no function `foo`.",
    ]


def test_a_variable_read_where_it_has_no_value_is_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: f, config: "${output.x}"}
        - {id: b, type: wait, wait: loop.iteration}
        edges:
        - {from: a, to: b, when: item.x > index}
        metadata: {output: output}
        """
    assert problems_of(text) == [
        "CMP016 /nodes/0/config (line 2): `output` has no value here: it is what a node gave that has just ended. Read "
        "`ctx.<node>.output`.",
        "CMP016 /nodes/1/wait (line 3): `loop` has no value here: there is no loop around this.",
        "CMP016 /edges/0/when (line 5): `index` has no value here: there is no map around this.",
        "CMP016 /edges/0/when (line 5): `item` has no value here: there is no map around this.",
        "CMP016 /metadata/output (line 6): `output` has no value here: it is what a node gave that has just ended. "
        "Read `ctx.<node>.output`.",
    ]


def test_a_loop_beyond_the_limit_of_its_definition_is_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: f, loop: {condition: output.x, max_iterations: 2000, loop_back_to: a}}
        metadata: {limits: {max_loop_iterations: 1000}}
        """
    assert problems_of(text) == [
        "CMP023 /nodes/0/loop/max_iterations (line 2): `max_iterations` is 2,000, and the definition's "
        "`max_loop_iterations` allows a run 1,000 passes in all. Lower the one or raise the other."
    ]


def test_a_failure_edge_out_of_what_cannot_fail_is_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: parallel}
        - {id: b, type: f}
        edges:
        - {from: a, to: b, id: e, on: error}
        - {from: a, to: b, id: t, on: timeout}
        """
    assert problems_of(text) == [
        "CMP025 /edges/0 (line 5): `a` of type `parallel` cannot fail, so this edge could never be taken.",
        "CMP025 /edges/1 (line 6): a node of type `parallel` has no timeout, so this edge could never be taken.",
    ]


def test_control_nodes_that_can_fail_may_have_error_edges() -> None:
    # Given a condition that may raise, a wait that is computed, a loop that may be exhausted
    text = """\
        nodes:
        - {id: a, type: conditional}
        - {id: b, type: wait, wait: ctx.a.output.x}
        - {id: c, type: loop, loop: {condition: output.x, max_iterations: 2, loop_back_to: c}}
        - {id: d, type: f}
        edges:
        - {from: a, to: b, when: output.x}
        - {from: b, to: c}
        - {from: c, to: d}
        - {from: a, to: d, on: error}
        - {from: b, to: d, on: error}
        - {from: c, to: d, on: error, id: exhausted}
        """
    assert problems_of(text) == []


def test_more_nodes_than_the_definition_allows_are_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        metadata: {limits: {max_nodes: 1}}
        """
    assert problems_of(text) == ["CMP026 /nodes (line 1): the definition has 2 nodes, and its `max_nodes` allows 1."]


def test_problems_of_form_and_meaning_are_told_together() -> None:
    # Given a field that does not exist, a node without a type and a bad condition, far apart
    text = """\
        nodes:
        - {id: a, tpye: f}
        - {id: b, type: f, tiemout_ms: 5}
        edges:
        - {from: a, to: b, when: outptu.x}
        - {from: b, to: c}
        """
    # Then one pass finds all of them, and none that follows only from another
    assert problems_of(text) == [
        "DEF007 /nodes/0 (line 2): `type` is missing; a node cannot be without it.",
        "DEF006 /nodes/0/tpye (line 2): `tpye` is not a field of a node; nothing would read it. Did you mean `type`?",
        "DEF006 /nodes/1/tiemout_ms (line 3): `tiemout_ms` is not a field of a node; nothing would read it. "
        "Did you mean `timeout_ms`?",
        "CMP014 /edges/0/when (line 5): CEL002 `outptu.x`, column 1: there is no variable `outptu`; an expression can "
        "read `input`, `output`, `ctx`, `loop`, `item`, `index`, `run`. Did you mean `output`?",
        "CMP004 /edges/1/to (line 6): there is no node `c`.",
    ]


def test_what_is_left_of_faulty_parts_causes_no_problems_of_its_own() -> None:
    # Given parts without what they cannot be without, and edges that lean on them
    text = """\
        nodes:
        - {id: a, type: f}
        - {type: f}
        - 5
        - {id: l, type: loop, loop: {loop_back_to: a}}
        - {id: b, type: f, branch: {rules: [{next: a}, 7]}}
        edges:
        - {from: a}
        - {from: a, to: l}
        """
    # Then only those are problems
    assert problems_of(text) == [
        "DEF007 /nodes/1 (line 3): `id` is missing; a node cannot be without it.",
        "DEF008 /nodes/2 (line 4): an item of `nodes` must be an object, not 5.",
        "DEF007 /nodes/3/loop (line 5): `condition` is missing; `loop` cannot be without it.",
        "DEF007 /nodes/3/loop (line 5): `max_iterations` is missing; `loop` cannot be without it.",
        "DEF007 /nodes/4/branch/rules/0 (line 6): `condition` is missing; a rule cannot be without it.",
        "DEF008 /nodes/4/branch/rules/1 (line 6): an item of `rules` must be an object, not 7.",
        "DEF007 /edges/0 (line 8): `to` is missing; an edge cannot be without it.",
    ]


def test_a_definition_made_without_a_text_is_checked_without_lines() -> None:
    # Given a definition that was not parsed from a text
    definition = Definition.model_validate({"nodes": [{"id": "a", "type": "loop"}]})
    # When it is compiled
    try:
        compile_definition(definition, ENGINE)
    except InvalidDefinition as wrong:
        told = str(wrong)
    # Then its problems have pointers only
    assert told == "CMP008 /nodes/0: a node of type `loop` needs `loop`: when to go round again, and where to."
