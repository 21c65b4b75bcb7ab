"""Expression text to syntax tree.

Why not the parsers of the engines: cel-cpp does not show its tree to Python, and importing cel-python costs 200 ms and
21 MB in a process that will not evaluate with it. One parser also means one language, whichever engine runs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import get_args

from pointsman.expr.lexer import Token, Unreadable, tokens
from pointsman.expr.limits import Limits
from pointsman.expr.syntax import (
    LISTS,
    Binary,
    Call,
    Choice,
    Comprehension,
    Has,
    Index,
    ListOf,
    Literal,
    Logic,
    Macro,
    MapOf,
    Name,
    Node,
    Scalar,
    Select,
    Unary,
)
from pointsman.expr.values import DEEPEST

MACROS: frozenset[Macro] = frozenset(get_args(Macro))
_CONSTANTS = {"true": True, "false": False, "null": None}
_RESERVED = frozenset(
    {"as", "break", "const", "continue", "else", "for", "function", "if", "import", "in", "let"}
    | {"namespace", "package", "return", "var", "void", "while"}
)
_BINARY = (("<", "<=", ">", ">=", "==", "!=", "in"), ("+", "-"), ("*", "/", "%"))
_COMPUTED_RANGE = 3
"""Levels that `writer` puts around a range whose kind is known only when it is evaluated."""
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def parse(source: str, limits: Limits) -> Node:
    """The syntax tree of `source`.

    Raises:
        Unreadable: At the first place where it is not an expression, or goes past a limit.
    """
    if len(source) > limits.source:
        raise Unreadable(
            0, f"the expression has {len(source)} characters; {limits.source} are the most one may have.", "CEL007"
        )
    try:
        source.encode()
    except UnicodeEncodeError as error:
        raise Unreadable(error.start, "half of a surrogate pair is no Unicode character.") from None
    parser = _Parser(list(tokens(source)), limits)
    node = parser.expression()
    parser.expect_end()
    return node


def is_field(name: str) -> bool:
    """Whether `name` can be written after a dot."""
    return _FIELD.match(name) is not None and name != "in" and name not in _CONSTANTS


class _Parser:
    def __init__(self, read: list[Token], limits: Limits) -> None:
        self._tokens = read
        self._limits = limits
        self._at = 0
        self._open = 0
        self._nodes = 0
        self._bound: list[str] = []

    # -- the grammar, loosest operator first ---------------------------------------------------------------------

    def expression(self) -> Node:
        position = self._now.position
        self._open += 1
        self._guard_nesting(self._open, position)
        node = self._logic("||")
        if self._take("?"):
            then = self._logic("||")
            self._expect(":")
            otherwise = self.expression()
            height = self._height((node, then, otherwise), position)
            node = Choice(node, then, otherwise, position, height)
        self._open -= 1
        return node

    def _logic(self, operator: str) -> Node:
        position = self._now.position
        terms = [self._operand(operator)]
        while self._take(operator):
            terms.append(self._operand(operator))
        if len(terms) == 1:
            return terms[0]
        return Logic(operator, tuple(terms), position, self._height(terms, position))

    def _operand(self, operator: str) -> Node:
        return self._logic("&&") if operator == "||" else self._binary(0)

    def _binary(self, level: int) -> Node:
        if level == len(_BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while (token := self._now).text in _BINARY[level] and token.kind in ("symbol", "name"):
            self._at += 1
            right = self._binary(level + 1)
            left = Binary(token.text, left, right, token.position, self._height((left, right), token.position))
        return left

    def _unary(self) -> Node:
        operators: list[Token] = []
        while self._now.kind == "symbol" and self._now.text in ("!", "-"):
            operators.append(self._now)
            self._at += 1
        negative = bool(operators) and operators[-1].text == "-" and self._now.kind in ("int", "double")
        if negative:
            operators.pop()
        node = self._member(negative)
        for operator in reversed(operators):
            node = Unary(operator.text, node, operator.position, self._height((node,), operator.position))
        return node

    def _member(self, negative: bool) -> Node:
        node = self._primary(negative)
        while True:
            if token := self._take("."):
                node = self._after_dot(node, token)
            elif token := self._take("["):
                node = self._indexed(node, token)
            else:
                return node

    def _after_dot(self, operand: Node, dot: Token) -> Node:
        if self._now.text == "?":
            raise Unreadable(dot.position, "optional selection (`.?`) is not supported; use has().", "CEL006")
        field = self._expect_name("a field name after the dot", reserved=True)
        if self._now.text != "(":
            return self._selected(operand, field.text, field.position)
        if field.text in MACROS:
            return self._comprehension(operand, field)
        arguments = (operand, *self._arguments())
        return Call(field.text, arguments, True, field.position, self._height(arguments, field.position))

    def _indexed(self, operand: Node, bracket: Token) -> Node:
        index = self.expression()
        self._expect("]")
        if isinstance(index, Literal) and isinstance(index.value, str):
            return self._selected(operand, index.value, index.position)
        inside = (index,) if isinstance(index, Literal) and self._is_path(operand) else (operand, index)
        return Index(operand, index, bracket.position, self._height(inside, bracket.position))

    def _selected(self, operand: Node, field: str, position: int) -> Select:
        return Select(operand, field, position, self._height(() if self._is_path(operand) else (operand,), position))

    def _primary(self, negative: bool) -> Node:
        token = self._now
        self._at += 1
        match token.kind, token.text:
            case (("int" | "double"), _):
                return self._number(token, negative)
            case "string", text:
                return self._literal(text, token)
            case "name", text:
                return self._named(text, token)
            case "symbol", "(":
                node = self.expression()
                self._expect(")")
                return node
            case "symbol", "[":
                items = tuple(self._listed("]"))
                return ListOf(items, token.position, self._height(items, token.position))
            case "symbol", "{":
                return self._map(token)
        raise Unreadable(token.position, f"expected a value, found {_shown(token)}.")

    def _named(self, text: str, token: Token) -> Node:
        if text in _CONSTANTS:
            return self._literal(_CONSTANTS[text], token)
        if text in _RESERVED:
            raise Unreadable(token.position, f"`{text}` is a reserved word.")
        if self._now.text == "{" and self._now.kind == "symbol":
            raise Unreadable(token.position, f"messages (`{text}{{…}}`) have no JSON form; write a map.", "CEL006")
        if self._now.text != "(" or self._now.kind != "symbol":
            return Name(text, token.position, self._height((), token.position))
        if text == "has":
            return self._has(token)
        arguments = self._arguments()
        height = self._height(arguments, token.position) + (text == "timestamp")
        self._guard_nesting(height, token.position)
        return Call(text, arguments, False, token.position, height)

    # -- parts ---------------------------------------------------------------------------------------------------

    def _has(self, token: Token) -> Node:
        arguments = self._arguments()
        if len(arguments) != 1 or not isinstance(arguments[0], Select):
            raise Unreadable(token.position, "has() takes one field, as in `has(output.score)`.", "CEL003")
        select = arguments[0]
        if not is_field(select.field) and not self._is_path(select.operand):
            message = f'`has(…["{select.field}"])` works on variables only, as in `has(output["{select.field}"])`.'
            raise Unreadable(token.position, message, "CEL006")
        return Has(select.operand, select.field, token.position, self._height((select,), token.position))

    def _comprehension(self, operand: Node, macro: Token) -> Comprehension:
        self._expect("(")
        variable = self._expect_name(f"the name of a variable, as in `.{macro.text}(x, …)`").text
        self._bound.append(variable)
        self._guard_comprehensions(macro)
        parts = [self.expression() for _ in self._commas()]
        self._bound.pop()
        self._expect(")")
        if not parts or len(parts) > (2 if macro.text == "map" else 1):
            raise Unreadable(
                macro.position,
                f"`{macro.text}` takes a variable and an expression, as in `.{macro.text}(x, …)`.",
                "CEL003",
            )
        predicate, body = (parts[0], parts[1]) if len(parts) == 2 else (None, parts[0])
        height = self._height((*parts,), macro.position)
        computed = not (isinstance(operand, LISTS) or self._is_path(operand))
        height = max(height, 1 + operand.height + _COMPUTED_RANGE * computed)
        self._guard_nesting(height, macro.position)
        return Comprehension(macro.text, operand, variable, predicate, body, macro.position, height)  # type: ignore[arg-type]

    def _commas(self) -> Iterable[None]:
        while self._take(","):
            yield

    def _arguments(self) -> tuple[Node, ...]:
        self._expect("(")
        return tuple(self._listed(")"))

    def _listed(self, closing: str) -> Iterable[Node]:
        while not self._take(closing):
            yield self.expression()
            if not self._take(","):
                self._expect(closing)
                return

    def _map(self, brace: Token) -> MapOf:
        entries: list[tuple[Node, Node]] = []
        while not self._take("}"):
            key = self.expression()
            self._expect(":")
            entries.append((key, self.expression()))
            if not self._take(","):
                self._expect("}")
                break
        parts = [part for entry in entries for part in entry]
        return MapOf(tuple(entries), brace.position, self._height(parts, brace.position))

    def _number(self, token: Token, negative: bool) -> Literal:
        if token.text[-1] in "uU":
            raise Unreadable(token.position, "unsigned integers have no JSON form; leave the `u` out.", "CEL006")
        text = "-" + token.text if negative else token.text
        value = float(text) if token.kind == "double" else int(text, 16 if "x" in text.lower() else 10)
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise Unreadable(token.position, f"{text} does not fit into 64 bits; write it as a decimal.")
        if value in (float("inf"), float("-inf")):
            raise Unreadable(token.position, f"{text} is larger than any number.")
        return self._literal(value, token)

    def _literal(self, value: Scalar, token: Token) -> Literal:
        return Literal(value, token.position, self._height((), token.position))

    # -- tokens --------------------------------------------------------------------------------------------------

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _take(self, symbol: str) -> Token | None:
        token = self._now
        if token.kind != "symbol" or token.text != symbol:
            return None
        self._at += 1
        return token

    def _expect(self, symbol: str) -> None:
        if not self._take(symbol):
            raise Unreadable(self._now.position, f"expected `{symbol}`, found {_shown(self._now)}.")

    def _expect_name(self, what: str, *, reserved: bool = False) -> Token:
        token = self._now
        if token.kind != "name" or token.text in _CONSTANTS or token.text == "in":
            raise Unreadable(token.position, f"expected {what}, found {_shown(token)}.")
        if token.text in _RESERVED and not reserved:
            raise Unreadable(token.position, f"`{token.text}` is a reserved word.")
        self._at += 1
        return token

    def expect_end(self) -> None:
        if self._now.kind != "end":
            raise Unreadable(self._now.position, f"expected an operator or the end, found {_shown(self._now)}.")

    # -- counting ------------------------------------------------------------------------------------------------

    def _is_path(self, node: Node) -> bool:
        keys = 0
        while isinstance(node, Select) or (isinstance(node, Index) and isinstance(node.index, Literal)):
            node = node.operand
            keys += 1
            if keys == DEEPEST:
                raise Unreadable(node.position, f"a path of more than {DEEPEST} keys leads nowhere.", "CEL007")
        return isinstance(node, Name) and node.name not in self._bound

    def _height(self, below: Iterable[Node], position: int) -> int:
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            raise Unreadable(
                position, f"the expression has more than {self._limits.nodes} parts; split it in two.", "CEL007"
            )
        height = 1 + max((node.height for node in below), default=0)
        self._guard_nesting(height, position)
        return height

    def _guard_nesting(self, levels: int, position: int) -> None:
        if levels > self._limits.nesting:
            raise Unreadable(
                position, f"the expression is nested more than {self._limits.nesting} levels deep.", "CEL007"
            )

    def _guard_comprehensions(self, macro: Token) -> None:
        if len(self._bound) > self._limits.comprehensions:
            most = self._limits.comprehensions
            raise Unreadable(macro.position, f"more than {most} comprehensions stand inside each other.", "CEL007")


def _shown(token: Token) -> str:
    match token.kind:
        case "end":
            return "the end"
        case "string":
            return "a string"
        case _:
            return f"`{token.text}`"
