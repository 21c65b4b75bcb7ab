"""The version of what runs are made of, so that releases can work side by side on the same ones."""

from __future__ import annotations

from typing import Final

from pointsman.base.errors import PointsmanError

PROTOCOL: Final = 1
"""
Raised when a release decides or keeps something in a way that the one before would misread. A run keeps the version it
was started with to its end: every release steps what an earlier one has started, and leaves alone what a later one has.
"""


class ReleaseTooOld(PointsmanError):
    """What was read is of a later version than this release knows."""

    retryable = True


def must_know(version: int, what: str) -> None:
    """Raise `ReleaseTooOld` RUN009 where `what` is of a version that this release does not know."""
    if version > PROTOCOL:
        raise ReleaseTooOld(
            "RUN009",
            f"{what} is of protocol {version}, this release knows up to {PROTOCOL}; it was left alone. A process of a "
            "newer release takes it; or upgrade this one.",
        )
