"""Names and sizes: nothing is a grab bag, nothing outgrows a reader."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.architecture.tree import (
    Function,
    Source,
    assert_holds,
    assert_none,
    everything,
    other_files,
    product,
    python_files,
    relative,
    sample,
)

GRAB_BAGS = frozenset({"common", "util", "utils", "helper", "helpers", "manager", "managers", "misc", "stuff"})
FILE_LINES, FUNCTION_LINES = 600, 60
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|HA" + r"CK)\b")


def grab_bags(path: str) -> set[str]:
    words = {word for part in PurePosixPath(path).parts for word in re.split(r"[_.-]", part.lower())}
    return words & GRAB_BAGS


def grab_bag_classes(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.ClassDef):
            words = {word.lower() for word in re.findall(r"[A-Z][a-z]+", node.name)}
            if words & GRAB_BAGS:
                yield source.at(node, f"class {node.name}")


def lines_of(function: Function) -> int:
    """The lines of a function's body that are code: its docstring is not counted."""
    told = ast.get_docstring(function, clean=False)
    first = function.body[1] if told is not None and len(function.body) > 1 else function.body[0]
    return (function.end_lineno or first.lineno) - first.lineno + 1


def long_functions(source: Source) -> Iterator[str]:
    for function in source.functions:
        if lines_of(function) > FUNCTION_LINES:
            yield source.at(function, f"{function.name} has {lines_of(function)} lines")


def unfinished(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if UNFINISHED.search(line):
            yield f"{source.path}:{number}: {line.strip()}"
    for node in source.nodes:
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node):
            yield source.at(node, "a stub")


def test_no_file_or_folder_is_a_grab_bag() -> None:
    paths = [source.path for source in everything()] + [relative(path) for path in other_files("*.*", "lua", "console")]
    assert_none(path for path in paths if grab_bags(path))


def test_no_class_is_named_like_a_grab_bag() -> None:
    assert_holds(grab_bag_classes, everything())


def test_no_file_is_longer_than_a_reader_bears() -> None:
    texts = {source.path: source.text for source in everything()}
    texts |= {relative(path): path.read_text() for path in other_files("*.lua", "lua")}
    texts |= {relative(path): path.read_text() for path in other_files("*.sql", "pointsman")}
    assert_none(
        f"{path} has {len(text.splitlines())} lines" for path, text in texts.items() if text.count("\n") > FILE_LINES
    )


def test_no_function_is_longer_than_a_screen() -> None:
    assert_holds(long_functions, everything())


def test_most_functions_and_files_are_much_shorter() -> None:
    # Given all that is shipped
    functions = sorted(lines_of(function) for source in product() for function in source.functions)
    files = sorted(source.text.count("\n") for source in product() if source.text)
    # Then it looks like the code people like to read
    assert statistics.median(functions) <= 8
    assert statistics.quantiles(functions, n=10)[-1] <= 31
    assert statistics.median(files) <= 250


def test_nothing_is_left_unfinished_in_the_tree() -> None:
    assert_holds(unfinished, everything())


def test_test_files_of_one_name_do_not_hide_each_other() -> None:
    # Given the test files in folders that are no packages: pytest knows them by their bare names
    bare = [
        PurePosixPath(source.path)
        for source in python_files("tests")
        if not any(other.path == f"{PurePosixPath(source.path).parent}/__init__.py" for other in python_files("tests"))
    ]
    names = [path.name for path in bare if path.name.startswith("test_")]
    # Then no two have the same
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize("path", ["pointsman/utils.py", "pointsman/redis_helpers/keys.py", "lua/common.lua"])
def test_a_grab_bag_would_be_found(path: str) -> None:
    assert grab_bags(path)


def test_long_functions_and_stubs_would_be_found() -> None:
    long = sample("def f():\n    '''Doc.'''\n" + "    x = 1\n" * (FUNCTION_LINES + 1))
    fine = sample("def f():\n    '''Doc.'''\n" + "    x = 1\n" * FUNCTION_LINES)
    assert list(long_functions(long)) == ["sample.py:1: f has 61 lines"]
    assert list(long_functions(fine)) == []
    assert list(grab_bag_classes(sample("class RunManager: ..."))) == ["sample.py:1: class RunManager"]
    stub = sample("x = 1  # TO" + "DO later\ndef f():\n    raise NotImplementedError\n")
    assert list(unfinished(stub)) == ["sample.py:1: x = 1  # TO" + "DO later", "sample.py:3: a stub"]
