"""Where nothing races, the order in which results come in decides nothing."""

from __future__ import annotations

from hashlib import blake2b
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.base.ids import TokenId
from pointsman.compile import compile_source
from pointsman.plan import Join, Plan
from tests.support.definitions import definitions
from tests.support.driven import Run, cel

INPUT = {"x": 2}


@st.composite
def orderly(draw: st.DrawFn) -> Plan:
    """A plan in which no branch overtakes another: joins wait for all, and failures stop nothing else."""
    plan = compile_source(draw(definitions(cel(), nodes=12)), cel())[1].plan
    nodes = tuple(replace(node, join=Join(), failure_policy="continue") for node in plan.nodes)
    return replace(plan, nodes=nodes, failure_policy="continue")


def table(seed: int, token: TokenId, attempt: int) -> int:
    """What becomes of an attempt, 0 to 9: the same whenever it is asked."""
    return blake2b(f"{seed} {token} {attempt}".encode(), digest_size=8).digest()[0] % 10


def finished(plan: Plan, seed: int, order: Random) -> tuple[Any, ...]:
    """Run a plan to its end, its signals in a random order: status, how each node ended, output."""
    run = Run(plan, INPUT)
    while not run.snapshot.is_final:
        ready = [("task", str(token)) for token in run.held.streams] + [("timer", timer) for timer in run.clock]
        kind, name = order.choice([(kind, name) for kind, name in ready if not name.startswith("timeout:")])
        if kind == "timer":
            run.fire(name)
        else:
            _report(run, name, table(seed, TokenId(name), run.task(name).attempt))
    ends = {
        str(name): (found.status, found.reason, bytes(found.output.data))
        for name, found in run.snapshot.results.items()
    }
    return run.status, ends, run.output


def _report(run: Run, name: str, luck: int) -> None:
    if luck < 7:
        run.complete(name, {"x": luck % 4})
    elif luck < 9:
        run.fail(name)
    else:
        run.fire(f"timeout:{name}") if f"timeout:{name}" in run.clock else run.lose(name)


@given(orderly(), st.integers(0, 1_000), st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_results_in_another_order_lead_to_the_same_end(plan: Plan, seed: int, one: Random, other: Random) -> None:
    # Given a plan and what will become of each attempt
    # When it runs twice, its signals in different orders
    # Then the same nodes ran, the same were skipped, and the output is the same
    assert finished(plan, seed, one) == finished(plan, seed, other)
