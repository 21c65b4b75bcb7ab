"""Admission: a run is started when its tasks will be taken soon; until then it waits in Postgres, where it is cheap."""

from __future__ import annotations

from collections.abc import Collection

from pointsman.ports.congestion import Congestion


class Admission:
    """Says whether a run may start, by how many tasks wait on the streams that its first ones go to.

    So what runs already never has more than so many tasks of others before it, however many runs were accepted.
    """

    def __init__(self, congestion: Congestion, most_unread: int) -> None:
        self._congestion = congestion
        self._most_unread = most_unread

    async def admits(self, types: Collection[str]) -> bool:
        """Whether tasks of these types may be added to those that wait."""
        return await self._congestion.unread(types) < self._most_unread
