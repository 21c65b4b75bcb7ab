"""The campaign in short: `make chaos` plays the same for as long as one likes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.chaos.campaign import play
from tests.chaos.chaos_system import ChaosSystem
from tests.chaos.report import failure, summary
from tests.chaos.rounds import short_edits, short_everything
from tests.support.topology import Topology
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def system(topology: Topology) -> Iterator[ChaosSystem]:
    """One for all: a round that keeps its promises leaves it whole."""
    with TemporaryDirectory(prefix="pointsman-test-") as name, ChaosSystem(Path(name), topology=topology) as system:
        yield system


async def test_edits_hold_while_two_coordinators_are_killed_at_random(system: ChaosSystem) -> None:
    # When sixty runs are edited fifty times a second, and both coordinators killed time and again
    outcome = await play(system, short_edits(seed=1))
    # Then no promise was broken, though runs were edited and coordinators died
    assert not outcome.violations, failure(outcome)
    figures = summary([outcome])
    assert figures["runs_completed"] == 60
    assert figures["letters_redriven"] > 0
    assert figures["edits_taken"] > 5
    assert figures["states_of_runs_compared_with_redis"] > 20
    assert outcome.faults["kill coordinator"] >= 3


async def test_runs_go_through_every_fault_by_the_rules(system: ChaosSystem) -> None:
    # When every process and both servers are killed, stopped, restarted and cut off by chance, and Redis loses all
    outcome = await play(system, short_everything(seed=15))
    # Then no promise was broken
    assert not outcome.violations, failure(outcome)
    figures = summary([outcome])
    assert figures["runs_completed"] >= 45
    assert figures["runs_forked"] > 0
    assert figures["recoveries_of_runs"] > 0
    assert outcome.faults.total() >= 10


async def test_every_process_told_to_stop_ends_though_both_servers_hang(system: ChaosSystem) -> None:
    # Given servers that take what they are sent, and answer nothing
    for server in system.all_servers:
        system.send_to_server(server, signal.SIGSTOP)
    try:
        # When everybody is told to stop
        for name in system.processes:
            system.terminate(name)
        # Then they do, without waiting for an answer
        await eventually(lambda: not any(system.is_alive(name) for name in system.processes), timeout=60)
    finally:
        for server in system.all_servers:
            system.send_to_server(server, signal.SIGCONT)
