"""One system for all tests here; each finds it whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.integration.caller import Caller, calling
from tests.integration.system import System
from tests.support.topology import Topology


@pytest.fixture(scope="package")
def shared_system(topology: Topology) -> Iterator[System]:
    """The processes, started once on each kind of Redis."""
    with TemporaryDirectory(prefix="pointsman-test-") as folder, System(Path(folder), topology) as system:
        yield system


@pytest.fixture
def system(shared_system: System) -> Iterator[System]:
    """The system; what a test kills or adds is put right after it."""
    yield shared_system
    shared_system.restore()


@pytest.fixture
async def caller(system: System) -> AsyncIterator[Caller]:
    """A user of the system."""
    async with calling(system) as caller:
        yield caller
