"""Whom a process asks which node of a cluster serves a slot."""

from __future__ import annotations

import pytest

from pointsman.adapters.redis.address import Address, read_addresses
from pointsman.adapters.redis.topology import Topology
from pointsman.adapters.redis.wire import Answer
from pointsman.base.errors import ServerUnavailable

ONE, TWO = read_addresses("redis://127.0.0.1:7001,127.0.0.1:7002")


async def test_a_node_that_does_not_answer_is_asked_once_while_another_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.adapters.redis.topology._FRESH_S", -1.0)
    asked: list[Address] = []

    # Given a cluster whose first node hangs, and serves the first slots still as far as the second knows
    async def ask(address: Address) -> Answer:
        asked.append(address)
        if address == ONE:
            raise ServerUnavailable("SRV010", "it has not answered")
        return [[0, 8_000, [b"127.0.0.1", 7001]], [8_001, 16_383, [b"127.0.0.1", 7002]]]

    topology = Topology([ONE, TWO], ask)
    # When it is asked for slots of both again and again
    found = [await topology.node(slot) for slot in (1, 9_000, 2)]
    # Then both are found, and who has answered once is asked first
    assert found == [ONE, TWO, ONE]
    assert asked == [ONE, TWO, TWO, TWO]
