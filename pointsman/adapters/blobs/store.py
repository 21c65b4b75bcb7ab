"""BlobStore on obstore: a directory, memory, or any bucket that obstore reaches, by URL."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from pointsman.base.errors import ServerUnavailable
from pointsman.ports.blob_store import BlobMissing
from pointsman.protocol.output import BLOB_SCHEME

if TYPE_CHECKING:
    from obstore.store import RetryConfig

FAILED: Final = (BaseError, OSError)
"""What obstore raises."""
_RETRIES: Final[RetryConfig] = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
"""obstore would try for three minutes; who calls has a run waiting and tries again by itself."""


class ObjectBlobStore:
    """The adapter of `pointsman.ports.blob_store.BlobStore`.

    Threads of ours, not obstore's async functions: a thread of theirs still touches Python objects after it has handed
    over a result, and a process that ends in that moment is aborted (one of four that end right after).

    Blobs lie at `<two hexadecimal digits>/<sha256>` below the URL. What a store raises that is not `BlobMissing` is
    `ServerUnavailable`, SRV030.
    """

    def __init__(self, url: str, store: ObjectStore) -> None:
        self._url = url
        self._store = store

    async def put(self, data: bytes) -> str:
        """Store bytes. Bytes that are there already are written again: a sweep spares what is young."""
        digest = hashlib.sha256(data).hexdigest()
        try:
            await asyncio.to_thread(obstore.put, self._store, _path(digest), data)
        except FAILED as why:
            raise unavailable(self._url, why) from why
        return f"{BLOB_SCHEME}{digest}"

    async def get(self, ref: str) -> bytes:
        """Load bytes.

        Raises:
            BlobMissing: SRV031 there is no such blob; SRV032 what is there is not what was stored.
        """
        digest = ref.removeprefix(BLOB_SCHEME)
        try:
            data = await asyncio.to_thread(self._load, digest)
        except FileNotFoundError:
            raise BlobMissing(
                "SRV031",
                f"blob {digest} is not in {self._url}, so what needs it cannot go on. Restore it from a backup, or "
                "name the store it was written to in POINTSMAN_BLOB_URL.",
            ) from None
        except FAILED as why:
            raise unavailable(self._url, why) from why
        if hashlib.sha256(data).hexdigest() != digest:
            raise BlobMissing(
                "SRV032",
                f"blob {digest} in {self._url} holds other bytes than were stored under that name, so it was not "
                "used. Restore it from a backup.",
            )
        return data

    def _load(self, digest: str) -> bytes:
        return bytes(obstore.get(self._store, _path(digest)).bytes())


def open_blobs(url: str) -> ObjectBlobStore:
    """The store that a URL names: `file://` (the directory is made), `memory://`, `s3://`, `gs://`, `az://`.

    Credentials of buckets come from where their vendors' own tools look for them.

    Raises:
        ServerUnavailable: SRV030, not retryable: no store of that kind, or the directory cannot be made.
    """
    return ObjectBlobStore(url, open_store(url))


def open_store(url: str) -> ObjectStore:
    """What `open_blobs` stands on. Raises as that does."""
    try:
        return _opened(url)
    except FAILED as why:
        error = unavailable(url, why)
        error.retryable = False
        raise error from why


def _opened(url: str) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(url2pathname(parts.path), mkdir=True)
    if parts.scheme == "memory":
        return MemoryStore()
    return from_url(url, retry_config=_RETRIES)


def _path(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


def unavailable(url: str, why: Exception) -> ServerUnavailable:
    """The error for what a store raised."""
    # obstore appends pages of debugging to its messages.
    told = str(why).partition("\n")[0]
    return ServerUnavailable(
        "SRV030",
        f"the blob store {url} cannot be used: {told}. Nothing that needs it was done. Correct POINTSMAN_BLOB_URL, its "
        "credentials or its rights.",
    )
