"""`dev.json`: where the servers and processes that `pointsman dev` started can be reached."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from pointsman.adapters.redis.address import read_addresses

FILE: Final = "dev.json"


class DevFacts(msgspec.Struct, frozen=True):
    """What others need to connect. The URLs hold passwords, so the file is for its owner's eyes only."""

    api_url: str
    redis_url: str
    postgres_dsn: str
    pids: dict[str, int]
    """Every process by name: `dev` itself, `redis`, `postgres`, `api`, …"""
    partitions: int = 1
    """How many every process was told that there are."""

    @property
    def is_current(self) -> bool:
        """Whether the `pointsman dev` that wrote them is still there."""
        return Path(f"/proc/{self.pids['dev']}").exists()

    @property
    def redis_port(self) -> int:
        """The port that Redis listened on, or the first of its nodes."""
        return read_addresses(self.redis_url)[0].port

    @property
    def postgres_port(self) -> int:
        """The port that Postgres listened on."""
        return urlsplit(self.postgres_dsn).port or 0


def read_facts(data_dir: Path) -> DevFacts | None:
    """The facts last written in this data directory, if there are any that can be read."""
    try:
        return msgspec.json.decode((data_dir / FILE).read_bytes(), type=DevFacts)
    except (OSError, msgspec.DecodeError):
        return None


def write_facts(data_dir: Path, facts: DevFacts) -> None:
    """Write the facts so that a reader finds the old ones or the new ones, whole."""
    draft = data_dir / f"{FILE}.new"
    with open(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(facts)) + b"\n")
    draft.replace(data_dir / FILE)
