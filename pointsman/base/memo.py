"""What was made of a thing once, found by the thing itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Thing = TypeVar("Thing")
Made = TypeVar("Made")


class Memo(Generic[Thing, Made]):
    """Makes something of things that never change, and of each thing once.

    The same thing is the same object: to compare what it says would cost as much as making anew. It is kept alive, so
    that no other takes its place; when there are too many, all are forgotten.
    """

    def __init__(self, make: Callable[[Thing], Made], most: int) -> None:
        self._make = make
        self._most = most
        self._made: dict[int, tuple[Thing, Made]] = {}

    def __call__(self, thing: Thing) -> Made:
        found = self._made.get(id(thing))
        if found is None:
            made = self._make(thing)
            if len(self._made) >= self._most:
                self._made.clear()
            found = self._made[id(thing)] = thing, made
        return found[1]
