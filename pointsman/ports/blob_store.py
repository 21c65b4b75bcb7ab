"""BlobStore: outputs too large for Redis, named by their content."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pointsman.base.errors import PointsmanError
from pointsman.base.ids import Millis


class StoredBlob(NamedTuple):
    """A blob in the store."""

    digest: str
    written_at: Millis
    """By the store's clock; writing it again counts."""


class BlobMissing(PointsmanError):
    """A reference to a blob that the store does not hold."""


class BlobStore(Protocol):
    """Content-addressed bytes. Writing the same bytes again changes nothing."""

    async def put(self, data: bytes) -> str:
        """Store bytes; the reference is `blob://<sha256>`."""
        ...

    async def get(self, ref: str) -> bytes:
        """Load bytes. Raises `BlobMissing` where there are none of that name."""
        ...
