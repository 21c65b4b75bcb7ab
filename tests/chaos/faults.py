"""Faults carried out: harm is done, some time passes, and it is undone. One of each kind; a new one gets a `case` here
and a line in `schedule.KINDS`."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, assert_never

from tests.chaos.chaos_system import ChaosSystem
from tests.chaos.schedule import BEYOND, Fault, is_server, stand_in
from tests.support.topology import flush, wipe
from tests.support.waiting import eventually, let_pass

STOPS_WITHIN_S: Final = 30
"""Many times the grace period: for a machine that has other things to do."""


async def carry_out_all(system: ChaosSystem, faults: Sequence[Fault], done: Counter[str]) -> None:
    """Every fault at its time; each is counted once it has been undone.

    Where undoing the one before takes longer than the schedule reckons with, the next one on that target is left out.
    """
    held: set[str] = set()
    async with asyncio.TaskGroup() as group:
        for fault in faults:
            group.create_task(_at_its_time(system, fault, held, done))


async def _at_its_time(system: ChaosSystem, fault: Fault, held: set[str], done: Counter[str]) -> None:
    await let_pass(fault.at_s)
    place = stand_in(fault.target)
    if place in held:
        return
    held.add(place)
    await carry_out(system, fault)
    held.remove(place)
    done[fault.name] += 1


async def carry_out(system: ChaosSystem, fault: Fault) -> None:
    """One fault, from its beginning to its end."""
    match fault.kind:
        case "kill":
            await _kill(system, fault)
        case "freeze":
            await _freeze(system, fault)
        case "restart":
            await _restart(system, fault)
        case "refuse" | "stall" | "reset":
            name, _, server = fault.target.partition(BEYOND)
            system.cut(name, server, fault.kind)
            await let_pass(fault.lasts_s)
            system.mend(name, server)
        case "flush":
            await asyncio.to_thread(flush, system.servers_of_redis[fault.target])
        case "wipe":
            node = system.servers_of_redis[fault.target]
            await asyncio.to_thread(node.kill)
            wipe(node)
            await let_pass(fault.lasts_s)
            await asyncio.to_thread(node.start)
        case _:
            assert_never(fault.kind)


async def _kill(system: ChaosSystem, fault: Fault) -> None:
    if is_server(fault.target):
        server = system.server(fault.target)
        await asyncio.to_thread(server.kill)
        await let_pass(fault.lasts_s)
        await asyncio.to_thread(server.start)
        return
    with _struck(system, fault.target):
        system.kill(fault.target)
        await let_pass(fault.lasts_s)
        system.start(fault.target)


async def _freeze(system: ChaosSystem, fault: Fault) -> None:
    send = system.send_to_server if is_server(fault.target) else system.send
    send(fault.target, signal.SIGSTOP)
    await let_pass(fault.lasts_s)
    send(fault.target, signal.SIGCONT)


async def _restart(system: ChaosSystem, fault: Fault) -> None:
    if is_server(fault.target):
        server = system.server(fault.target)
        await asyncio.to_thread(server.stop)
        await let_pass(fault.lasts_s)
        await asyncio.to_thread(server.start)
        return
    with _struck(system, fault.target):
        system.terminate(fault.target)
        try:
            await eventually(lambda: not system.is_alive(fault.target), timeout=STOPS_WITHIN_S)
        except AssertionError:
            system.wrong.append(f"{fault.target} was told to stop, and did not within {STOPS_WITHIN_S} s")
            system.kill(fault.target)
        await let_pass(fault.lasts_s)
        system.start(fault.target)


@contextmanager
def _struck(system: ChaosSystem, name: str) -> Iterator[None]:
    """Keep everybody else from starting a process."""
    system.struck.add(name)
    try:
        yield
    finally:
        system.struck.remove(name)
