"""What can be wrong with Redis, said in one line each."""

from __future__ import annotations

import re
from typing import Final

from pointsman.adapters.redis.address import Address
from pointsman.base.errors import ServerUnavailable

REPLACED: Final = "SRV015"
"""The code of `replaced`."""
_IN_SCRIPT: Final = re.compile(r": -([A-Z]+) ")
_REFUSED: Final[dict[str, tuple[str, bool, str]]] = {
    "NOAUTH": ("SRV003", False, "asks for a password and was given none. Set REDIS_PASSWORD or put it in REDIS_URL"),
    "WRONGPASS": ("SRV003", False, "refuses the user or password it was given. Correct REDIS_PASSWORD or REDIS_URL"),
    "NOPERM": ("SRV003", False, "does not allow its user what Pointsman needs. Widen the user's ACL"),
    "READONLY": ("SRV006", False, "is a read-only replica. Name the primary in REDIS_URL"),
    "OOM": (
        "SRV008",
        True,
        "has no memory left: new work is refused until running work has freed some. Raise maxmemory",
    ),
    "MISCONF": (
        "SRV009",
        True,
        "cannot write to its disk and refuses every change. Look at its log; most often the disk is full",
    ),
    "LOADING": ("SRV012", True, "is still reading its data from disk. It will be tried again"),
    "BUSY": ("SRV012", True, "is busy with a script of somebody else. It will be tried again"),
    "NOGROUP": (
        "SRV014",
        True,
        "has lost what Pointsman kept there. It will be tried again: the supervisor restores it from the journal",
    ),
    "MOVED": ("SRV017", True, "no longer serves this partition: its slot was moved. Its new node is looked for"),
    "ASK": ("SRV017", True, "is giving this partition to another node. It will be tried again"),
    "TRYAGAIN": ("SRV017", True, "is giving this partition to another node. It will be tried again"),
    "CLUSTERDOWN": ("SRV018", True, "belongs to a cluster that does not serve every slot. Bring its nodes back"),
    "MASTERDOWN": ("SRV012", True, "has lost its primary. It will be tried again"),
}


_ELSEWHERE: Final = ("MOVED ", "ASK ", "TRYAGAIN ", "CLUSTERDOWN ")


def unavailable(code: str, message: str, *, retryable: bool = True) -> ServerUnavailable:
    """The error for a server that cannot be used now, or (not `retryable`) never as it is."""
    error = ServerUnavailable(code, message)
    error.retryable = retryable
    return error


def refused(address: Address, answer: Exception) -> ServerUnavailable:
    """The error for an error that Redis answered with."""
    text = str(answer)
    # Redis 6.2 wraps what a command inside a script answered: `ERR Error running script (…): @user_script: 7: -OOM …`.
    inner = _IN_SCRIPT.search(text)
    kind = inner[1] if inner else text.partition(" ")[0]
    if "invalid password" in text or "without any password configured" in text:
        kind = "WRONGPASS"
    if kind in _REFUSED:
        code, retryable, told = _REFUSED[kind]
        return unavailable(code, f"Redis at {address} {told}. (It said: {text})", retryable=retryable)
    return unavailable("SRV011", f"Redis at {address} answered with an error nobody expects: {text}", retryable=False)


def unreachable(address: Address, why: BaseException) -> ServerUnavailable:
    """The error for a server that no connection can be made to."""
    told = getattr(why, "strerror", None) or str(why) or type(why).__name__
    return unavailable(
        "SRV001",
        f"Redis at {address} cannot be reached: {told}. Nothing was sent. Start it, or correct REDIS_URL, REDIS_HOST "
        "or REDIS_PORT.",
    )


def lost(address: Address, why: object) -> ServerUnavailable:
    """The error for a connection that ended before the answer came."""
    return unavailable(
        "SRV002",
        f"the connection to Redis at {address} was lost before it answered ({why}). Whether it did what it was asked "
        "is not known; it is safe to ask again.",
    )


def not_redis(address: Address, why: BaseException) -> ServerUnavailable:
    """The error for a server that speaks another protocol."""
    return unavailable(
        "SRV004",
        f"what listens at {address} does not speak Redis' protocol: {why}. "
        "Correct REDIS_URL, REDIS_HOST or REDIS_PORT.",
        retryable=False,
    )


def replaced(address: Address) -> ServerUnavailable:
    """The error for a request that was made for another process than the one that answers now."""
    return unavailable(
        REPLACED,
        f"Redis at {address} was started again, or replaced, since this was asked; nothing was sent, as it may hold "
        "older state. It is safe to ask again: a supervisor looks at what is missing first.",
    )


def unserved(address: Address, slot: int) -> ServerUnavailable:
    """The error for a slot of a cluster that no node serves."""
    return unavailable(
        "SRV018",
        f"the Redis Cluster that {address} belongs to has no node for slot {slot}; nothing was sent. Bring the node "
        "back, or give its slots to others.",
    )


def is_elsewhere(answer: Exception) -> bool:
    """Whether an error says that a node of a cluster does not serve what it was asked for (any more)."""
    return str(answer).startswith(_ELSEWHERE)


def closed(address: Address) -> ServerUnavailable:
    """The error for a server that lost state, or was started again, and was not opened since."""
    return unavailable(
        "SRV061",
        f"Redis at {address} is recovering: it lost state or was started again, and takes no change until a supervisor "
        "has compared it with the journal and restored what is missing. Nothing was changed. Try again in a moment; "
        "`pointsman recover` shows how far it is.",
    )


def too_slow(address: Address, seconds: float) -> ServerUnavailable:
    """The error for a server that took the request and does not answer."""
    return unavailable(
        "SRV010",
        f"Redis at {address} has not answered for {seconds:g} s; the connection was dropped. Whether it did what it "
        "was asked is not known; it is safe to ask again.",
    )
