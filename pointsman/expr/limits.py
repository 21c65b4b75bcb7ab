"""How large an expression, and the work of one evaluation, may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What is counted, the same in both engines; nothing is timed, so `step` stays a function (SEMANTICS §3.6).

    The first five are counted when an expression is compiled, the last two before each evaluation, from the values
    that it is about to read. An evaluation that passes them cannot run into the limits the engines have of their own
    (cel-cpp: syntax trees 32 levels deep, fewer than 10,000 iterations).
    """

    source: int = 10_000
    """Characters of source."""
    nesting: int = 28
    """Levels of the syntax tree; a path such as `output.a.b` is one, and so is `a && b && c`."""
    nodes: int = 1_000
    """Nodes of the syntax tree."""
    comprehensions: int = 4
    """Comprehensions (`all`, `exists`, `exists_one`, `filter`, `map`) inside each other."""
    pattern: int = 1_000
    """Characters of a regular expression that is written out."""
    steps: int = 9_999
    """Rounds of all comprehensions together; what a round does to large values counts as one for each 256 of weight."""
    weight: int = 1_000_000
    """Values and characters that one evaluation reads, and that it may build."""
