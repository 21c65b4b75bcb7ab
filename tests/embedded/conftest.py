"""Both servers, stopped whatever the test does to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pointsman.embedded.postgres import EmbeddedPostgres
from pointsman.embedded.redis import EmbeddedRedis
from pointsman.embedded.server import EmbeddedServer

ServerT = TypeVar("ServerT", bound=EmbeddedServer)
MakeServer = Callable[..., Any]


@pytest.fixture
def make() -> Iterator[MakeServer]:
    """Makes a server, not started, that is stopped after the test."""
    with ExitStack() as stack:

        def make_server(kind: type[ServerT], directory: Path, **options: Any) -> ServerT:
            server = kind(directory, **options)
            stack.callback(server.stop)
            return server

        yield make_server


@pytest.fixture(params=[EmbeddedRedis, EmbeddedPostgres], ids=["redis", "postgres"])
def kind(request: pytest.FixtureRequest) -> type[EmbeddedServer]:
    """Each kind of server in turn."""
    kind: type[EmbeddedServer] = request.param
    return kind
