"""The schedule of faults: a function of its seed, and everything has its turn."""

from __future__ import annotations

from collections import Counter

from tests.chaos.campaign import Round
from tests.chaos.rounds import long_round, short_everything
from tests.chaos.schedule import KINDS, Fault, schedule


def faults_of(plan: Round) -> list[Fault]:
    return schedule(plan.seed, plan.seconds, plan.faults_per_s, plan.among, plan.kinds)


def test_the_same_seed_makes_the_same_faults() -> None:
    assert faults_of(long_round(1)) == faults_of(long_round(1))
    assert faults_of(long_round(1)) != faults_of(long_round(2))


def test_nothing_is_struck_again_before_it_is_back_at_work() -> None:
    # Given the faults of many rounds
    for seed in range(100):
        free: dict[str, float] = {}
        for fault in faults_of(short_everything(seed)):
            # Then each strikes what the one before has left
            assert fault.at_s >= free.get(fault.target, 0)
            free[fault.target] = fault.at_s + fault.lasts_s


def test_every_kind_of_fault_strikes_everything_it_can() -> None:
    # Given a campaign of an hour or so
    struck = Counter(fault.name for seed in range(60) for fault in faults_of(long_round(seed)))
    processes, ways = ("coordinator", "supervisor", "api", "worker"), ("coordinator", "supervisor", "api")
    everything = {
        f"{kind} {name}" for kind in ("kill", "freeze", "restart") for name in (*processes, "redis", "postgres")
    }
    cuts = {f"{kind} {name}>postgres" for kind in ("refuse", "stall", "reset") for name in ways}
    cuts |= {f"{kind} {name}>redis" for kind in ("refuse", "stall", "reset") for name in processes}
    # Then nothing was spared
    assert struck.keys() == everything | cuts | {"flush redis", "wipe redis"}
    assert {name.partition(" ")[0] for name in struck} == set(KINDS)


def test_of_two_apis_one_is_left_in_peace() -> None:
    # Given the faults of many rounds
    for seed in range(100):
        free = 0.0
        for fault in faults_of(long_round(seed)):
            if fault.target in ("api", "api2"):
                # Then neither is struck while the other is
                assert fault.at_s >= free
                free = fault.at_s + fault.lasts_s


def test_the_short_form_knows_every_kind_too() -> None:
    assert {fault.kind for fault in faults_of(short_everything(15))} == set(KINDS)
