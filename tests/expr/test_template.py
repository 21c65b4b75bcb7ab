"""Templates: a config with expressions in it becomes a config without (SEMANTICS §5)."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from pointsman.base.errors import ExpressionError, Problem
from pointsman.expr import Engine, References, compile_template

VALUES = {
    "input": {
        "name": "Ada",
        "list": [1, {"b": 2.0, "a": None}],
        "yes": True,
        "text": 'a "}" b',
        "secret": "secret://x",
    },
    "output": {"score": 80, "half": 0.5},
    "ctx": {"my-node": {"output": "dashed"}},
}


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("plain", "plain"),
        ("", ""),
        (5, 5),
        (None, None),
        ("${output.score}", 80),
        ("${ output.score }", 80),
        ("${output.half}", 0.5),
        ("${input.yes}", True),
        ("${null}", None),
        ("${input.list}", [1, {"b": 2.0, "a": None}]),
        ("${input.name}", "Ada"),
        ("${ctx['my-node'].output}", "dashed"),
        ("${output.score + 1}", 81),
        ("${ {'a': 1}['a'] }", 1),
        ("${ {'a': {'b': '}'}}.a.b }", "}"),
        ("${ '}' + \"${\" + '''}''' }", "}${}"),
        ("${ [1, 2].map(x, {'n': x}) }", [{"n": 1}, {"n": 2}]),
        ("Hello ${input.name}!", "Hello Ada!"),
        ("${input.name}${input.name}", "AdaAda"),
        (" ${output.score}", " 80"),
        ("${output.score} ", "80 "),
        ("${output.score}/${output.half}", "80/0.5"),
        ("ok: ${input.yes}, none: ${null}", "ok: true, none: null"),
        ("list: ${input.list}", 'list: [1,{"a":null,"b":2.0}]'),
        ("text: ${input.text}", 'text: a "}" b'),
        ("é ${'é' + [0].map(x, 'ü')[0]}", "é éü"),
        ("$${input.name}", "${input.name}"),
        ("$${a} ${input.name} $${b}", "${a} Ada ${b}"),
        ("costs $5 {and} $ { }", "costs $5 {and} $ { }"),
        ("$$${", "$${"),
        ("secret://db/password", "secret://db/password"),
        ("${input.secret}", "secret://x"),
        (["a", "${output.score}", ["${input.name}"]], ["a", 80, ["Ada"]]),
        ({"to": "${input.name}", "n": {"s": "${output.score}"}, "k": [1]}, {"to": "Ada", "n": {"s": 80}, "k": [1]}),
        ({"$${x}": ["$${y}"]}, {"${x}": ["${y}"]}),
    ],
)
def test_a_template_becomes_the_value_it_stands_for(cel: Engine, template: Any, rendered: Any) -> None:
    value = compile_template(template, cel).render(VALUES)
    assert (value, type(value)) == (rendered, type(rendered))


def test_parts_without_expressions_are_returned_as_they_are(cel: Engine) -> None:
    # Given a config of which only a part has an expression in it
    config = {"fixed": {"a": [1, {"b": "c"}]}, "moving": ["${output.score}", {"kept": True}]}
    # When it is rendered
    rendered = compile_template(config, cel).render(VALUES)
    # Then what is fixed is the same object, and the config is as it was
    assert rendered == {"fixed": {"a": [1, {"b": "c"}]}, "moving": [80, {"kept": True}]}
    assert rendered["fixed"] is config["fixed"]
    assert rendered["moving"][1] is config["moving"][1]
    assert config["moving"][0] == "${output.score}"


@pytest.mark.parametrize(
    ("template", "constant"),
    [
        ("plain", True),
        ({"a": ["$${x}", 1], "b": {}}, True),
        ("secret://name", True),
        ("${1}", False),
        ({"a": {"b": ["x ${input.name}"]}}, False),
    ],
)
def test_a_template_says_whether_it_is_constant(cel: Engine, template: Any, constant: bool) -> None:
    compiled = compile_template(template, cel)
    assert compiled.is_constant is constant
    if template == {"a": ["$${x}", 1], "b": {}}:
        assert compiled.render({}) == {"a": ["${x}", 1], "b": {}}


def test_a_constant_template_is_the_value_itself(cel: Engine) -> None:
    config = {"a": [1, {"b": "secret://c"}]}
    assert compile_template(config, cel).render({}) is config


def test_a_template_knows_all_that_its_expressions_read(cel: Engine) -> None:
    config = {"a": "${ctx.one.output}", "b": ["x ${input.y} ${ctx['t-2'].output.z}"], "c": "$${item}"}
    assert compile_template(config, cel).references == References(
        frozenset({"ctx", "input"}), frozenset({"one", "t-2"})
    )
    assert compile_template("plain", cel).references == References()


def test_every_bad_expression_is_reported_with_its_pointer(cel: Engine) -> None:
    # Given a config with something wrong in many places
    config = {
        "ok": "${output.score}",
        "a/b": ["${ouput.score}", {"c~d": "x ${1 +} ${also.wrong}"}],
        "open": "text ${output.score",
        "string": "${'abc}",
        "empty": "${ }",
        "two": "${zzz} and ${yyy}",
        "secret": "secret://${input.name}",
        "${key}": 1,
    }
    # When it is compiled
    with pytest.raises(ExpressionError) as caught:
        compile_template(config, cel)
    # Then each is there, with its pointer inside the config
    readable = "an expression can read `input`, `output`, `ctx`, `loop`, `item`, `index`, `run`."
    assert caught.value.problems == (
        Problem(
            "CEL012",
            "/${key}",
            "`${key}` is a key, and only values may have `${ }`. Write `$${` if you mean the text `${`.",
        ),
        Problem(
            "CEL002",
            "/a~1b/0",
            f"`ouput.score`, column 1: there is no variable `ouput`; {readable}",
            None,
            "`output`",
        ),
        Problem("CEL001", "/a~1b/1/c~0d", "`1 +`, column 4: expected a value, found the end."),
        Problem("CEL002", "/a~1b/1/c~0d", f"`also.wrong`, column 1: there is no variable `also`; {readable}"),
        Problem("CEL012", "/open", "`text ${output.score`, column 6: this `${` is never closed by a `}`."),
        Problem("CEL001", "/string", "`${'abc}`, column 3: this string does not end; ' is missing."),
        Problem("CEL001", "/empty", "``, column 1: expected a value, found the end."),
        Problem("CEL002", "/two", f"`zzz`, column 1: there is no variable `zzz`; {readable}"),
        Problem("CEL002", "/two", f"`yyy`, column 1: there is no variable `yyy`; {readable}"),
        Problem(
            "CEL012",
            "/secret",
            "`secret://${input.name}` names a secret and must be written out, so that no data can choose a secret.",
        ),
    )
    assert str(caught.value) == f"CEL012 /${{key}}: {caught.value.problems[0].message} (9 more)"


def test_a_template_that_cannot_be_resolved_never_leaves_its_text(cel: Engine) -> None:
    # Given templates whose expression has no value
    for template in ("${output.missing}", "Hello ${output.missing}!", {"a": ["${1 / 0}"]}):
        # When they are rendered, then there is no result at all
        with pytest.raises(ExpressionError, match="CEL009"):
            compile_template(template, cel).render(VALUES)


def test_an_engine_finds_a_template_that_it_compiled_before(cel: Engine) -> None:
    # Given configs that are equal to Python and are not the same JSON, and one that is large
    configs: list[Any] = [{"n": 1}, {"n": 1.0}, {"n": True}, {"n": "${input.name}"}, {"n": "x" * 10_000}]
    # When they are compiled, and equal ones again
    first = [cel.template(config) for config in configs]
    again = [cel.template(deepcopy(config)) for config in configs]
    # Then each renders as itself, and the small ones were found
    rendered = [json.dumps(template.render(VALUES)) for template in first]
    assert rendered == ['{"n": 1}', '{"n": 1.0}', '{"n": true}', '{"n": "Ada"}', json.dumps(configs[-1])]
    assert [one is other for one, other in zip(first, again, strict=True)] == [True, True, True, True, False]
    assert rendered == [json.dumps(template.render(VALUES)) for template in again]


def test_strings_with_expressions_are_told_with_their_places(cel: Engine) -> None:
    config = {"a/b": ["x", "${input.name} ${ctx.one.output}"], "c": "$${item}", "d": "${1 + 1}"}
    assert cel.template(config).strings == (
        ("/a~1b/1", config["a/b"][1], References(frozenset({"input", "ctx"}), frozenset({"one"}))),
        ("/d", "${1 + 1}", References()),
    )
