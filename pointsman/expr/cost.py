"""How much work an evaluation can be, counted before it starts.

Only comprehensions can make much out of little: they repeat, and nested they multiply. So an expression that has one
is walked over the values it is about to read. Where a comprehension stands in another one, the outer list is gone
through item by item; elsewhere the bound is a formula. Everything is an upper bound, and a function of the expression
and the values alone, so both engines refuse the same evaluations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pointsman.expr.limits import Limits
from pointsman.expr.slots import MISSING, follow
from pointsman.expr.syntax import (
    Binary,
    Call,
    Choice,
    Comprehension,
    Index,
    ListOf,
    Literal,
    MapOf,
    Name,
    Node,
    Select,
    children,
)
from pointsman.expr.values import weigh
from pointsman.expr.writer import known_range

ROUND = 256
"""Units of work in one step: a round of a comprehension is one step, touching `ROUND` units of weight another."""
_SCALAR = 32
"""What a number, a time or a truth value written as text weighs at most."""
_AT_A_TIME = 16
"""Characters that are compared in the time of one value."""
_MATCH, _PATTERN = 8, 16
"""Steps that one `matches` costs, and characters of its pattern that cost one more: it may be compiled each time."""


class TooMuch(Exception):
    """The evaluation would go past a limit; the message says which."""


@dataclass(frozen=True, slots=True)
class Cost:
    """An upper bound of what a value weighs and of the work that makes it.

    `known` is the value itself where it is known, else MISSING. Unless `exact`, it is a list of which some items may
    be missing in the value.
    """

    weight: int = 1
    count: int = 0
    work: int = 0
    known: Any = MISSING
    exact: bool = True


def has_comprehension(node: Node) -> bool:
    """Whether there is a comprehension in the tree."""
    return isinstance(node, Comprehension) or any(has_comprehension(child) for child in children(node))


def guard(root: Node, data: Mapping[str, tuple[Any, int]], limits: Limits) -> None:
    """Refuse an evaluation that could be more work, or build a larger value, than is allowed.

    Args:
        data: The values of the slots, and what each weighs.

    Raises:
        TooMuch: It could.
    """
    _Estimate(limits).of(root, {name: _known(value, weight) for name, (value, weight) in data.items()})


class _Estimate:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def of(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
        return self._checked(self._of(node, scope))

    def _checked(self, cost: Cost) -> Cost:
        if cost.work > self._limits.steps * ROUND:
            raise TooMuch(
                f"it could take more than {self._limits.steps} rounds of its comprehensions; go through fewer items, "
                "or prepare the list in a task"
            )
        if cost.weight > self._limits.weight:
            raise TooMuch(f"it could build a value of more than {self._limits.weight} items and characters")
        return cost

    def _of(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
        match node:
            case Literal(value):
                return _known(value, weigh(value))
            case Name(name):
                return scope.get(name, Cost())
            case Comprehension():
                return self._comprehension(node, scope)
            case Choice():
                return self._choice(node, scope)
        parts = [self.of(child, scope) for child in children(node)]
        work = sum(part.work for part in parts)
        match node:
            case Select(_, key) | Index(_, Literal(key)):
                return _part(parts[0], key, work)
            case Index():
                return Cost(parts[0].weight, parts[0].weight, work)
            case ListOf() | MapOf():
                return Cost(1 + sum(part.weight for part in parts), len(parts), work, _listed(node, parts))
            case Binary(operator):
                return _operation(operator, *parts)
            case Call(function):
                return _call(function, parts, work)
        return Cost(work=work)

    def _choice(self, node: Choice, scope: Mapping[str, Cost]) -> Cost:
        condition, then, otherwise = (self.of(child, scope) for child in children(node))
        work = condition.work + max(then.work, otherwise.work)
        return Cost(max(then.weight, otherwise.weight), max(then.count, otherwise.count), work)

    # -- comprehensions ------------------------------------------------------------------------------------------

    def _comprehension(self, node: Comprehension, scope: Mapping[str, Cost]) -> Cost:
        over = self.of(node.range, scope)
        items = sorted(over.known) if isinstance(over.known, dict) else over.known
        rounds = self._rounds(node, over, items, scope)
        work = over.work + rounds.work + ROUND * (over.count + _ordering(node, over))
        match node.macro:
            case "map":
                return self._checked(Cost(1 + rounds.weight, over.count, work))
            case "filter":
                return self._checked(Cost(over.weight, over.count, work, items, exact=False))
        return self._checked(Cost(work=work))

    def _rounds(self, node: Comprehension, over: Cost, items: Any, scope: Mapping[str, Cost]) -> Cost:
        """What all rounds of the body cost together.

        Where the items are not gone through: the cost of a body grows at least in proportion to the weight of its
        item, so the rounds together cost at most as much as one on all items at once and the others on nothing.
        """
        if isinstance(items, list) and any(has_comprehension(part) for part in _body(node)):
            return self._each(node, items, scope)
        nothing = self._round(node, Cost(0), scope)
        everything = self._round(node, Cost(over.weight, over.weight), scope)
        others = max(over.count - 1, 0)
        return Cost(others * nothing.weight + everything.weight, 0, others * nothing.work + everything.work)

    def _each(self, node: Comprehension, items: list[Any], scope: Mapping[str, Cost]) -> Cost:
        total = Cost(0)
        for item in items:
            cost = self._round(node, _known(item, weigh(item)), scope)
            total = self._checked(Cost(total.weight + cost.weight, 0, total.work + cost.work))
        return total

    def _round(self, node: Comprehension, item: Cost, scope: Mapping[str, Cost]) -> Cost:
        parts = [self.of(part, {**scope, node.variable: item}) for part in _body(node)]
        return Cost(parts[-1].weight, 0, sum(part.work for part in parts))


def _known(value: Any, weight: int) -> Cost:
    return Cost(weight, len(value) if isinstance(value, (list, dict)) else 0, 0, value)


def _listed(node: Node, parts: list[Cost]) -> Any:
    known = isinstance(node, ListOf) and all(part.known is not MISSING and part.exact for part in parts)
    return [part.known for part in parts] if known else MISSING


def _body(node: Comprehension) -> list[Node]:
    return [part for part in (node.predicate, node.body) if part is not None]


def _ordering(node: Comprehension, over: Cost) -> int:
    """Rounds that putting a map's keys in order takes."""
    if known_range(node):
        return 0
    return 1 if isinstance(over.known, list) else 1 + over.count


def _part(whole: Cost, key: Any, work: int) -> Cost:
    if whole.known is MISSING or not whole.exact or type(key) not in (str, int):
        return Cost(whole.weight, whole.weight, work)
    value = follow(whole.known, (key,))
    return Cost(work=work) if value is MISSING else replace(_known(value, weigh(value)), work=work)


def _operation(operator: str, left: Cost, right: Cost) -> Cost:
    work = left.work + right.work
    if operator == "+":
        both = left.weight + right.weight
        return Cost(both, left.count + right.count, work + both)
    if operator == "in":
        return Cost(work=work + (0 if isinstance(right.known, dict) else right.weight))
    return Cost(work=work + _compared(left, right))


def _compared(left: Cost, right: Cost) -> int:
    """The work of comparing. It ends at once where one side is a number; text is compared many characters at a time."""
    both = left.weight + right.weight
    for known in (left.known, right.known):
        if known is None or isinstance(known, (bool, int, float)):
            return 0
        if isinstance(known, str):
            return both // _AT_A_TIME
    return both


def _call(function: str, arguments: list[Cost], work: int) -> Cost:
    subject = arguments[0].weight
    match function:
        case "dyn":
            return replace(arguments[0], work=work)
        case "string":
            return Cost(subject + _SCALAR, 0, work + subject)
        case "contains" | "startsWith" | "endsWith":
            return Cost(work=work + subject)
        case "matches":
            return Cost(work=work + subject + _MATCH * ROUND + ROUND * arguments[1].weight // _PATTERN)
    return Cost(_SCALAR, 0, work)
