"""Reads the contract that every Lua script opens with, and what its body does about it.

-- claim_timers: take what is due off the clock.
--
-- Why a script: …
-- KEYS[1]  wf.timers  zset: …
-- ARGV[1]  now, Unix milliseconds
-- ARGV[2..]  one name a timer                (`..`: any number of them)
-- Returns:
--   ok      …                                (one status a line)
-- Emits: …
-- Cost: O(…)
-- Guards first, writes after: Redis does not roll back a script that fails half-way.
-- Proof: tests/redis/test_claim_timers.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.architecture.tree import ROOT

GUARDS = "Guards first, writes after: Redis does not roll back a script that fails half-way"

INCLUDE = re.compile(r"^-- include: (\S+)$", re.MULTILINE)

_TITLE = re.compile(r"(\w+)(?:\.lua)?: \S")
_SECTION = re.compile(r"(Why|Returns|Emits|Cost|Proof)\b")
_INDEX = re.compile(r"(KEYS|ARGV)\[(\d+)(\.\.)?\d*\]\s+\S")
_NONE = re.compile(r"(KEYS|ARGV): none")
_STATUS = re.compile(r"\s+(\w+)\b")
_BINDING = re.compile(r"\s*local\s+[\w\s,]+=\s*.*\b(?:KEYS|ARGV)\[\d+\]")
_USE = re.compile(r"\b(KEYS|ARGV)\[(\d+)\]")
_ANSWER = re.compile(r"return\s*\{\s*['\"](\w+)['\"]|\bstatus\s*=\s*['\"](\w+)['\"]")


@dataclass(frozen=True)
class Script:
    """One Lua script: its name and text."""

    name: str
    text: str

    @cached_property
    def header(self) -> list[str]:
        """The opening comment, without its dashes."""
        lines = []
        for line in self.text.splitlines():
            if not line.startswith("--"):
                break
            lines.append(line.removeprefix("--").removeprefix(" "))
        return lines

    @cached_property
    def body(self) -> list[str]:
        """The code below it, comments taken out."""
        return [re.sub(r"--.*", "", line) for line in self.text.splitlines()[len(self.header) :]]

    @cached_property
    def told(self) -> dict[str, list[tuple[int, bool]]]:
        """The numbers of the KEYS and ARGV that the header explains, each with whether more follow it."""
        found: dict[str, list[tuple[int, bool]]] = {"KEYS": [], "ARGV": []}
        for line in self.header:
            if match := _INDEX.match(line):
                found[match[1]].append((int(match[2]), match[3] is not None))
        return found

    @cached_property
    def statuses(self) -> set[str]:
        """The statuses that the header explains."""
        lines = self.header[self._line_of("Returns") + 1 :] if "Returns" in self.sections else []
        indented = []
        for line in lines:
            if line and not line.startswith(" "):
                break
            indented.append(line)
        margin = min((len(line) - len(line.lstrip()) for line in indented if line), default=0)
        return {match[1] for line in indented if (match := _STATUS.match(line)) and not line[margin:].startswith(" ")}

    @cached_property
    def answers(self) -> set[str]:
        """The statuses that the body returns."""
        found = (match[1] or match[2] for line in self.body for match in _ANSWER.finditer(line))
        return set(found)

    @cached_property
    def sections(self) -> dict[str, str]:
        """The first line of each section."""
        return {match[1]: line for line in self.header if (match := _SECTION.match(line))}

    def breaches(self) -> Iterator[str]:
        """Everything in which it departs from the rules, each after the script's name."""
        for found in (self._of_prose(), self._of_arguments(), self._of_bindings(), self._of_statuses()):
            yield from (f"lua/{self.name}.lua: {breach}" for breach in found)

    def _line_of(self, section: str) -> int:
        return self.header.index(self.sections[section])

    def _of_prose(self) -> Iterator[str]:
        title = _TITLE.match(self.header[0]) if self.header else None
        if title is None or title[1] != self.name:
            yield f"does not open with `-- {self.name}: what it does`"
        yield from (f"has no `{name}`" for name in ("Why", "Returns", "Emits", "Cost") if name not in self.sections)
        if GUARDS not in " ".join(" ".join(self.header).split()):
            yield f"lacks the sentence `{GUARDS}`"
        proofs = re.findall(r"tests/[\w/]+\.py", self.sections.get("Proof", ""))
        if not proofs:
            yield "names no test under `Proof`"
        yield from (f"its proof {proof} does not exist" for proof in proofs if not (ROOT / proof).exists())

    def _of_arguments(self) -> Iterator[str]:
        code = "\n".join(self.body)
        for kind, told in self.told.items():
            numbers = [number for number, _ in told]
            if not told and not any(_NONE.match(line) and line.startswith(kind) for line in self.header):
                yield f"explains no {kind}; `{kind}: none` if there are none"
            if numbers != list(range(1, len(numbers) + 1)):
                yield f"explains {kind} {numbers}, not one after the other from 1"
            open_end = any(more for _, more in told)
            used = {int(number) for name, number in _USE.findall(code) if name == kind}
            if used != set(numbers) and not (open_end and used <= set(numbers)):
                yield f"explains {kind} {numbers} and uses {sorted(used)}"
            if not open_end and re.search(rf"#{kind}\b|\b{kind}\[[^\]]*[A-Za-z]|\({kind}\b", code):
                yield f"takes any number of {kind}, which its header does not say"

    def _of_bindings(self) -> Iterator[str]:
        top = 0
        while top < len(self.body) and (not self.body[top].strip() or _BINDING.match(self.body[top])):
            top += 1
        yield from (
            f"uses `{line.strip()}` below the names at its top" for line in self.body[top:] if _USE.search(line)
        )

    def _of_statuses(self) -> Iterator[str]:
        if not self.statuses:
            yield "explains no status under `Returns`"
        if self.statuses != self.answers:
            yield f"explains the statuses {sorted(self.statuses)} and answers {sorted(self.answers)}"


def scripts(folder: Path) -> list[Script]:
    """Every script of a folder, with the parts it includes put in their places."""
    return [Script(path.stem, _with_parts(path)) for path in sorted(folder.glob("*.lua"))]


def _with_parts(path: Path) -> str:
    return INCLUDE.sub(lambda match: (path.parent / match[1]).read_text(), path.read_text())
