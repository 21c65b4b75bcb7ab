"""A stream with one consumer group, as much of one as Pointsman uses."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

Content = TypeVar("Content")


class Held(NamedTuple):
    """Who was given an entry, and when."""

    consumer: str
    since_ms: int


class Stream(Generic[Content]):
    """Entries in order, each with the consumer it was given to until it is acknowledged."""

    def __init__(self) -> None:
        self.entries: dict[str, Content] = {}
        self.held: dict[str, Held] = {}
        self._last = 0
        self._unread: list[str] = []

    def add(self, content: Content) -> str:
        """Append an entry; its id."""
        self._last += 1
        name = f"{self._last}-0"
        self.entries[name] = content
        self._unread.append(name)
        return name

    def read(self, consumer: str, count: int, now_ms: int) -> list[tuple[str, Content]]:
        """Give a consumer what nobody was given."""
        names, self._unread = self._unread[:count], self._unread[count:]
        return [self._give(name, consumer, now_ms) for name in names if name in self.entries]

    def claim(self, consumer: str, min_idle_ms: int, count: int, now_ms: int) -> list[tuple[str, Content]]:
        """Give a consumer what others have held for long."""
        idle = [name for name, held in self.held.items() if now_ms - held.since_ms >= min_idle_ms]
        return [self._give(name, consumer, now_ms) for name in idle[:count]]

    def remove(self, name: str) -> bool:
        """Acknowledge and delete an entry; whether it was held."""
        self.entries.pop(name, None)
        return self.held.pop(name, None) is not None

    def _give(self, name: str, consumer: str, now_ms: int) -> tuple[str, Content]:
        self.held[name] = Held(consumer, now_ms)
        return name, self.entries[name]
