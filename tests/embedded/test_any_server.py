"""What holds for every embedded server."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL

import psutil
import pytest

from pointsman.base.errors import ServerUnavailable
from pointsman.embedded import launch
from pointsman.embedded import server as server_module
from pointsman.embedded.server import EmbeddedServer
from tests.embedded.conftest import MakeServer, Mount
from tests.support.waiting import eventually_sync

Kind = type[EmbeddedServer]

OWNER = """
import json, sys
from pathlib import Path
from pointsman.embedded.postgres import EmbeddedPostgres
from pointsman.embedded.redis import EmbeddedRedis

servers = [EmbeddedRedis(Path(sys.argv[1]) / "redis"), EmbeddedPostgres(Path(sys.argv[1]) / "postgres")]
for server in servers:
    server.start()
print(json.dumps([server.pid for server in servers]), flush=True)
sys.stdin.read()
"""


def test_a_server_can_be_started_and_stopped_over_and_over(kind: Kind, make: MakeServer, tmp_path: Path) -> None:
    # Given a server that was never started
    server = make(kind, tmp_path)
    server.stop()
    # When it is started and stopped, each more often than needed
    seen = []
    for _ in range(3):
        server.start()
        server.start()
        seen.append((server.running, psutil.pid_exists(server.pid)))
        server.stop()
        server.stop()
        seen.append((server.running, _is_alive(server.pid)))
    # Then it runs and does not run, in turn
    assert seen == [(True, True), (False, False)] * 3


def test_a_picked_port_stays_the_same_over_restarts(kind: Kind, make: MakeServer, tmp_path: Path) -> None:
    server = make(kind, tmp_path)
    server.start()
    port = server.port
    server.restart()
    server.kill()
    server.start()
    assert server.port == port


def test_nothing_listens_beyond_the_loopback_address(kind: Kind, make: MakeServer, tmp_path: Path) -> None:
    server = make(kind, tmp_path)
    server.start()
    listening = [tuple(c.laddr) for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert [address for address in listening if address[1] == server.port] == [("127.0.0.1", server.port)]


def test_a_taken_port_is_named_and_nothing_is_started(kind: Kind, make: MakeServer, tmp_path: Path) -> None:
    # Given somebody who listens
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = make(kind, tmp_path, port=port)
        # When a server is to listen there
        with pytest.raises(ServerUnavailable) as refused:
            server.start()
    # Then the port is named, in one line
    assert str(refused.value) == (
        f"SRV021 embedded {kind.name}: port {port} on 127.0.0.1 is taken by another process. The server was not "
        "started. Stop that process, or choose another port."
    )
    assert not server.running


def test_a_picked_port_that_somebody_was_quicker_to_take_is_given_up(
    kind: Kind, make: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a free port that is taken before the server gets there
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        free = server_module._free_port()
        picks = iter([other.getsockname()[1], free])
        monkeypatch.setattr(server_module, "_free_port", lambda: next(picks))
        # When a server is started that may have any port
        server = make(kind, tmp_path)
        server.start()
    # Then it has another
    assert server.port == free


def test_a_directory_in_use_is_refused_with_its_user(kind: Kind, make: MakeServer, tmp_path: Path) -> None:
    # Given another process that runs both servers
    with _owner(tmp_path) as (owner, _):
        directory = tmp_path / kind.name.lower()
        # When we start one on the same directory
        with pytest.raises(ServerUnavailable) as refused:
            make(kind, directory).start()
    # Then that process is named
    assert str(refused.value) == (
        f"SRV027 embedded {kind.name}: {directory} is in use by process {owner.pid}, and two servers on one directory "
        "would destroy it. This one was not started. Stop the other, or choose another data directory."
    )


def test_a_path_that_cannot_be_written_is_refused(kind: Kind, make: MakeServer, tmp_path: Path) -> None:
    # Given a file where the directory should be
    (tmp_path / "file").write_text("")
    directory = tmp_path / "file" / "data"
    # When a server is started there
    with pytest.raises(ServerUnavailable) as refused:
        make(kind, directory).start()
    # Then the path and the reason are named
    assert str(refused.value) == (
        f"SRV022 embedded {kind.name}: cannot write to {directory} (Not a directory). The server was not started. Give "
        "this account the right to write there, or choose another data directory."
    )


def test_a_full_disk_is_found_before_the_start(kind: Kind, mount: Mount, make: MakeServer) -> None:
    # Given a file system smaller than any server needs
    directory = mount(1).path / "data"
    # When a server is started on it
    server = make(kind, directory)
    with pytest.raises(ServerUnavailable) as refused:
        server.start()
    # Then it says so, in one line
    assert str(refused.value) == (
        f"SRV023 embedded {kind.name}: no room left in {directory} (No space left on device). The server was not "
        "started; what is stored there is unharmed. Free some space, or choose another data directory."
    )
    assert not server.running


def test_a_limit_on_file_size_is_found_before_the_start(kind: Kind, make: MakeServer, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    try:
        with pytest.raises(ServerUnavailable, match=r"^SRV023 .* \(File too large\)"):
            make(kind, tmp_path).start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_servers_end_when_their_owner_is_killed_and_can_be_started_again(
    kind: Kind, make: MakeServer, tmp_path: Path
) -> None:
    # Given a process that runs both servers
    with _owner(tmp_path) as (owner, pids):
        # When it is killed in a way that it cannot answer
        owner.send_signal(SIGKILL)
        owner.wait()
    # Then its data is free for us at once, and soon nothing of the old ones is left
    make(kind, tmp_path / kind.name.lower()).start()
    eventually_sync(lambda: not any(_is_alive(pid) for pid in pids))


@pytest.mark.skipif(os.getuid() != 0, reason="every other test here is this one already")
def test_servers_started_by_root_run_for_a_normal_user_too(tmp_path: Path) -> None:
    # Given a directory of a normal user's (who may pass root's closed directories, as this interpreter may be in one)
    directory = tmp_path / "theirs"
    directory.mkdir()
    os.chown(directory, 65534, 65534)
    become = [sys.executable, launch.__file__, str(os.getpid()), str(int(SIGKILL)), "65534", "65534"]
    # When that user starts both servers
    with _owner(directory, become) as (_, pids):
        uids = [psutil.Process(pid).uids().effective for pid in pids]
    # Then both run as that user
    assert uids == [65534, 65534]


@contextmanager
def _owner(directory: Path, become: list[str] | None = None) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Another process that starts both servers, with their process ids; it ends at the end of its input."""
    command = [*(become or []), sys.executable, "-c", OWNER, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        yield owner, json.loads(owner.stdout.readline())


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
