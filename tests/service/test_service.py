from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import structlog

from pointsman.base.errors import ServerUnavailable
from pointsman.service import LONGEST_PAUSE_S, Exit, Loop, Service, backoff, main, pause
from pointsman.settings import Settings
from tests.support.waiting import eventually


@pytest.fixture
def service() -> Service:
    """A service with a short grace period."""
    return Service(Settings(grace_period_ms=200))


@pytest.fixture
def undone_logging() -> Iterator[None]:
    """Takes back what `main` sets up for its whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


class Ticking:
    """A loop that counts its turns until it is drained."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.turns = 0
        self.calls = 0
        self.fail_on_call: Mapping[int, Exception] = {}

    async def run(self) -> None:
        self.calls += 1
        if wrong := self.fail_on_call.get(self.calls):
            raise wrong
        while not self.service.drain.is_set():
            self.turns += 1
            await pause(self.service.drain, 0.001)


async def never_ends() -> None:
    await asyncio.Event().wait()


async def stopped(service: Service, loops: Mapping[str, Loop], number: int = signal.SIGTERM) -> Exit:
    """Run, send a signal to this very process once everything runs, and say how it ended."""
    running = asyncio.create_task(service.run(loops))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    os.kill(os.getpid(), number)
    return await running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_every_loop(service: Service, number: int) -> None:
    loops = [Ticking(service) for _ in range(3)]
    assert await stopped(service, {str(n): loop.run for n, loop in enumerate(loops)}, number) is Exit.DRAINED
    assert not service.health.is_ready


async def test_what_does_not_end_in_time_is_cut_short(service: Service) -> None:
    assert await stopped(service, {"fine": Ticking(service).run, "slow": never_ends}) is Exit.CUT_SHORT


async def test_a_loop_that_waits_for_a_server_as_it_is_cancelled_ends_all_the_same(service: Service) -> None:
    # Given a loop that cleans up after itself, for which it needs a server that does not answer
    async def clinging() -> None:
        try:
            await never_ends()
        finally:
            await never_ends()

    # When the process is told to stop, then it does
    assert await stopped(service, {"clinging": clinging}) == Exit.CUT_SHORT


async def test_a_second_signal_ends_the_loops_at_once() -> None:
    # Given a service with all the time in the world to drain
    service = Service(Settings(grace_period_ms=86_400_000))
    running = asyncio.create_task(service.run({"slow": never_ends}))
    await asyncio.sleep(0)
    # When it is told twice to stop
    os.kill(os.getpid(), signal.SIGTERM)
    await service.drain.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    # Then it does not wait for that
    assert await running is Exit.CUT_SHORT


async def test_a_loop_that_failed_runs_again_while_the_others_go_on(service: Service) -> None:
    # Given a loop that fails twice, once for a lost server and once for a mistake
    failing, steady = Ticking(service), Ticking(service)
    failing.fail_on_call = {1: ServerUnavailable("SRV040", "gone"), 2: KeyError("oops")}
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(service.run({"failing": failing.run, "steady": steady.run}))
        # When it is back at work
        await eventually(lambda: failing.turns)
        service.drain.set()
        assert await running is Exit.DRAINED
    # Then both failures were told, and the other loop never stopped
    told = [(line["event"], line.get("loop"), line.get("code")) for line in logs if "loop" in line]
    assert told == [("server_unavailable", "failing", "SRV040"), ("loop_failed", "failing", None)]
    assert (failing.calls, steady.calls) == (3, 1)


async def test_a_failing_loop_makes_the_process_unready_until_it_works(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointsman.service.STEADY_S", 0.01)
    failing = Ticking(service)
    failing.fail_on_call = {1: ServerUnavailable("SRV040", "gone")}
    running = asyncio.create_task(service.run({"failing": failing.run}))
    await eventually(lambda: service.health.reasons == {"failing": "SRV040 gone"})
    await eventually(lambda: service.health.is_ready)
    service.drain.set()
    await running


async def test_a_failing_loop_does_not_hold_up_the_drain(service: Service) -> None:
    failing = Ticking(service)
    failing.fail_on_call = dict.fromkeys(range(1, 100), ServerUnavailable("SRV040", "gone"))
    running = asyncio.create_task(service.run({"failing": failing.run}))
    await eventually(lambda: failing.calls > 1)
    service.drain.set()
    assert await running is Exit.DRAINED


def test_pauses_grow_and_stay_within_bounds() -> None:
    spans = [[backoff(failures) for _ in range(50)] for failures in (1, 2, 4, 100)]
    assert all(0.05 <= pause <= 0.1 for pause in spans[0])
    assert all(0.1 <= pause <= 0.2 for pause in spans[1])
    assert all(0.4 <= pause <= 0.8 for pause in spans[2])
    assert all(LONGEST_PAUSE_S / 2 <= pause <= LONGEST_PAUSE_S for pause in spans[3])
    # Two that failed together do not come back together
    assert len(set(spans[2])) > 1


async def nothing(settings: Settings) -> Exit:
    return Exit.DRAINED


async def no_server(settings: Settings) -> Exit:
    raise ServerUnavailable("SRV040", "somewhere: Postgres cannot be used")


def environment(tmp_path: Path, **changes: str) -> dict[str, str]:
    return {"DATABASE_URL": "postgresql://here/there", "POINTSMAN_DATA_DIR": str(tmp_path), **changes}


@pytest.mark.usefixtures("undone_logging")
def test_a_wrong_setting_is_exit_code_two_and_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("supervisor", nothing, environment(tmp_path, REDIS_PORT="many")) is Exit.BAD_SETTINGS
    assert capsys.readouterr().err.startswith("CFG001 supervisor: REDIS_PORT is 'many'")


@pytest.mark.usefixtures("undone_logging")
def test_a_server_that_is_wrong_at_start_is_exit_code_three_and_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("supervisor", no_server, environment(tmp_path)) is Exit.BAD_SERVER
    assert capsys.readouterr().err == "SRV040 somewhere: Postgres cannot be used\n"


@pytest.mark.usefixtures("undone_logging")
def test_a_process_that_drained_is_exit_code_zero(tmp_path: Path) -> None:
    assert main("supervisor", nothing, environment(tmp_path)) is Exit.DRAINED
