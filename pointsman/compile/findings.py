"""What the compiler has to say about a definition, gathered over all its stages."""

from __future__ import annotations

from pointsman.base.errors import Problem
from pointsman.definition import Document, Positions


class Findings:
    """Collects problems and warnings, each with its pointer as the author would write it, and its line."""

    def __init__(self, document: Document | None, positions: Positions) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._said: set[Problem] = set()
        self._document = document
        self._positions = positions

    def refuse(self, code: str, pointer: str, told: str, suggestion: str | None = None) -> None:
        """Add a problem: the definition cannot be compiled."""
        self._add(self.problems, Problem(code, pointer, told, suggestion=suggestion))

    def warn(self, code: str, pointer: str, told: str, suggestion: str | None = None) -> None:
        """Add a warning: it can be compiled, but hardly means what it says."""
        self._add(self.warnings, Problem(code, pointer, told, suggestion=suggestion))

    def _add(self, to: list[Problem], problem: Problem) -> None:
        """Add it, unless it was said before: edges that one rule of a branch makes share its condition."""
        located = self._positions.locate(problem, self._document)
        if located not in self._said:
            self._said.add(located)
            to.append(located)
