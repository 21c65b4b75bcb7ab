"""Everything in a Redis database, byte for byte; for tests of "nothing changed"."""

from __future__ import annotations

from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.packing import Command
from pointsman.adapters.redis.records import pairs
from pointsman.adapters.redis.wire import Answer


async def read_everything(connection: Connection) -> dict[str, object]:
    """Each key with its content: lists of pairs for hashes and sorted sets, and of streams the entries and who holds
    them. When a key was touched is not part of it."""
    names: list[bytes] = sorted(await connection.ask("KEYS", "*"))
    types = await connection.ask_all([("TYPE", name) for name in names])
    return {name.decode(): await _read(connection, name, kind) for name, kind in zip(names, types, strict=True)}


async def _read(connection: Connection, name: bytes, kind: bytes) -> object:
    if kind == b"stream":
        return await _stream(connection, name)
    commands: dict[bytes, Command] = {
        b"string": ("GET", name),
        b"hash": ("HGETALL", name),
        b"list": ("LRANGE", name, 0, -1),
        b"set": ("SMEMBERS", name),
        b"zset": ("ZRANGE", name, 0, -1, "WITHSCORES"),
    }
    content = await connection.ask(*commands[kind])
    if kind == b"hash":
        return dict(pairs(content))
    return sorted(content) if kind == b"set" else content


async def _stream(connection: Connection, name: bytes) -> object:
    entries: Answer = await connection.ask("XRANGE", name, "-", "+")
    groups = [group[1] for group in await connection.ask("XINFO", "GROUPS", name)]
    held = {}
    for group in groups:
        pending = await connection.ask("XPENDING", name, group, "-", "+", 1_000_000)
        held[group] = [(entry, consumer) for entry, consumer, _, _ in pending]
    return entries, held
