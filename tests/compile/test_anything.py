"""Whatever it is given, the compiler compiles it or says what is wrong; nothing else comes out of it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.base.codes import CODES
from pointsman.base.errors import InvalidDefinition, Problem
from pointsman.compile import compile_source, decompile
from pointsman.definition import (
    BranchForm,
    BranchRule,
    Definition,
    Edge,
    JoinForm,
    LimitsForm,
    LoopForm,
    Metadata,
    Node,
    RetryForm,
)
from pointsman.plan import Plan
from tests.compile.compiling import ENGINE, plan_of
from tests.support.definitions import CONDITIONS, definitions

SCALARS = [
    None,
    True,
    0,
    1,
    -1,
    2.5,
    "",
    "x",
    "any",
    "loop",
    "wait",
    "error",
    "${ctx.n1.output}",
    "ctx.n0.output.x > 1",
]
PARTS: list[Any] = [
    [],
    {},
    [1],
    [None],
    {"type": "cel", "expression": "true"},
    {"mode": "n", "count": 2},
    {"id": "n0", "type": "f"},
    {"from": "n0", "to": "n1"},
    {"condition": CONDITIONS[0], "max_iterations": 2, "loop_back_to": "n0"},
]
PIECES = st.sampled_from([*SCALARS, *PARTS, *(f"n{place}" for place in range(8))]).map(deepcopy)
FORMS = (Definition, Node, Edge, LoopForm, BranchForm, BranchRule, RetryForm, JoinForm, Metadata, LimitsForm)
KEYS = st.sampled_from(sorted({field.alias or name for form in FORMS for name, field in form.model_fields.items()}))


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A definition in which a few values were replaced, removed, added or repeated."""
    document: Any = deepcopy(draw(definitions(ENGINE, nodes=6, depth=2, references=True, spellings=True)))
    for _ in range(draw(st.integers(1, 4))):
        inner = document
        while isinstance(inner, (dict, list)) and inner:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            key = draw(st.sampled_from(keys))
            if not isinstance(inner[key], (dict, list)) or draw(st.integers(0, 3)) == 3:
                _spoil(draw, inner, key)
                break
            inner = inner[key]
    return document


def _spoil(draw: st.DrawFn, inner: Any, key: Any) -> None:
    match draw(st.integers(0, 3)):
        case 0:
            inner[key] = draw(PIECES)
        case 1:
            del inner[key]
        case 2 if isinstance(inner, dict):
            inner[draw(KEYS)] = draw(PIECES)
        case 2:
            inner.insert(key, draw(PIECES))
        case _:
            inner[key] = deepcopy(draw(st.sampled_from(list(inner.values()) if isinstance(inner, dict) else inner)))


@settings(max_examples=250, deadline=None)
@given(spoilt())
def test_any_document_is_compiled_or_refused_with_its_problems(document: Any) -> None:
    # Given a definition with faults at random
    before = deepcopy(document)
    # When it is compiled
    outcome = compiled_or_refused(document)
    # Then either its plan survives decompiling, or each problem has a code with a page, and a pointer
    if isinstance(outcome, Plan):
        assert plan_of(decompile(outcome)) == outcome
    else:
        assert outcome
        assert all(problem.code in CODES and problem.pointer[:1] in ("", "/") for problem in outcome)
    assert document == before


def compiled_or_refused(document: Any) -> Plan | tuple[Problem, ...]:
    try:
        return compile_source(document, ENGINE)[1].plan
    except InvalidDefinition as wrong:
        return wrong.problems
