"""Compiling what was partly compiled before: the same plans, warnings and problems, whatever is known already."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.base.errors import InvalidDefinition, Problem
from pointsman.compile import Known, compile_source
from pointsman.definition import Definition, Forms
from pointsman.plan import Plan, PlanWriter, decode_plan, encode_plan
from tests.compile.compiling import ENGINE
from tests.compile.test_anything import spoilt
from tests.support.definitions import definitions

ANY = st.one_of(spoilt(), definitions(ENGINE, nodes=8, depth=2, references=True, spellings=True))


@settings(max_examples=80, deadline=None)
@given(st.lists(ANY, min_size=1, max_size=4))
def test_a_definition_compiles_alike_whatever_was_compiled_before_it(documents: list[Any]) -> None:
    # Given one compiler's knowledge, and definitions, right and wrong, many of whose parts say the same
    known, write = Known(ENGINE), PlanWriter()
    for document in [*documents, *documents]:
        # When each is compiled with what is known by then
        outcome = told(document, known)
        # Then it comes to what it comes to alone, and its plan is written as it is alone
        assert outcome == told(document, None)
        if isinstance(outcome[0], Plan):
            assert write(outcome[0]) == encode_plan(outcome[0])
            assert decode_plan(write(outcome[0])) == outcome[0]


def test_parts_that_are_equal_in_python_alone_are_read_apart() -> None:
    # Given nodes whose configs differ as JSON, and are equal as Python values
    nodes = [{"id": "a", "type": "f", "config": config} for config in (1, 1.0, True)]
    known = Forms()
    # When they are read one after the other by one reader
    configs = [known.read({"nodes": [node]}).nodes[0].config for node in nodes]
    # Then each keeps its own
    assert [repr(config) for config in configs] == ["1", "1.0", "True"]


def test_forms_forget_those_that_were_not_read_for_longest() -> None:
    # Given room for about two forms
    known = Forms(most_bytes=4_200)
    one, two, three = ({"nodes": [{"id": name, "type": "f"}]} for name in "abc")
    first = known.read(one).nodes[0]
    known.read(two)
    # When the first is read again, and then a third
    assert known.read(one).nodes[0] is first
    second = known.read(two).nodes[0]
    known.read(three)
    # Then the first is forgotten, and the second is not
    assert known.read(two).nodes[0] is second
    assert known.read(one).nodes[0] is not first
    assert known.read(one) == Definition.model_validate(one)


def told(document: Any, known: Known | None) -> tuple[Plan | None, tuple[Problem, ...]]:
    """The plan and the warnings of a definition, or its problems."""
    try:
        compiled = compile_source(document, ENGINE, known=known)[1]
    except InvalidDefinition as wrong:
        return None, wrong.problems
    return compiled.plan, compiled.warnings
