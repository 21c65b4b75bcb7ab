"""CEL in Python (package `cel-python`), for machines that cel-cpp has no wheel for.

Of cel-python we use the grammar, the parser and the walk over the tree. Its values are replaced by plain Python ones
and its operators by those of `cel_python_operators`, because they refuse `1 == 1.0`; `&&`, `||`, `?:` and the macros
are replaced because of what they do with errors: theirs raise through `||`, and take what is not a truth value for one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import lark
import re2  # type: ignore[import-untyped]
from celpy.celparser import CELParser
from celpy.evaluation import Activation, CELEvalError, Evaluator

from pointsman.expr.backend import Program, Raised
from pointsman.expr.cel_python_operators import (
    FUNCTIONS,
    Duplicate,
    as_json,
    compiled_pattern,
    decided,
    no_overload,
    pattern_error,
)
from pointsman.expr.parser import MACROS
from pointsman.expr.writer import Dialect

_UNBOUND = re.compile(r"undeclared reference to '(v\d+)'")
_LOGIC = ("conditionalor", "conditionaland")
_EMPTY: Mapping[str, type] = {"list_lit": list, "map_lit": dict}
_WRAPPERS = ("expr", *_LOGIC, "relation", "addition", "multiplication", "unary", "member", "paren_expr")


class CelPython:
    """Evaluates with cel-python."""

    dialect: Dialect = "cel-python"

    def __init__(self) -> None:
        self.name = f"cel-python-{version('cel-python')}"
        self._parser = CELParser()

    def compile(self, text: str, *, boolean: bool) -> Program:
        """Make a text ready."""
        tree = _collapsed(self._parser.parse(text))

        def program(data: Mapping[str, Any]) -> Any:
            return _evaluated(tree, data)

        return program

    def pattern_problem(self, pattern: str) -> str | None:
        """Why this is no regular expression, or None if it is one."""
        try:
            compiled_pattern(pattern)
        except re2.error as error:
            return pattern_error(error)
        return None


def _evaluated(tree: lark.Tree[Any], data: Mapping[str, Any]) -> Any:
    try:
        return as_json(_JsonEvaluator(tree, Activation(functions=FUNCTIONS, vars=data)).evaluate())
    except (CELEvalError, Duplicate) as error:
        message = str(error.args[0])
        unbound = _UNBOUND.search(message)
        raise Raised(message, unbound[1] if unbound else None) from None


# -- the tree --------------------------------------------------------------------------------------------------------


def _collapsed(tree: lark.Tree[Any]) -> lark.Tree[Any]:
    """The tree without the nine levels of grammar around each operator, which would be walked each time."""
    while len(tree.children) == 1 and (tree.data in _WRAPPERS or _is_parenthesis(tree)):
        tree = tree.children[0]
    if tree.data in _LOGIC:
        return lark.Tree(tree.data, [_collapsed(term) for term in _terms(tree)], tree.meta)
    children = [_collapsed(child) if isinstance(child, lark.Tree) else child for child in tree.children]
    return lark.Tree(tree.data, children, tree.meta)


def _is_parenthesis(tree: lark.Tree[Any]) -> bool:
    return bool(tree.data == "primary" and tree.children[0].data == "paren_expr")


def _terms(tree: lark.Tree[Any]) -> list[lark.Tree[Any]]:
    """The terms of `a && b && c`, which the grammar nests to the left."""
    terms: list[lark.Tree[Any]] = []
    operator = tree.data
    while tree.data == operator:
        *left, right = tree.children
        terms.append(right)
        if not left:
            break
        tree = left[0]
    return terms[::-1]


# -- the walk --------------------------------------------------------------------------------------------------------


class _JsonEvaluator(Evaluator):
    """cel-python's walk, over plain JSON values and with the specification's way with errors."""

    def literal(self, tree: lark.Tree[Any]) -> Any:
        """A literal is written as JSON (`writer`)."""
        return json.loads(str(tree.children[0]))

    def primary(self, tree: lark.Tree[Any]) -> Any:
        """The empty list and the empty map are plain ones too."""
        child = tree.children[0]
        if isinstance(child, lark.Tree) and child.data in _EMPTY and not child.children:
            return _EMPTY[child.data]()
        return super().primary(tree)

    def exprlist(self, tree: lark.Tree[Any]) -> Any:
        """The values, or the first error among them."""
        values = self.visit_children(tree)
        return next((value for value in values if isinstance(value, CELEvalError)), values)

    def mapinits(self, tree: lark.Tree[Any]) -> Any:
        """The map, or the first error in it."""
        parts = self.exprlist(tree)
        if isinstance(parts, CELEvalError):
            return parts
        made: dict[str, Any] = {}
        for key, value in zip(parts[::2], parts[1::2], strict=True):
            if key in made:
                raise Duplicate(f'the key "{key}" stands twice in one map')
            made[key] = value
        return made

    def expr(self, tree: lark.Tree[Any]) -> Any:
        """`condition ? then : otherwise`."""
        condition = self.visit(tree.children[0])
        if condition is True or condition is False:
            return self.visit(tree.children[1 if condition else 2])
        return condition if isinstance(condition, CELEvalError) else no_overload("? :", condition)

    def conditionalor(self, tree: lark.Tree[Any]) -> Any:
        """True if one is true, else an error if one is an error."""
        return decided(map(self.visit, tree.children), by=True)

    def conditionaland(self, tree: lark.Tree[Any]) -> Any:
        """False if one is false, else an error if one is an error."""
        return decided(map(self.visit, tree.children), by=False)

    def member_dot_arg(self, tree: lark.Tree[Any]) -> Any:
        """A comprehension, or a function written behind its first argument."""
        target, function, *arguments = tree.children
        name = str(function)
        if name not in MACROS:
            values = self.exprlist(lark.Tree("exprlist", [target, *(arguments[0].children if arguments else ())]))
            return values if isinstance(values, CELEvalError) else FUNCTIONS[name](*values)
        items = self.visit(target)
        if isinstance(items, CELEvalError):
            return items
        if not isinstance(items, list):
            return no_overload("comprehension", items)
        return self._comprehension(name, items, *arguments[0].children)

    def _comprehension(self, macro: str, items: list[Any], variable: lark.Tree[Any], *body: lark.Tree[Any]) -> Any:
        name = str(next(variable.find_data("ident")).children[0])
        inside = self.activation.nested_activation(vars={name: None})

        def rounds(part: lark.Tree[Any], over: list[Any]) -> Iterator[Any]:
            evaluator = _JsonEvaluator(part, inside)
            for item in over:
                inside.identifiers[name].value = item
                yield evaluator.visit(part)

        match macro:
            case "all" | "exists":
                return decided(rounds(body[0], items), by=macro == "exists")
            case "exists_one":
                kept = _kept(items, rounds(body[0], items))
                return len(kept) == 1 if isinstance(kept, list) else kept
            case "filter":
                return _kept(items, rounds(body[0], items))
        over = _kept(items, rounds(body[0], items)) if len(body) == 2 else items
        return _all_or_error(rounds(body[-1], over)) if isinstance(over, list) else over


def _kept(items: list[Any], verdicts: Iterator[Any]) -> Any:
    kept = []
    for item, verdict in zip(items, verdicts, strict=True):
        if verdict is True:
            kept.append(item)
        elif verdict is not False:
            return verdict if isinstance(verdict, CELEvalError) else no_overload("filter", verdict)
    return kept


def _all_or_error(values: Iterator[Any]) -> Any:
    made = []
    for value in values:
        if isinstance(value, CELEvalError):
            return value
        made.append(value)
    return made
