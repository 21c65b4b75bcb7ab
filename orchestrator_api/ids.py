"""Ids that the API makes up."""

from __future__ import annotations

import secrets
from typing import Final

from pointsman.base.ids import Millis, RunId

_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHANCE_BITS: Final = 80


def new_run_id(now: Millis) -> RunId:
    """A run id nobody has: `run_` and a ULID, so that ids sort by age."""
    number = now << _CHANCE_BITS | secrets.randbits(_CHANCE_BITS)
    return RunId("run_" + "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5)))
