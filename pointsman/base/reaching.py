"""What is reached: the one walk behind every question of what a graph's edges lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def reached(starts: Iterable[T], steps: Callable[[T], Iterable[T]]) -> set[T]:
    """All that `steps` lead to from `starts`, these included, however many steps it takes."""
    found = set(starts)
    waiting = list(found)
    while waiting:
        for one in steps(waiting.pop()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return found
