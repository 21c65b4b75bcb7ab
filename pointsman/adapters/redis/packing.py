"""Commands as bytes for the wire. hiredis does the work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import hiredis

Argument = str | bytes | int
Command = tuple[Argument, ...]


def pack(commands: Iterable[Command]) -> bytes:
    """Whole commands, one after the other."""
    return b"".join([_packed(command) for command in commands])


def pack_arguments(*args: Argument) -> bytes:
    """A part of a command: its arguments without the count that stands before them all."""
    command = _packed(args)
    return command[command.index(b"\n") + 1 :]


def pack_call(sha: bytes, known: int, packed_keys: bytes, keys: Sequence[str], args: Sequence[Argument]) -> bytes:
    """EVALSHA with `known` keys that are packed already, further keys and arguments."""
    numkeys = b"%d" % (known + len(keys))
    rest = _packed((*keys, *args))
    head = b"*%d\r\n$7\r\nEVALSHA\r\n$40\r\n%b\r\n$%d\r\n%b\r\n" % (
        3 + known + len(keys) + len(args),
        sha,
        len(numkeys),
        numkeys,
    )
    return b"".join((head, packed_keys, rest[rest.index(b"\n") + 1 :]))


def _packed(command: Command) -> bytes:
    # The stub of hiredis says "a tuple of one".
    return cast(bytes, hiredis.pack_command(command))  # type: ignore[arg-type]
