"""What an engine is to the rest of this package: text in, a program out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pointsman.expr.writer import Dialect


class Raised(Exception):
    """An evaluation without a value; the message is the engine's. `slot` names the variable that was not there."""

    def __init__(self, message: str, slot: str | None = None) -> None:
        super().__init__(message)
        self.slot = slot


class Program(Protocol):
    """A text, ready to be evaluated."""

    def __call__(self, data: Mapping[str, Any]) -> Any:
        """The value, as JSON, when the slots have the values in `data`; a slot that is not in it has none.

        Raises:
            Raised: There is no value.
            NotJson: The value is of a kind that JSON does not have.
        """
        ...


class Backend(Protocol):
    """A CEL implementation."""

    name: str
    dialect: Dialect

    def compile(self, text: str, *, boolean: bool) -> Program:
        """Make a text ready. It was checked before; `boolean` says that its value, if any, is true or false."""
        ...

    def pattern_problem(self, pattern: str) -> str | None:
        """Why this is no regular expression (RE2), or None if it is one."""
        ...
