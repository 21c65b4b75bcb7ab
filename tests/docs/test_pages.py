"""The pages: links lead somewhere, and what is shown as a definition or as Python is one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pointsman.compile import compile_source
from pointsman.expr import engine
from tests.docs.pages import ROOT, anchors, blocks, links, pages


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_definitions_that_are_shown_compile(page: Path) -> None:
    shown = [block.text for block in blocks(page) if block.language == "yaml" and "nodes:" in block.text]
    for text in shown:
        compile_source(text, engine())


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_that_is_shown_can_be_read(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python" and page.name != "python.md":  # whose blocks are signatures
            ast.parse(block.text)
