"""What compiles, and hardly means what it says."""

from __future__ import annotations

from tests.compile.compiling import plan_of, warnings_of


def test_a_sound_definition_has_no_warnings() -> None:
    # Given a fork and join, a branch with a default, a loop, and readers that can rely on what they read
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f, config: {seen: "${ctx.a.output}"}}
        - {id: c, type: f}
        - {id: d, type: conditional}
        - {id: e, type: f, config: {both: "${ctx.b.output} ${ctx.c.output}"}}
        - {id: f, type: f}
        - {id: g, type: f, loop: {condition: ctx.d.output.x < 3, max_iterations: 2, loop_back_to: g}}
        edges:
        - {from: a, to: b}
        - {from: a, to: c}
        - {from: b, to: d}
        - {from: c, to: d}
        - {from: d, to: e, when: ctx.c.output.x > 1}
        - {from: d, to: f}
        - {from: e, to: g}
        - {from: f, to: g}
        metadata: {output: ctx.g.output}
        """
    assert warnings_of(text) == []


def test_reading_a_branch_that_may_not_be_taken_is_warned_of() -> None:
    # Given one reader that does not ask first, and one that does
    text = """\
        nodes:
        - {id: gate, type: f}
        - {id: yes, type: f}
        - {id: no-way, type: f}
        - {id: end, type: f, config: ["${ctx.yes.output}", "${has(ctx.yes) ? ctx.yes.output : 0}"]}
        - {id: log, type: f, config: "${ctx['no-way'].output}"}
        edges:
        - {from: gate, to: yes, when: output.x > 1}
        - {from: gate, to: no-way}
        - {from: yes, to: end}
        - {from: no-way, to: end}
        - {from: end, to: log}
        """
    assert warnings_of(text) == [
        "CMP101 /nodes/3/config/0 (line 5): `ctx.yes` is not there on some path, and reading it then fails. Ask "
        "`has(ctx.yes)` first.",
        'CMP101 /nodes/4/config (line 6): `ctx["no-way"]` is not there on some path, and reading it then fails.',
    ]


def test_reading_beside_a_join_that_does_not_wait_is_warned_of() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        - {id: c, type: f}
        - {id: d, type: f, join: any, config: "${ctx.a.output} ${ctx.b.output}"}
        edges:
        - {from: a, to: b}
        - {from: a, to: c}
        - {from: b, to: d}
        - {from: c, to: d}
        """
    assert warnings_of(text) == [
        "CMP101 /nodes/3/config (line 5): `ctx.b` is not there on some path, and reading it then fails. Ask "
        "`has(ctx.b)` first."
    ]


def test_reading_a_later_node_of_the_same_loop_is_warned_of() -> None:
    # Given a body that reads what its last node gave in the pass before; asking for the pass is asking first
    text = """\
        nodes:
        - {id: draft, type: f, config: ["${ctx.review.output}", "${loop.iteration > 1 ? ctx.review.output : ''}"]}
        - {id: review, type: f, loop: {condition: output.x, max_iterations: 3, loop_back_to: draft}}
        edges:
        - {from: draft, to: review}
        """
    assert warnings_of(text) == [
        "CMP101 /nodes/0/config/0 (line 2): `ctx.review` is not there in the first pass, and reading it then fails. "
        "Ask `has(ctx.review)` first."
    ]


def test_reading_a_node_that_failed_is_warned_of() -> None:
    # Given a condition on an error edge that reads the node which failed, and an output that reads it too
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        edges:
        - {from: a, to: b, on: error, when: ctx.a.output.x > 1}
        metadata: {output: ctx.a.output}
        """
    assert warnings_of(text) == [
        "CMP101 /edges/0/when (line 5): `ctx.a` is not there where the node failed, and reading it then fails. Ask "
        "`has(ctx.a)` first.",
        "CMP101 /metadata/output (line 6): `ctx.a` is not there at the end of some runs, and reading it then fails. "
        "Ask `has(ctx.a)` first.",
    ]


def test_a_branch_without_a_default_is_warned_of() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        edges:
        - {from: a, to: b, when: output.x > 1}
        """
    assert warnings_of(text) == [
        "CMP102 /edges/0 (line 5): if no condition on the edges out of `a` is true, nothing behind them is executed. "
        "Add an edge without a condition, if something should be."
    ]


def test_an_edge_behind_one_that_is_always_taken_is_warned_of() -> None:
    # Given a condition that is always true between others, and a default
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        - {id: c, type: f}
        - {id: d, type: f}
        - {id: e, type: f}
        edges:
        - {from: a, to: b, when: output.x > 1}
        - {from: a, to: c, when: "true"}
        - {from: a, to: d, when: output.x > 2}
        - {from: a, to: e}
        """
    told = "this edge is never taken: the condition of `a->c` is always true, and is tried first."
    assert warnings_of(text) == [f"CMP103 /edges/2 (line 10): {told}", f"CMP103 /edges/3 (line 11): {told}"]


def test_worker_fields_of_a_control_node_are_warned_of_and_left_out() -> None:
    # Given every field that is about workers, on a node that has none, and one that is empty
    text = """\
        nodes:
        - {id: a, type: f}
        - id: b
          type: parallel
          config: {x: 1}
          context: [a]
          retry: {max_attempts: 2}
          timeout_ms: 5
          deadline_ms: 6
          max_deliveries: 7
        - {id: c, type: join, config: {}}
        edges:
        - {from: a, to: b}
        - {from: b, to: c}
        """
    told = "has no effect on a node of type `parallel`, which no worker executes; it was left out."
    fields = ["config", "context", "retry", "timeout_ms", "deadline_ms", "max_deliveries"]
    assert warnings_of(text) == [
        f"CMP104 /nodes/1/{name} (line {line}): `{name}` {told}" for line, name in enumerate(fields, 5)
    ]
    # Then the plan is the same as without them
    assert plan_of(text).nodes[1] == plan_of("nodes: [{id: b, type: parallel}]").nodes[0]


def test_a_timeout_edge_of_a_node_without_a_timeout_is_warned_of() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f, timeout_ms: 5}
        - {id: c, type: f}
        edges:
        - {from: a, to: c, on: timeout}
        - {from: b, to: c, on: timeout}
        """
    assert warnings_of(text) == [
        "CMP105 /edges/0 (line 6): `a` has neither `timeout_ms` nor `deadline_ms`, so this edge is never taken."
    ]


def test_a_node_that_stands_alone_beside_others_is_warned_of() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        - {id: c, type: f}
        edges:
        - {from: a, to: b}
        """
    assert warnings_of(text) == [
        "CMP106 /nodes/2 (line 4): no edge leads to `c` or away from it: it starts with the run, and nothing waits "
        "for it."
    ]
    # Where no node has an edge, all of them standing alone is what was meant
    assert warnings_of("nodes: [{id: a, type: f}, {id: b, type: f}]") == []


def test_a_loop_that_only_a_timeout_leads_out_of_is_warned_of() -> None:
    text = """\
        nodes:
        - {id: a, type: f, loop: {condition: output.x, max_iterations: 2, loop_back_to: a, timeout_path: b}}
        - {id: b, type: f}
        """
    assert warnings_of(text) == [
        "CMP107 /nodes/0/loop (line 2): the loop that `a` closes has a way out for when its passes are used up, and "
        "none for `break`."
    ]
