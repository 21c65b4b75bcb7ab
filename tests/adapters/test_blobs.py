"""Blobs: named by their content."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from pointsman.adapters.blobs.store import ObjectBlobStore, open_blobs
from pointsman.base.errors import ServerUnavailable
from pointsman.ports.blob_store import BlobMissing

DATA = b'{"rows":[]}' * 5_000
REF = f"blob://{sha256(DATA).hexdigest()}"


@pytest.fixture(params=["file", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectBlobStore:
    return open_blobs("memory://" if request.param == "memory" else (tmp_path / "not yet" / "blobs").as_uri())


async def test_bytes_come_back_under_the_name_of_their_content(blobs: ObjectBlobStore) -> None:
    # Given bytes that are stored, twice, and others, of which some are none
    refs = [await blobs.put(DATA), await blobs.put(DATA), await blobs.put(b"")]
    # When they are loaded
    # Then they are what they were
    assert refs == [REF, REF, f"blob://{sha256(b'').hexdigest()}"]
    assert [await blobs.get(ref) for ref in refs] == [DATA, DATA, b""]


async def test_ten_megabytes_are_stored_and_loaded(blobs: ObjectBlobStore) -> None:
    # Given a very large output
    data = b"x" * 10_000_000
    # When it is stored and loaded
    # Then it is the same
    assert await blobs.get(await blobs.put(data)) == data


async def test_a_blob_that_is_not_there_is_missing(blobs: ObjectBlobStore) -> None:
    # Given a store without it
    # When it is loaded
    with pytest.raises(BlobMissing) as caught:
        await blobs.get(REF)
    # Then its name and the store's are told
    assert caught.value.code == "SRV031"
    assert REF.removeprefix("blob://") in str(caught.value)


async def test_a_blob_that_was_tampered_with_is_not_used(tmp_path: Path) -> None:
    # Given a blob whose file somebody changed
    blobs = open_blobs(tmp_path.as_uri())
    await blobs.put(DATA)
    digest = REF.removeprefix("blob://")
    (tmp_path / digest[:2] / digest).write_bytes(b"{}")
    # When it is loaded
    with pytest.raises(BlobMissing) as caught:
        await blobs.get(REF)
    # Then it is not what was asked for
    assert caught.value.code == "SRV032"


async def test_a_store_that_cannot_write_is_unavailable(tmp_path: Path) -> None:
    # Given a directory in which a file stands in the way
    blobs = open_blobs(tmp_path.as_uri())
    (tmp_path / REF.removeprefix("blob://")[:2]).write_text("in the way")
    # When a blob is stored
    with pytest.raises(ServerUnavailable) as caught:
        await blobs.put(DATA)
    # Then one line says so
    assert (caught.value.code, caught.value.retryable) == ("SRV030", True)
    assert "\n" not in str(caught.value)


@pytest.fixture
def taken(tmp_path: Path) -> str:
    (tmp_path / "file").write_text("not a directory")
    return (tmp_path / "file" / "blobs").as_uri()


async def test_urls_that_name_no_store_are_refused_at_once(taken: str) -> None:
    # Given a kind of store there is none of, and a directory that cannot be made
    for url in ("nope://x", taken):
        # When it is opened
        with pytest.raises(ServerUnavailable) as caught:
            open_blobs(url)
        # Then waiting would not help
        assert (caught.value.code, caught.value.retryable) == ("SRV030", False)


async def test_a_bucket_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a bucket at an address where nothing listens
    for name, value in {
        "AWS_ENDPOINT": "http://127.0.0.1:1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_REGION": "z",
    }.items():
        monkeypatch.setenv(name, value)
    blobs = open_blobs("s3://bucket/prefix?x=1")
    # When a blob is loaded
    with pytest.raises(ServerUnavailable) as caught:
        await blobs.get(REF)
    # Then one line says so
    assert caught.value.code == "SRV030"
