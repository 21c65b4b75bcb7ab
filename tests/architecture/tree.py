"""The project's files, read and parsed once for all architecture tests.

A check is a function from one `Source` to what it breaches there, so that each test can also show the check a sample
that must not pass.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PROCESSES: Final = ("coordinator", "supervisor", "orchestrator_api", "agent_runner")
PRODUCT: Final = ("pointsman", *PROCESSES)
PURE: Final = ("plan", "expr", "definition", "protocol", "compile", "step", "edit")

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTION: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: str
    text: str
    tree: ast.Module = field(repr=False)

    def at(self, node: ast.AST, what: str) -> str:
        """A breach, with the place it is at."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Everything in its tree, walked once for all checks."""
        return tuple(ast.walk(self.tree))

    @property
    def functions(self) -> Iterator[Function]:
        """Every function in it, methods and inner ones included."""
        return (node for node in self.nodes if isinstance(node, FUNCTION))


Check = Callable[[Source], Iterable[str]]


def sample(text: str, path: str = "sample.py") -> Source:
    """A file that exists only in a test."""
    return Source(path, text, ast.parse(text))


def assert_holds(check: Check, sources: Iterable[Source]) -> None:
    """Fail with everything that `check` finds, one breach a line."""
    __tracebackhide__ = True
    assert_none(breach for source in sources for breach in check(source))


def assert_none(breaches: Iterable[str]) -> None:
    """Fail with `breaches`, one a line, if there are any."""
    __tracebackhide__ = True
    found = list(breaches)
    assert not found, "\n" + "\n".join(found)


@cache
def python_files(*folders: str) -> tuple[Source, ...]:
    """The Python files below `folders`, those that exist."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return tuple(_source(path) for path in paths)


@cache
def _source(path: Path) -> Source:
    text = path.read_text()
    name = path.relative_to(ROOT).as_posix()
    return Source(name, text, ast.parse(text, name))


def product() -> tuple[Source, ...]:
    """What is shipped."""
    return python_files(*PRODUCT)


def pure() -> tuple[Source, ...]:
    """What decides, and does nothing."""
    return python_files(*(f"pointsman/{package}" for package in PURE))


def everything() -> tuple[Source, ...]:
    """Every Python file of the project."""
    return python_files(*PRODUCT, "tests", "bench", "examples", "docs")


def other_files(pattern: str, *folders: str) -> list[Path]:
    """Files of another language below `folders`."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob(pattern))


def relative(path: Path) -> str:
    """A path as it is written in messages."""
    return path.relative_to(ROOT).as_posix()


def is_wired() -> bool:
    """Whether the three processes exist, so that what nothing uses is dead and not early."""
    return all((ROOT / process / "__main__.py").exists() for process in PROCESSES[:3])


def docstrings(source: Source) -> set[int]:
    """The identities of the constants that are docstrings, a field's included."""
    statements = (node for node in source.nodes if isinstance(node, ast.Expr))
    return {id(node.value) for node in statements if isinstance(node.value, ast.Constant)}


def strings(source: Source) -> Iterator[tuple[ast.Constant, str]]:
    """Every string constant, the fixed parts of f-strings included, docstrings left out."""
    told = docstrings(source)
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node, node.value


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a name or attribute, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def imported_names(source: Source) -> dict[str, str]:
    """What each imported name stands for: `{"sleep": "asyncio.sleep", "dt": "datetime"}`."""
    names: dict[str, str] = {}
    for node in source.nodes:
        match node:
            case ast.Import(names=modules):
                for module in modules:
                    whole = module.name if module.asname else module.name.partition(".")[0]
                    names[module.asname or whole] = whole
            case ast.ImportFrom(module=str(module), names=members):
                names |= {member.asname or member.name: f"{module}.{member.name}" for member in members}
            case _:
                pass
    return names


def uses(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Every imported name used, spelled in full: `sleep` after `from asyncio import sleep` is `asyncio.sleep`."""
    names = imported_names(source)
    for node in source.nodes:
        if isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = dotted(node).partition(".")
            if first in names:
                yield node, f"{names[first]}{dot}{rest}"
