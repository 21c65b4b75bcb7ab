"""API keys: who is calling, by the key they send."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from pathlib import Path
from typing import Final, Protocol

import argon2
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from pointsman.base.errors import SettingsError
from pointsman.settings import Settings

_REMEMBERED: Final = 1_024


class Keys(Protocol):
    """Knows the keys that callers may come with."""

    async def caller(self, key: str) -> str | None:
        """The name a key belongs to; None where it is none of ours."""
        ...


class OneKey:
    """The single key of `POINTSMAN_API_KEY`."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    async def caller(self, key: str) -> str | None:
        """`api-key`, if it is the one."""
        return "api-key" if hmac.compare_digest(self._key, key.encode()) else None


class HashedKeys:
    """The keys of a file, hashed with Argon2. A hash takes tens of milliseconds, so answers are remembered.

    What is remembered is a digest under a key of this process, never the caller's key; refusals are remembered too.
    One key is looked up at a time, so that nobody can keep all cores busy with wrong ones.
    """

    def __init__(self, hashes: dict[str, str]) -> None:
        self._hashes = hashes
        self._hasher = argon2.PasswordHasher()
        self._secret = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, str | None] = OrderedDict()
        self._looking = asyncio.Lock()

    async def caller(self, key: str) -> str | None:
        """The name that stands before the key's hash."""
        digest = hashlib.blake2b(key.encode(), key=self._secret).digest()
        async with self._looking:
            if digest not in self._known:
                self._known[digest] = await asyncio.to_thread(self._look_up, key)
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
            return self._known[digest]

    def _look_up(self, key: str) -> str | None:
        return next((name for name, kept in self._hashes.items() if self._fits(kept, key)), None)

    def _fits(self, kept: str, key: str) -> bool:
        try:
            return self._hasher.verify(kept, key)
        except VerifyMismatchError:
            return False


def keys_of(settings: Settings) -> Keys | None:
    """What callers are told apart by; None where everybody on this machine may call.

    Raises:
        SettingsError: CFG010, the file of keys has a line that cannot be used.
    """
    if settings.api.keys_file is not None:
        hashes = read_hashes(settings.api.keys_file)
        if settings.api.key is not None:
            hashes["api-key"] = argon2.PasswordHasher().hash(settings.api.key.get_secret_value())
        return HashedKeys(hashes)
    return OneKey(settings.api.key.get_secret_value()) if settings.api.key is not None else None


def read_hashes(file: Path) -> dict[str, str]:
    """The hashes of a file of keys by name: on each line a name, a space, and an Argon2 hash. `#` begins a comment.

    Raises:
        SettingsError: CFG010, with the line.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, kept = line.strip().partition(" ")
        wrong = _wrong(kept.strip()) or (f"the name `{name}` stands in an earlier line too" if name in found else "")
        if wrong:
            raise SettingsError(
                "CFG010",
                f"{file}, line {number}: {wrong}. The API was not started. Each line is a name, a space and the "
                "Argon2 hash of its key.",
            )
        found[name] = kept.strip()
    return found


def _wrong(kept: str) -> str:
    try:
        argon2.extract_parameters(kept)
    except InvalidHashError:
        return "what follows the name is no Argon2 hash" if kept else "no hash follows the name"
    return ""
