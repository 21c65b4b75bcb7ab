"""An engine is chosen once, compiles each expression once, and loads nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import pointsman.expr.engines
from pointsman.base.errors import ExpressionError
from pointsman.expr import Engine, Limits, engine


def test_an_engine_says_which_one_it_is_and_its_version() -> None:
    assert engine("cel-cpp").name == f"cel-cpp-{version('cel-expr-python')}"
    assert engine("cel-python").name == f"cel-python-{version('cel-python')}"
    assert engine().name == engine("cel-cpp").name


def test_an_expression_is_compiled_once_per_engine(cel: Engine) -> None:
    # Given an expression that was compiled, when the same text comes again
    first, again = cel.compile("output.score > 1"), cel.compile("output.score > 1")
    # Then it is the same expression; another engine has its own
    assert first is again
    assert engine("cel-cpp").compile("output.score > 1") is not first
    assert repr(first) == "Expression('output.score > 1')"


def test_an_engine_forgets_what_was_not_used_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an engine that remembers two expressions
    monkeypatch.setattr(pointsman.expr.engines, "REMEMBERED", 2)
    cel = engine()
    first, second = cel.compile("1 + 1"), cel.compile("2 + 2")
    # When a third comes after the first was used again
    assert cel.compile("1 + 1") is first
    cel.compile("3 + 3")
    # Then the second is compiled anew, the first is still there
    assert cel.compile("1 + 1") is first
    assert cel.compile("2 + 2") is not second


def test_a_bad_expression_is_refused_every_time(cel: Engine) -> None:
    for _ in range(2):
        with pytest.raises(ExpressionError, match="CEL001"):
            cel.compile("1 +")


def test_limits_can_be_given_to_an_engine() -> None:
    cel = engine(limits=Limits(steps=2))
    assert cel.compile("[1, 2].all(x, true)").evaluate({}) is True
    with pytest.raises(ExpressionError, match="CEL008"):
        cel.compile("[1, 2, 3].all(x, true)").evaluate({})


def test_the_other_engine_is_taken_where_cel_cpp_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a machine without cel-cpp
    monkeypatch.setattr(pointsman.expr.engines, "find_spec", lambda name: None if name == "cel_expr_python" else name)
    # When an engine is made, then it is cel-python, unless cel-cpp was asked for
    assert engine().name.startswith("cel-python-")
    with pytest.raises(ExpressionError) as caught:
        engine("cel-cpp")
    assert caught.value.code == "CEL013"


def test_cel_python_is_not_loaded_beside_cel_cpp() -> None:
    # Given a process that evaluates with cel-cpp
    evaluate = "from pointsman.expr import engine; engine().compile('1 == 1.0').test({})"
    program = f"{evaluate}; import sys; print('celpy' in sys.modules)"
    # When it looks at what was imported, then the other engine is not among it: it would cost 200 ms and 21 MB
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )
