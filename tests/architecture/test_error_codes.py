"""One tree of errors, one page a code: no code without a page, no page without a code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pointsman.base.errors
from docs.generate import SECTIONS
from pointsman.base.codes import CODES
from tests.architecture.tree import Source, assert_holds, product, sample, strings

PAGES = "pointsman/base/codes"
CODE = re.compile(rf"(?:{'|'.join(SECTIONS)})\d{{3}}\Z")


def codes_in(source: Source) -> Iterator[tuple[str, str]]:
    for node, text in strings(source):
        if CODE.match(text) and not source.path.startswith(PAGES):
            yield text, source.at(node, text)


def codes_without_page(source: Source) -> Iterator[str]:
    return (where for code, where in codes_in(source) if code not in CODES)


def errors_outside_the_tree(source: Source) -> Iterator[str]:
    """Public errors of ours that the drawing at the top of `errors.py` does not show."""
    drawn = set(re.findall(r"[├└]── (\w+)", pointsman.base.errors.__doc__ or "")) | {"PointsmanError"}
    for node in source.nodes:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            if bases & drawn and node.name not in drawn:
                yield source.at(node, f"{node.name} is not in the tree of pointsman/base/errors.py")


def test_every_code_that_is_raised_has_a_page() -> None:
    assert_holds(codes_without_page, product())


def test_every_page_is_of_a_code_that_is_raised() -> None:
    raised = {code for source in product() for code, _ in codes_in(source)}
    assert sorted(CODES.keys() - raised) == []


def test_every_page_says_meaning_result_and_remedy() -> None:
    # Given every page, then its texts are sentences, its code is of a known family and its HTTP status is an error
    unfit = [
        code
        for code, page in CODES.items()
        if not CODE.match(code)
        or page.title.endswith(".")
        or not all(text.endswith((".", "?", "`")) for text in (page.meaning, page.result, page.remedy))
        or (page.http is not None and not 400 <= page.http < 600)
    ]
    assert unfit == []


def test_every_error_of_ours_is_drawn_in_the_tree() -> None:
    assert_holds(errors_outside_the_tree, product())


def test_codes_and_errors_out_of_place_would_be_found() -> None:
    text = "class Odd(RunError):\n    pass\ndef f():\n    raise Odd('RUN999', 'no')\n"
    assert list(codes_without_page(sample(text))) == ["sample.py:4: RUN999"]
    assert list(errors_outside_the_tree(sample(text))) == [
        "sample.py:1: Odd is not in the tree of pointsman/base/errors.py"
    ]
