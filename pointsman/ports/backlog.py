"""Backlog: what stands on the streams and is not finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class TaskBacklog(NamedTuple):
    """The unfinished tasks of one type."""

    type: str
    entries: int
    unread: int
    """Those among them that no worker has taken yet."""
    is_served: bool
    """Whether a registered worker of the type is alive, or an unregistered one holds something."""


class Backlog(Protocol):
    """The streams of a store, measured."""

    async def streams(self) -> Mapping[str, int]:
        """Unfinished entries of each stream but those of tasks."""
        ...

    async def tasks(self) -> Sequence[TaskBacklog]:
        """The backlog of each task type there ever was."""
        ...
