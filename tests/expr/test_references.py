"""What an expression reads is known when it is compiled, and what it cannot read is refused then."""

from __future__ import annotations

import pytest

from pointsman.base.errors import ExpressionError, Problem
from pointsman.expr import Engine, References


def refusal(cel: Engine, source: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        cel.compile(source)
    return caught.value


@pytest.mark.parametrize(
    ("source", "variables", "nodes"),
    [
        ("1 + 1", set(), set()),
        ("output.score > 1", {"output"}, set()),
        ("item == input.first || index > 2", {"item", "input", "index"}, set()),
        ("loop.iteration > 1 && run.id != run.workflow", {"loop", "run"}, set()),
        ("ctx.enrich.output.revenue > 1", {"ctx"}, {"enrich"}),
        ('ctx["my-node"].output == ctx.other.output', {"ctx"}, {"my-node", "other"}),
        ("has(ctx.score)", {"ctx"}, {"score"}),
        ("has(ctx.score.output.x)", {"ctx"}, {"score"}),
        ("ctx.list.output.all(x, x in ctx.known.output)", {"ctx"}, {"list", "known"}),
        ("ctx.a.output[ctx.b.output]", {"ctx"}, {"a", "b"}),
        ("input.items.all(item, item > 1)", {"input"}, set()),
        ("input.items.all(item, item > 1) && item > 1", {"input", "item"}, set()),
        ("item.all(item, item > 1)", {"item"}, set()),
        ("input.items.all(ctx, ctx > 1)", {"input"}, set()),
        ("input.items.map(x, x.all(y, x == y && output == 1))", {"input", "output"}, set()),
        ("output.ctx.score == output.input", {"output"}, set()),
        ("{'ctx': 1}.ctx == 1 && 'input' == 'x'", set(), set()),
    ],
)
def test_an_expression_names_all_that_it_reads(cel: Engine, source: str, variables: set[str], nodes: set[str]) -> None:
    assert cel.compile(source).references == References(frozenset(variables), frozenset(nodes))


@pytest.mark.parametrize(
    ("source", "code", "suggestion"),
    [
        ("ouput.score > 1", "CEL002", "`output`"),
        ("inputs.x == 1", "CEL002", "`input`"),
        ("zzz", "CEL002", None),
        ("input.l.all(x, y > 1)", "CEL002", None),
        ("input.l.all(x, x > 1) && x", "CEL002", None),
        ("input.l.all(x, x > 1) && x.a", "CEL002", None),
        ("x.all(x, x > 1)", "CEL002", None),
        ("ctx.my-node.output > 1", "CEL004", '`ctx["my-node"]`'),
        ("ctx.my-other-node.output == 1", "CEL004", '`ctx["my-other-node"]`'),
        ("ctx.step-2.output == 1", "CEL004", '`ctx["step-2"]`'),
        ("ctx.step-2 == 1", "CEL004", '`ctx["step-2"]`'),
        ("ctx", "CEL004", None),
        ("'a' in ctx", "CEL004", None),
        ("ctx.map(k, k)", "CEL004", None),
        ("ctx[input.node].output", "CEL004", None),
        ("ctx['a' + 'b'].output", "CEL004", None),
        ("ctx[0]", "CEL004", None),
        ("ctx['no/such'].output", "CEL004", None),
        ("run.revision > 1", "CEL005", None),
        ("has(run.revision)", "CEL005", None),
        ("run.workflw", "CEL005", "`workflow`"),
        ("run", "CEL005", None),
        ("run[input.x]", "CEL005", None),
        ("loop.count", "CEL005", None),
        ("loop", "CEL005", None),
        ("sise(input)", "CEL003", "`size`"),
        ("input.name.startWith('a')", "CEL003", "`startsWith`"),
        ("input.l.al(x, true)", "CEL003", "`all`"),
        ("contains(input.name, 'a')", "CEL003", None),
        ("input.name.int()", "CEL003", None),
        ("size()", "CEL003", None),
        ("size(1, 2)", "CEL003", None),
        ("input.l.all(x)", "CEL003", None),
        ("input.l.all(x, 1, 2)", "CEL003", None),
        ("input.l.map(x, 1, 2, 3)", "CEL003", None),
        ("all(input.l, true)", "CEL003", None),
        ("has(input)", "CEL003", None),
        ("has(input.l[0])", "CEL003", None),
        ("1u == 1", "CEL006", None),
        ("uint(1)", "CEL006", None),
        ("b'abc'", "CEL006", None),
        ("bytes('a')", "CEL006", None),
        ("Message{a: 1}", "CEL006", None),
        ("input.?name", "CEL006", None),
        ("timestamp(input.at).getHours('Europe/Berlin')", "CEL006", None),
        ("{1: 2}", "CEL006", None),
        ("{'a': 1, 'a': 2}", "CEL006", None),
        ("input.l.map(x, has(x['c-d']))", "CEL006", None),
        ("input.name.matches('(')", "CEL014", None),
        ("matches(input.name, 'a(?=b)')", "CEL014", None),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_hint(
    cel: Engine, source: str, code: str, suggestion: str | None
) -> None:
    error = refusal(cel, source)
    assert (error.code, error.problems[0].suggestion) == (code, suggestion)


def test_every_problem_of_an_expression_is_reported_at_once(cel: Engine) -> None:
    # Given an expression with three things wrong, when it is compiled
    error = refusal(cel, "ouput.x > 1 && run.revision == sise(input)")
    # Then each is there, in the order written, with its place and its hint
    quoted = "`ouput.x > 1 && run.revision == sise(input)`"
    assert error.problems == (
        Problem(
            "CEL002",
            "",
            f"{quoted}, column 1: there is no variable `ouput`; an expression can read `input`, `output`, `ctx`, "
            "`loop`, `item`, `index`, `run`.",
            None,
            "`output`",
        ),
        Problem(
            "CEL005",
            "",
            f"{quoted}, column 20: `run.revision` cannot be read: the same run must take the same way before and after "
            "an edit.",
        ),
        Problem("CEL003", "", f"{quoted}, column 32: there is no function `sise`.", None, "`size`"),
    )
    assert str(error) == f"CEL002 {error.problems[0].message} Did you mean `output`? (2 more)"


def test_references_of_two_expressions_add_up(cel: Engine) -> None:
    first, second = cel.compile("ctx.a.output > 1").references, cel.compile("input.x in ctx.b.output").references
    assert first | second == cel.compile("ctx.a.output > 1 && input.x in ctx.b.output").references
