"""Ids that the API makes up."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from pointsman.base.ids import Millis, RunId
from pointsman.ports.run_index import Request

_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHANCE_BITS: Final = 80


def new_run_id(now: Millis) -> RunId:
    """A run id nobody has: `run_` and a ULID, so that ids sort by age."""
    return RunId(f"run_{_ulid(now)}")


def keyed_run_id(request: Request) -> RunId:
    """The id of the run that a request with a key makes: sent again, it finds that run."""
    digest = hashlib.sha256("\0".join(request).encode()).digest()
    return RunId(f"run_{_digits(int.from_bytes(digest[:16]))}")


def new_fleet_edit_id(now: Millis) -> str:
    """An id for an edit of many runs, made likewise."""
    return f"edit_{_ulid(now)}"


def _ulid(now: Millis) -> str:
    number = now << _CHANCE_BITS | secrets.randbits(_CHANCE_BITS)
    return _digits(number)


def _digits(number: int) -> str:
    return "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))
