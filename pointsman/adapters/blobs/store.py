"""BlobStore on obstore: a directory, memory, or any bucket that obstore reaches, by URL."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Millis
from pointsman.ports.blob_store import BlobMissing, StoredBlob
from pointsman.protocol.output import BLOB_SCHEME

if TYPE_CHECKING:
    from obstore.store import RetryConfig

FAILED: Final = (BaseError, OSError)
"""What obstore raises."""
_ASIDE: Final = "discarded"
_BLOB: Final = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})")
_DISCARDED: Final = re.compile(rf"{_ASIDE}/([0-9a-f]{{64}})")
_RETRIES: Final[RetryConfig] = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
"""obstore would try for three minutes; who calls has a run waiting and tries again by itself."""


class ObjectBlobStore:
    """The adapter of `pointsman.ports.blob_store.BlobStore`.

    Threads of ours, not obstore's async functions: a thread of theirs still touches Python objects after it has handed
    over a result, and a process that ends in that moment is aborted (one of four that end right after).

    Blobs lie at `<two hexadecimal digits>/<sha256>` below the URL, those that a sweep has moved aside at
    `discarded/<sha256>`, where `get` finds them and puts them back. What a store raises that is not `BlobMissing` is
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

    async def stored(self) -> AsyncIterator[list[StoredBlob]]:
        """Every blob, in pages."""
        async for page in self._listed(None, _BLOB):
            yield page

    async def discarded(self) -> AsyncIterator[list[StoredBlob]]:
        """Every blob that was moved aside; `written_at` is when it was."""
        async for page in self._listed(_ASIDE, _DISCARDED):
            yield page

    async def discard(self, digest: str) -> None:
        """Move a blob aside."""
        await self._sweeping(self._discard, digest)

    async def restore(self, digest: str) -> None:
        """Put a blob back that was moved aside."""
        await self._sweeping(self._restore, digest)

    async def destroy(self, digest: str) -> None:
        """Remove a blob that was moved aside."""
        await self._sweeping(self._destroy, digest)

    def _load(self, digest: str) -> bytes:
        try:
            return bytes(obstore.get(self._store, _path(digest)).bytes())
        except FileNotFoundError:
            return self._put_back(digest)

    def _put_back(self, digest: str) -> bytes:
        """What was moved aside, and is needed after all."""
        data = bytes(obstore.get(self._store, _aside(digest)).bytes())
        obstore.put(self._store, _path(digest), data)
        return data

    def _discard(self, digest: str) -> None:
        # Written anew there, not renamed: its age there counts from now.
        obstore.put(self._store, _aside(digest), bytes(obstore.get(self._store, _path(digest)).bytes()))
        obstore.delete(self._store, _path(digest))

    def _restore(self, digest: str) -> None:
        self._put_back(digest)
        obstore.delete(self._store, _aside(digest))

    def _destroy(self, digest: str) -> None:
        obstore.delete(self._store, _aside(digest))

    async def _sweeping(self, work: Callable[[str], None], digest: str) -> None:
        try:
            await asyncio.to_thread(work, digest)
        except FileNotFoundError:
            pass  # somebody else did
        except FAILED as why:
            raise unavailable(self._url, why) from why

    async def _listed(self, prefix: str | None, spelled: re.Pattern[str]) -> AsyncIterator[list[StoredBlob]]:
        try:
            pages = iter(obstore.list(self._store, prefix))
            while (page := await asyncio.to_thread(next, pages, None)) is not None:
                found = [(spelled.fullmatch(each["path"]), each["last_modified"]) for each in page]
                yield [StoredBlob(match[1], Millis(round(at.timestamp() * 1_000))) for match, at in found if match]
        except FAILED as why:
            raise unavailable(self._url, why) from why


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


def _aside(digest: str) -> str:
    return f"{_ASIDE}/{digest}"


def unavailable(url: str, why: Exception) -> ServerUnavailable:
    """The error for what a store raised."""
    # obstore appends pages of debugging to its messages.
    told = str(why).partition("\n")[0]
    return ServerUnavailable(
        "SRV030",
        f"the blob store {url} cannot be used: {told}. Nothing that needs it was done. Correct POINTSMAN_BLOB_URL, its "
        "credentials or its rights.",
    )
