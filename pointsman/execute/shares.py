"""Who serves which partition: a fair share each, and what is held stays where it is as far as that allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from pointsman.ports.leases import Release


class Change(NamedTuple):
    """What one process does now towards its share. At most one of the two has anything in it."""

    take: list[int]
    """Partitions that nobody holds."""
    release: list[int]
    """Partitions of its own, for others."""


def shares(me: str, members: Collection[str], holders: Mapping[int, str | None]) -> Change:
    """Say what `me` takes and releases, so that each member comes to hold an equal share of the partitions, give or
    take one, and who is none holds nothing.

    Every member follows it by what it sees, and they end in agreement: whoever holds most keeps the odd partitions, who
    holds too many releases, who holds too few takes what is free, each another part of it. Nobody takes what another
    holds, a member or not: two views that differ cost a round.

    Args:
        me: A process.
        members: The live processes that are to serve, at least one; `me` among them or not.
        holders: Of every partition, who holds it now; None where nobody does.
    """
    held = Counter(holder for holder in holders.values() if holder is not None)
    own = [number for number in sorted(holders) if holders[number] == me]
    if me not in members:
        return Change([], own)
    lacking: list[tuple[str, int]] = []
    for name, quota in _quotas(members, held, len(holders)).items():
        if name == me and held[me] > quota:
            return Change([], own[quota:])
        if held[name] < quota:
            lacking.append((name, quota - held[name]))
    free = [number for number in sorted(holders) if holders[number] is None]
    for name, count in sorted(lacking):
        if name == me:
            return Change(free[:count], [])
        free = free[count:]
    return Change([], [])


def _quotas(members: Collection[str], held: Mapping[str, int], partitions: int) -> dict[str, int]:
    """How many partitions each member shall have; the odd ones stay with those who hold most."""
    each, odd = divmod(partitions, len(members))
    ranked = sorted(members, key=lambda name: (-held.get(name, 0), name))
    return {name: each + (rank < odd) for rank, name in enumerate(ranked)}


def newest(members: Mapping[str, Release]) -> frozenset[str]:
    """Those members that understand most: for as long as they are there, the others, to whom a run may be too new,
    stand by."""
    best = max(members.values())
    return frozenset(name for name, release in members.items() if release == best)


def are_at_rest(members: Collection[str], holders: Mapping[int, str | None]) -> bool:
    """Whether the partitions are shared out: none of these members would take or release any."""
    held = Counter(holders.values())
    quotas = _quotas(members, {name: held[name] for name in members}, len(holders))
    return all(held[name] == quota for name, quota in quotas.items())
