"""A terminal for programs that draw on one."""

from __future__ import annotations

import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from fcntl import ioctl
from typing import NamedTuple

ROWS, COLUMNS = 40, 100


class Screen(NamedTuple):
    """What a program wrote to its terminal, control sequences included, and how it ended."""

    code: int
    text: str


def on_a_terminal(command: Sequence[str], environment: Mapping[str, str]) -> Screen:
    """Run a program with a terminal for its output, to its end."""
    ours, its = pty.openpty()
    ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, env={**environment, "TERM": "xterm-256color"}, close_fds=True
    )
    os.close(its)
    chunks = []
    try:
        while chunk := os.read(ours, 65_536):
            chunks.append(chunk)
    except OSError:
        pass  # On Linux that is how the end of a terminal reads.
    os.close(ours)
    return Screen(process.wait(), b"".join(chunks).decode())
