"""Which addresses the `http` worker may call: public ones, and what the settings allow besides."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All IPv6 that is in use on the Internet; `is_global` says yes to much that is not."""
_IETF: Final = ipaddress.IPv4Network("192.0.0.0/24")
"""Oracle's metadata among them; what `is_global` says of these depends on the version of Python."""
_AZURE: Final = ipaddress.IPv4Network("168.63.129.16/32")
"""Looks public, and serves each machine its own data."""


class Guard:
    """Decides by the address that is connected to, so a name that resolves to something else later gains nothing."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._hosts: set[str] = set()
        self._networks: list[Network] = []
        for entry in allow:
            try:
                self._networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
            except ValueError:
                self._hosts.add(_plain(entry))

    def permits(self, host: str, address: str) -> bool:
        """Whether `address`, which `host` resolved to, may be called."""
        if _plain(host) in self._hosts:
            return True
        reached = _reached(ipaddress.ip_address(address.partition("%")[0]))
        if any(reached in network for network in self._networks):
            return True
        return is_public(reached)


def is_public(address: Address) -> bool:
    """Whether anyone on the Internet may have this address: not private, loopback, link-local, metadata, multicast."""
    reached = _reached(address)
    if isinstance(reached, ipaddress.IPv6Address):
        return reached in _UNICAST and reached.is_global
    return reached.is_global and not reached.is_multicast and reached not in _IETF and reached not in _AZURE


def _reached(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _plain(host: str) -> str:
    return host.lower().rstrip(".")
