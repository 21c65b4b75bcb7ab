"""Which addresses the `http` worker may call."""

from __future__ import annotations

import ipaddress

import pytest

from pointsman.worker.builtin.addresses import Guard, is_public


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "192.88.98.1"])
def test_addresses_that_anyone_may_have_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
    assert Guard().permits("example.com", address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.5.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:7f00:1::80ff:fffe",
        "::127.0.0.1",
        "fec0::1",
        "64:ff9b:1::a00:1",
        "240.0.0.1",
    ],
)
def test_private_and_special_addresses_are_refused_however_they_are_written(address: str) -> None:
    assert not Guard().permits("example.com", address)


def test_networks_and_hosts_that_are_allowed_may_be_called() -> None:
    guard = Guard(["10.1.0.0/16", "Intranet.Example", "fd12::/32", "192.168.0.7", "[::1]"])
    # By network or address, whatever the name
    assert guard.permits("any.example", "10.1.2.3")
    assert guard.permits("any.example", "::ffff:10.1.2.3")
    assert guard.permits("any.example", "fd12::5")
    assert guard.permits("any.example", "192.168.0.7")
    assert guard.permits("any.example", "::1")
    assert not guard.permits("any.example", "10.2.0.1")
    assert not guard.permits("any.example", "192.168.0.8")
    # By name, whatever the address
    assert guard.permits("intranet.example.", "172.16.0.1")
    assert not guard.permits("other.intranet.example", "172.16.0.1")
