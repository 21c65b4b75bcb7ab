"""The pages of expressions; part of `codes.CODES`."""

from __future__ import annotations

from typing import Final

from pointsman.base.page import Page

EXPRESSION_PAGES: Final[dict[str, Page]] = {
    "CEL001": Page(
        "This is not an expression",
        "The text does not follow CEL's grammar; the message says where and what was expected.",
        "The definition, or the patch that holds the expression, was refused.",
        "Correct it at the place named. `has(x.y)`, `x in list`, `a ? b : c` and `list.all(x, x > 1)` are CEL; `and`, "
        "`or`, `not` and `if` are not.",
    ),
    "CEL002": Page(
        "An unknown variable",
        "The expression reads a name that is neither a variable of a run nor bound by a comprehension around it.",
        "The definition or patch was refused.",
        'Read `input`, `output`, `ctx`, `loop`, `item`, `index` or `run`. Write ctx["my-node"] for a node whose id has '
        "a dash: `ctx.my-node` means `ctx.my` minus `node`.",
    ),
    "CEL003": Page(
        "An unknown function, or the wrong arguments",
        "The expression calls a function that does not exist, with the wrong number of arguments, or in the wrong form "
        "(`x.size()` and `size(x)` both exist, `contains(x, y)` does not).",
        "The definition or patch was refused.",
        "Use the functions listed in the chapter on expressions.",
    ),
    "CEL004": Page(
        "`ctx` without the id of a node",
        "`ctx` stands alone, or its node is computed. Only the outputs an expression names are loaded, so the names "
        "have to be there before the run starts.",
        "The definition or patch was refused.",
        'Write `ctx.score` or `ctx["my-node"]`; use has(ctx.score) to ask whether a node has an output.',
    ),
    "CEL005": Page(
        "A field of `run` or `loop` that cannot be read",
        "Of `run` only `id` and `workflow`, of `loop` only `iteration` can be read. `run.revision` is hidden on "
        "purpose: a condition on it would make an edit change the past.",
        "The definition or patch was refused.",
        "Read one of these fields, or put what you need into the run's input.",
    ),
    "CEL006": Page(
        "A part of CEL that is not supported",
        "Unsigned integers, bytes, messages, optional selection, named time zones and maps with keys other than "
        "strings have no JSON form, or depend on the machine.",
        "The definition or patch was refused.",
        "The message says what to write instead.",
    ),
    "CEL007": Page(
        "An expression that is too large",
        "It has too many characters, parts, levels or comprehensions inside each other. Sizes are limited because "
        "expressions are evaluated between two steps of a run.",
        "The definition or patch was refused.",
        "Split the expression, or do the work in a `transform` or `function` node.",
    ),
    "CEL008": Page(
        "An evaluation that would be too much work",
        "Counted before it started, from the values it would read: too many rounds of its comprehensions, or too large "
        "a value read or built.",
        "It was not evaluated. A condition counts as false, a template fails its node.",
        "Go through fewer items, or do the work in a `transform` or `function` node.",
    ),
    "CEL009": Page(
        "An evaluation without a value",
        "A key is missing, an operator does not take these kinds of values, a number is divided by zero, or a text "
        "that should be a number is none.",
        "A condition counts as false (`condition_failed` in the history has the values it read), a template fails its "
        "node.",
        "Ask with has(x.y) before reading x.y, or give the value its kind with string(), int() or double().",
    ),
    "CEL010": Page(
        "A value that JSON does not have",
        "The result is a type, or a number that is infinite or undefined, or has one inside.",
        "A condition counts as false, a template fails its node.",
        "Compare types instead of returning them; ask whether a divisor is zero before dividing decimals.",
    ),
    "CEL011": Page(
        "A condition that is neither true nor false",
        "A condition has another kind of value: a number, a text, null, a list or a map.",
        "It counts as false.",
        "Compare the value: `output.count > 0` instead of `output.count`.",
    ),
    "CEL012": Page(
        "A template that cannot be read",
        "A `${` is never closed, stands in a key, or stands in the name of a secret.",
        "The definition or patch was refused.",
        "Close it with `}`, write `$${` for the text `${`, and write the names of secrets out.",
    ),
    "CEL013": Page(
        "No CEL engine",
        "The CEL engine that is needed (for a run, the one it was started with) is not installed.",
        "The process did not start, or the run was not touched.",
        "Install the packages `cel-expr-python` and `cel-python` in the versions this release names.",
    ),
    "CEL014": Page(
        "A bad regular expression",
        "The pattern of a `matches` is not in RE2's syntax, which has no backreferences and no lookaround.",
        "The definition or patch was refused.",
        "Correct the pattern; RE2's syntax is at https://github.com/google/re2/wiki/Syntax.",
    ),
    "CEL030": Page(
        "A wait that is no time",
        "The expression of a `wait` node gave something else than 0 or more milliseconds.",
        "The node failed with `wait_error`.",
        "Make it give a number of milliseconds.",
    ),
    "CEL031": Page(
        "An output that cannot be read",
        "An expression reads an output that is no JSON Python can hold: text that is not UTF-8, a number far too "
        "large, or lists nested thousands deep.",
        "What read it failed: a condition counts as false, a template fails its node with `template_error`.",
        "Correct the worker that sends it. Outputs that nothing reads are passed on unseen.",
    ),
}
