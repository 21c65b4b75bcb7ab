"""Both servers, stopped whatever the test does to them, and disks that are soon full."""

from __future__ import annotations

import os
import subprocess
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


class SmallDisk:
    """A file system of its own, of a few megabytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, leave: int) -> None:
        """Take all room but `leave` bytes."""
        free = os.statvfs(self.path)
        with self._filler.open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, free.f_bavail * free.f_bsize - leave)

    def make_room(self) -> None:
        """Give back what `fill` took."""
        self._filler.unlink()


Mount = Callable[[int], SmallDisk]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a small disk of so many MiB; whatever else the test uses ends before the disk does."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount_disk(mebibytes: int) -> SmallDisk:
        command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(disk)]
        refused = subprocess.run(command, capture_output=True, text=True).stderr
        if refused:
            pytest.skip(f"this account may not mount a small file system: {refused.strip()}")
        return SmallDisk(disk)

    yield mount_disk
    if disk.is_mount():
        subprocess.run(["umount", disk], check=True)
