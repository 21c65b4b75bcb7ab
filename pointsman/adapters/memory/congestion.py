"""What stands unread in a `MemoryServer`. Nothing limits its memory but what a test says."""

from __future__ import annotations

from collections.abc import Collection

from pointsman.adapters.memory.server import MemoryServer


class MemoryCongestion:
    """The adapter of `pointsman.ports.congestion.Congestion`; the docstrings there hold here."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server

    async def memory(self) -> float:
        """What the server says it uses."""
        return self._server.memory

    async def unwritten(self) -> int:
        """Events on their stream."""
        return len(self._server.events)

    async def unread(self, types: Collection[str]) -> int:
        """Tasks that no worker has taken yet."""
        streams = [self._server.tasks[name] for name in types if name in self._server.tasks]
        return max((len(stream.entries) - len(stream.held) for stream in streams), default=0)
