"""Both engines, for tests of what does not depend on the engine."""

from __future__ import annotations

import pytest

from pointsman.expr import Engine, engine


@pytest.fixture(scope="session", params=["cel-cpp", "cel-python"])
def cel(request: pytest.FixtureRequest) -> Engine:
    """One engine after the other."""
    return engine(request.param)


@pytest.fixture(scope="session")
def engines() -> tuple[Engine, Engine]:
    """Both engines at once."""
    return engine("cel-cpp"), engine("cel-python")
