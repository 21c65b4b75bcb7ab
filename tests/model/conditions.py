"""The conditions that random plans have, read a second time without CEL."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, Final, Protocol

from pointsman.base.ids import NodeId

_FORM = re.compile(
    r"(?:(?P<output>output)|ctx\.(?P<node>\w+)\.output|(?P<loop>loop))"
    r"\.(?:x|iteration)(?P<even> % 2)? (?P<sign>[<>]|==) (?P<number>\d+)"
)
_SIGNS: Final[dict[str, Callable[[int, int], bool]]] = {"<": operator.lt, ">": operator.gt, "==": operator.eq}


class Unreadable(Exception):
    """The condition raises: what it reads is not there, or no number."""


class Reads(Protocol):
    """What a condition may read."""

    @property
    def output(self) -> Callable[[], Any]:
        """The output of the node that ends."""
        ...

    @property
    def iteration(self) -> int | None:
        """The pass, inside a loop."""
        ...

    @property
    def latest(self) -> Callable[[NodeId], Any]:
        """The latest output of another node; raises `Unreadable` where there is none."""
        ...


def holds(condition: str, reads: Reads) -> bool:
    """Whether a condition holds.

    Raises:
        Unreadable: See there.
    """
    form = _FORM.fullmatch(condition)
    assert form is not None, f"the model cannot read {condition!r}"
    number = _number(form, reads)
    return _SIGNS[form["sign"]](number % 2 if form["even"] else number, int(form["number"]))


def _number(form: re.Match[str], reads: Reads) -> int:
    if form["loop"]:
        if reads.iteration is None:
            raise Unreadable("loop")
        return reads.iteration
    value = reads.output() if form["output"] else reads.latest(NodeId(form["node"]))
    if not isinstance(value, dict) or not isinstance(value.get("x"), int):
        raise Unreadable(value)
    found: int = value["x"]
    return found
