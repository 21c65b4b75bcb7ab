"""What decides is pure and laid out by node kind: one file a kind, its test beside it by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import get_args

import pytest

from pointsman.plan import Kind
from tests.architecture.tree import ROOT, Source, assert_holds, assert_none, other_files, pure, relative, sample

KINDS = frozenset(get_args(Kind))


def asynchronous(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield source.at(node, type(node).__name__)


def reaching_out(source: Source) -> Iterator[str]:
    """Calls of builtins that touch the world."""
    for node in source.nodes:
        match node:
            case ast.Call(func=ast.Name(id="open" | "print" | "input" | "exec" | "eval" as name)):
                yield source.at(node, name)
            case _:
                pass


def kinds_without_a_file(files: set[str]) -> list[str]:
    return sorted(kind for kind in KINDS if sum(path.endswith(f"/{kind}.py") for path in files) != 1)


def test_nothing_that_decides_is_asynchronous_or_does() -> None:
    assert_holds(asynchronous, pure())
    assert_holds(reaching_out, pure())


def test_every_node_kind_has_one_file() -> None:
    if '"step"' not in (ROOT / "pointsman" / "step" / "__init__.py").read_text():
        pytest.skip("there is no step yet")
    assert_none(kinds_without_a_file({relative(path) for path in other_files("*.py", "pointsman/step")}))


def test_every_node_kind_has_its_test_beside_it() -> None:
    files = [path for path in other_files("*.py", "pointsman/step") if path.stem in KINDS]
    tests = [f"tests/step/test_{path.stem}.py" for path in files]
    assert_none(f"{test} is missing" for test in tests if not (ROOT / test).exists())


def test_impure_code_would_be_found_in_samples() -> None:
    text = "async def f():\n    await g()\ndef h():\n    open('x')\n"
    assert list(asynchronous(sample(text))) == ["sample.py:1: AsyncFunctionDef", "sample.py:2: Await"]
    assert list(reaching_out(sample(text))) == ["sample.py:4: open"]
    assert "wait" in kinds_without_a_file({"pointsman/step/task.py"})
