"""Where a Redis server is and how to sign on, read from a `redis://`, `rediss://` or `unix://` URL."""

from __future__ import annotations

import ssl
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio.connection import parse_url


class Address(NamedTuple):
    """One server. `str()` of it shows no password."""

    host: str
    port: int
    path: str
    """Of a Unix socket; empty for TCP."""
    tls: ssl.SSLContext | None
    sign_on: tuple[tuple[str, ...], ...]
    """Commands that begin every connection."""

    def __str__(self) -> str:
        return f"unix socket {self.path}" if self.path else f"{self.host}:{self.port}"


def read_address(url: str) -> Address:
    """Read a URL, in redis-py's spelling of it. Raises `ValueError` for another scheme."""
    told: dict[str, Any] = dict(parse_url(url))
    secure = urlsplit(url).scheme == "rediss"
    return Address(
        told.get("host", "localhost"),
        told.get("port", 6379),
        told.get("path", ""),
        _tls(told) if secure else None,
        _sign_on(told),
    )


def read_addresses(url: str) -> list[Address]:
    """Read a URL that may name several nodes of a cluster: `redis://user:secret@one:7000,two:7001`."""
    parts = urlsplit(url)
    account, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [read_address(url)]
    nodes = [host.strip() for host in hosts.split(",")]
    return [read_address(urlunsplit(parts._replace(netloc=f"{account}{at}{node}"))) for node in nodes if node]


def _sign_on(told: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    commands: list[tuple[str, ...]] = []
    if "password" in told:
        user = (told["username"],) if "username" in told else ()
        commands.append(("AUTH", *user, told["password"]))
    if told.get("db"):
        commands.append(("SELECT", str(told["db"])))
    commands.append(("CLIENT", "SETNAME", "pointsman"))
    return tuple(commands)


def _tls(told: dict[str, Any]) -> ssl.SSLContext:
    """Certificates are checked unless the URL says `ssl_cert_reqs=none`."""
    context = ssl.create_default_context(cafile=told.get("ssl_ca_certs"))
    if told.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "ssl_certfile" in told:
        context.load_cert_chain(told["ssl_certfile"], told.get("ssl_keyfile"))
    return context
