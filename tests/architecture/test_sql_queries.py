"""SQL lives in `.sql` files under names: every name used exists, every name that exists is used, none is in Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

import pytest

from tests.architecture.tree import (
    Source,
    assert_holds,
    assert_none,
    dotted,
    imported_names,
    other_files,
    product,
    relative,
    sample,
    strings,
)

NAME = re.compile(r"^--\s*name:\s*(\S+)", re.MULTILINE)
STATEMENT = re.compile(
    r"\s*(?:SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|TRUNCATE\s|WITH\s+\w+\s+AS\s*\("
    r"|(?:CREATE|ALTER|DROP)\s+(?:TABLE|INDEX|TYPE|UNIQUE|SCHEMA|FUNCTION)\s)",
    re.IGNORECASE | re.DOTALL,
)


def defined() -> dict[str, list[str]]:
    """Every named query, and the files that define it."""
    found: dict[str, list[str]] = {}
    for path in other_files("*.sql", "pointsman"):
        for name in NAME.findall(path.read_text()):
            found.setdefault(name, []).append(relative(path))
    return found


def asks_for_queries(source: Source) -> bool:
    return any(name.endswith("queries.sql") for name in imported_names(source).values())


def unknown_names(source: Source, known: Iterable[str]) -> Iterator[str]:
    """Literal names in calls of `sql` that no file defines."""
    names = imported_names(source)
    for node in source.nodes:
        if isinstance(node, ast.Call) and names.get(dotted(node.func), "").endswith("queries.sql"):
            literals = [inner for arg in node.args for inner in ast.walk(arg) if isinstance(inner, ast.Constant)]
            for name in (literal.value for literal in literals if isinstance(literal.value, str)):
                if name not in known:
                    yield source.at(node, f"no .sql file has a query named {name}")


def statements(source: Source) -> Iterator[str]:
    for node, text in strings(source):
        if STATEMENT.match(text):
            yield source.at(node, " ".join(text.split())[:60])


def test_every_query_asked_for_has_a_name() -> None:
    known = defined()
    assert_holds(lambda source: unknown_names(source, known), product())


def test_every_named_query_is_asked_for_somewhere() -> None:
    asked = {text for source in product() if asks_for_queries(source) for _, text in strings(source)}
    assert_none(f"{files[0]}: nothing asks for {name}" for name, files in defined().items() if name not in asked)


def test_every_query_has_a_name_of_its_own() -> None:
    assert_none(f"{name}: in {' and '.join(files)}" for name, files in defined().items() if len(files) > 1)


def test_no_statement_is_written_in_python_code() -> None:
    assert_holds(statements, product())


@pytest.mark.parametrize("call", ["sql('nope')", "sql('nope' if late else 'append_events')"])
def test_an_unknown_query_would_be_found(call: str) -> None:
    text = f"from pointsman.adapters.postgres.queries import sql\n{call}"
    assert len(list(unknown_names(sample(text), {"append_events"}))) == 1


@pytest.mark.parametrize(
    "text", ["x = 'SELECT a FROM t'", "x = f'insert into {t} values (1)'", "x = '''\nCREATE TABLE t (a int)'''"]
)
def test_a_statement_in_python_would_be_found(text: str) -> None:
    assert len(list(statements(sample(text)))) == 1


def test_sentences_and_docstrings_are_no_statements() -> None:
    text = "def f():\n    '''SELECT a FROM t'''\n    return 'select one of these', 'update the run'"
    assert list(statements(sample(text))) == []
