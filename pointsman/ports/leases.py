"""Leases: which process of a role serves which partition, for a few seconds at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal, Protocol

Role = Literal["coordinator", "supervisor"]
Release = tuple[int, int]
"""What a release understands, at most: the protocol of runs, and the format of plans."""

TTL_MS: Final = 3_000
"""How long a lease, and a membership, lasts after it was renewed."""
RENEW_EVERY_MS: Final = 1_000
"""How often they are renewed, and looked at."""


class Leases(Protocol):
    """The leases of one role as one of its processes sees them.

    A lease keeps two processes from doing the same work; it is no lock: what must not happen twice rests on
    compare-and-set. Partitions whose server cannot be asked in time are left out of answers.
    """

    @property
    def me(self) -> str:
        """This process, by the name that the others know it by."""
        ...

    async def join(self, release: Release) -> Mapping[str, Release]:
        """Be a member of that release for another `TTL_MS`; all there are, each with its own. Raises
        `ServerUnavailable`."""
        ...

    async def leave(self) -> None:
        """Be a member no more: what this process still holds is for the others. Raises `ServerUnavailable`."""
        ...

    async def holders(self, partitions: Collection[int]) -> dict[int, str | None]:
        """Who holds these partitions; None where nobody does."""
        ...

    async def hold(self, partitions: Collection[int]) -> dict[int, str]:
        """Take those that nobody holds and renew those of its own, for `TTL_MS` from now; who holds each then."""
        ...

    async def release(self, partitions: Collection[int]) -> None:
        """Give up those of its own, and let the others know. What cannot be given up ends by itself."""
        ...

    async def changed(self, within_ms: int) -> None:
        """Wait until a member has come or gone or released something, or that long. Raises `ServerUnavailable`."""
        ...
