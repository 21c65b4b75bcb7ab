"""The reference page: one example of each pattern, each of which compiles and says what is told of it."""

from __future__ import annotations

import pytest

from docs.patterns_page import EXAMPLES, SAMPLE, Example
from pointsman.edit.patterns import apply_pattern, read_request, request_schema
from tests.edit.patterns.graphs import Document, ways
from tests.support.random_edits import compiled

PATTERNS = [example.request["pattern"] for example in EXAMPLES]


def changed(example: Example) -> Document:
    return apply_pattern(dict(SAMPLE), read_request(dict(example.request)))[1]


def test_every_pattern_has_its_example_on_the_page() -> None:
    assert sorted(PATTERNS) == sorted(request_schema()["discriminator"]["mapping"])


@pytest.mark.parametrize("example", EXAMPLES, ids=PATTERNS)
def test_every_example_gives_another_definition_that_compiles(example: Example) -> None:
    assert compiled(changed(example)) != compiled(dict(SAMPLE))


@pytest.mark.parametrize(
    ("pattern", "came", "went"),
    [
        ("insert_between", {"draft->check", "check->score"}, {"draft->score"}),
        ("insert_parallel", {"fetch->images", "images->score"}, set()),
        ("delete", {"publish->notify"}, {"publish->archive", "archive->notify"}),
        ("move", {"draft->archive", "archive->score", "publish->notify"}, {"draft->score", "publish->archive"}),
        ("swap", {"publish->notify", "notify->archive"}, {"publish->archive", "archive->notify"}),
        ("parallelise", {"publish->notify"}, {"archive->notify"}),
        ("add_dependency", {"fetch->revise"}, set()),
        ("remove_dependency", set(), {"fetch->publish"}),
    ],
)
def test_the_examples_do_what_is_said_of_them(pattern: str, came: set[str], went: set[str]) -> None:
    before, after = set(ways(dict(SAMPLE))), set(ways(changed(EXAMPLES[PATTERNS.index(pattern)])))
    assert came <= after - before
    assert went <= before - after
