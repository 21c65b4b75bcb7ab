"""A compiled expression: reads its slots, guards the limits, asks the engine, explains what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pointsman.base.errors import ExpressionError
from pointsman.expr.backend import Program, Raised
from pointsman.expr.binding import Bound
from pointsman.expr.cost import TooMuch, guard, has_comprehension
from pointsman.expr.findings import quoted
from pointsman.expr.limits import Limits
from pointsman.expr.references import References
from pointsman.expr.slots import MISSING, Slot
from pointsman.expr.syntax import Node
from pointsman.expr.values import NotJson, weigh


class Expression:
    """A CEL expression, ready to be evaluated. Made by `Engine.compile`."""

    def __init__(self, source: str, bound: Bound, references: References, program: Program, limits: Limits) -> None:
        self.source = source
        self.references = references
        self._slots = bound.slots
        self._direct = bound.direct
        self._repeats = bound.root if has_comprehension(bound.root) else None
        self._program = program
        self._limits = limits

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"

    def evaluate(self, bindings: Mapping[str, Any]) -> Any:
        """The value of the expression, as JSON.

        Args:
            bindings: The variables by name. Only what the expression reads is looked at. A value that it only passes
                on (`output.items`) is returned itself, not a copy.

        Raises:
            ExpressionError: It has no value here, goes past a limit, or its value is not JSON.
        """
        if self._direct is not None:
            return self._passed_on(self._direct, bindings)
        try:
            return self._program(self._gathered(bindings))
        except Raised as error:
            raise self._explained(error, bindings) from None
        except NotJson as error:
            raise self._error("CEL010", f"its value has {error}. Nothing can be made of it.") from None

    def test(self, bindings: Mapping[str, Any]) -> bool:
        """The value of the expression as a condition.

        Raises:
            ExpressionError: As `evaluate`, and when the value is neither true nor false.
        """
        value = self.evaluate(bindings)
        if value is True or value is False:
            return value
        text = json.dumps(value)
        shortened = text if len(text) <= 40 else f"{text[:40]}…"
        raise self._error("CEL011", f"a condition must be true or false, and this is {shortened}. Compare it.")

    def values_read(self, bindings: Mapping[str, Any]) -> dict[str, Any]:
        """What the expression reads and finds, by path; for the history of a condition that failed."""
        found = ((slot, slot.read(bindings)) for slot in self._slots)
        return {slot.label: value for slot, value in found if value is not MISSING}

    def _passed_on(self, slot: Slot, bindings: Mapping[str, Any]) -> Any:
        value = slot.read(bindings)
        if value is MISSING:
            raise self._error("CEL009", f"{slot.explain(bindings)}.")
        return value

    def _gathered(self, bindings: Mapping[str, Any]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        weights: dict[str, int] = {}
        total = 0
        for slot in self._slots:
            value = slot.read(bindings)
            if value is MISSING:
                continue
            try:
                weight = weigh(value)
            except NotJson:
                continue
            data[slot.name] = value
            weights[slot.name] = weight
            total += weight * slot.uses
        if total > self._limits.weight:
            raise self._too_much(f"it reads {total} items and characters, and may read {self._limits.weight}")
        if self._repeats is not None:
            self._guard(self._repeats, data, weights)
        return data

    def _guard(self, root: Node, data: Mapping[str, Any], weights: Mapping[str, int]) -> None:
        try:
            guard(root, {name: (value, weights[name]) for name, value in data.items()}, self._limits)
        except TooMuch as error:
            raise self._too_much(str(error)) from None

    def _explained(self, error: Raised, bindings: Mapping[str, Any]) -> ExpressionError:
        for slot in self._slots:
            if slot.name == error.slot:
                return self._error("CEL009", f"{slot.explain(bindings)}.")
        return self._error("CEL009", f"{error}.")

    def _too_much(self, reason: str) -> ExpressionError:
        return self._error("CEL008", f"{reason}. It was not evaluated.")

    def _error(self, code: str, message: str) -> ExpressionError:
        return ExpressionError(code, f"{quoted(self.source)}: {message}")
