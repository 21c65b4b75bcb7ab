"""Which fault strikes whom and when: a function of the seed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import Final, Literal, NamedTuple

KindName = Literal["kill", "freeze", "restart", "refuse", "stall", "reset", "flush", "wipe"]
SERVERS: Final = ("redis", "postgres")
BEYOND: Final = ">"
"""Stands between a process and the server it is cut off from: `worker2>redis`."""


class Kind(NamedTuple):
    """A sort of fault: what it may strike, and how long it lasts, in seconds."""

    strikes: Literal["anything", "ways", "redis"]
    least: float
    most: float


KINDS: Final[Mapping[KindName, Kind]] = {
    # SIGKILL; started again after a while.
    "kill": Kind("anything", 0.0, 1.5),
    # SIGSTOP, then SIGCONT: longer than leases, the idle time of signals, and the lock of the journal's writer.
    "freeze": Kind("anything", 0.2, 3.0),
    # SIGTERM; started again as soon as it has ended.
    "restart": Kind("anything", 0.0, 0.3),
    "refuse": Kind("ways", 0.2, 2.5),
    "stall": Kind("ways", 0.2, 2.5),
    "reset": Kind("ways", 0.0, 0.0),
    # FLUSHALL.
    "flush": Kind("redis", 0.0, 0.0),
    # SIGKILL, and the volume is gone when it is started again.
    "wipe": Kind("redis", 0.0, 1.5),
}


class Fault(NamedTuple):
    """One fault to come."""

    at_s: float
    kind: KindName
    target: str
    lasts_s: float

    @property
    def name(self) -> str:
        """What it is counted under: `kill coordinator`, `stall worker>redis`."""
        return f"{self.kind} {''.join(letter for letter in self.target if not letter.isdecimal())}"


def schedule(seed: int, seconds: float, per_s: float, among: Sequence[str], kinds: Collection[KindName]) -> list[Fault]:
    """Faults over so many seconds, striking processes and servers `among` these; none what another still holds."""
    chance = Random(f"faults {seed}")
    held: dict[str, float] = {}
    found: list[Fault] = []
    for number in range(round(seconds * per_s)):
        at_s = (number + chance.random()) / per_s
        kind = chance.choice(sorted(kinds))
        target = chance.choice(targets(kind, among))
        lasts_s = round(chance.uniform(KINDS[kind].least, KINDS[kind].most), 3)
        if at_s < held.get(stand_in(target), 0):
            continue
        # A second more than it lasts: what was struck shall be at work again before it is struck anew.
        held[stand_in(target)] = at_s + lasts_s + 1
        found.append(Fault(round(at_s, 3), kind, target, lasts_s))
    return found


def targets(kind: KindName, among: Sequence[str]) -> list[str]:
    """All that a kind of fault may strike."""
    match KINDS[kind].strikes:
        case "anything":
            return list(among)
        case "ways":
            servers = [name for name in among if is_server(name)]
            processes = [name for name in among if not is_server(name)]
            return [f"{name}{BEYOND}{server}" for name in processes for server in servers if _has(name, server)]
        case "redis":
            return [name for name in among if is_redis(name)]


def is_server(name: str) -> bool:
    """Whether that is a server, and no process of ours."""
    return name == "postgres" or is_redis(name)


def is_redis(name: str) -> bool:
    """Whether that is Redis, or one of the servers that it is made of."""
    return name.startswith("redis")


def stand_in(target: str) -> str:
    """What is struck by one fault at a time: of two APIs, one is there to be asked."""
    return "api" if target in ("api", "api2") else target


def _has(process: str, server: str) -> bool:
    """Whether a process talks to a server at all."""
    return is_redis(server) or not process.startswith("worker")
