"""What a node produced: opaque JSON bytes, or a reference to where they are."""

from __future__ import annotations

from typing import Any, Final

import msgspec

NOTHING: Final = msgspec.Raw()
"""No data. Always this object: an encoder leaves a field out only where it holds its very default."""


class Output(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """At most one of the two is set; neither means null.

    `data` is JSON exactly as the worker sent it; empty means none. `ref` is
    `blob://<sha256>` where Pointsman stored it (outputs above the
    inline limit), or whatever reference the worker chose to report instead of data.
    """

    data: msgspec.Raw = NOTHING
    ref: str | None = None


def output_of(data: bytes, ref: str | None = None) -> Output:
    """An output of JSON bytes (may be empty) that keeps no larger buffer alive."""
    return Output(msgspec.Raw(bytes(data)) if data else NOTHING, ref)


EMPTY: Final = Output()
BLOB_SCHEME: Final = "blob://"


def is_blob(ref: str | None) -> bool:
    """Whether a reference names a blob that Pointsman stored and can load."""
    return ref is not None and ref.startswith(BLOB_SCHEME)


def inline(value: Any) -> Output:
    """An output holding `value`, any JSON-shaped Python value."""
    return Output(msgspec.Raw(msgspec.json.encode(value)))
