"""A test's name is a claim that can be true or false: five words or more."""

from __future__ import annotations

from collections.abc import Iterator

from tests.architecture.tree import Source, assert_holds, python_files, sample

WORDS = 5


def mere_labels(source: Source) -> Iterator[str]:
    for function in source.functions:
        words = function.name.split("_")
        if words[0] == "test" and len([word for word in words[1:] if word]) < WORDS:
            yield source.at(function, function.name)


def test_every_test_name_is_a_claim() -> None:
    assert_holds(mere_labels, python_files("tests"))


def test_a_mere_label_would_be_found_out() -> None:
    found = mere_labels(sample("def test_parser(): ...\ndef test_a_late_signal_changes_nothing(): ...\n"))
    assert list(found) == ["sample.py:1: test_parser"]
