"""`python -m tests.chaos [--minutes N] [--seed N] [--topology T]`: rounds until time is up, or one breaks a promise."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_args

from rich.console import Console

from tests.chaos.campaign import Outcome, play
from tests.chaos.chaos_system import ChaosSystem
from tests.chaos.report import failure, summary, table
from tests.chaos.rounds import long_round
from tests.support.topology import Topology

RESULTS: Final[Mapping[Topology, str]] = {"one": "latest.json", "cluster": "cluster.json"}
FOLDER: Final = Path(__file__).parent / "results"


def main() -> int:
    """Play, tell how it goes, and write down what came of it."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--minutes", type=float, default=30, help="no round is begun later than this; one is played")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each one after it has the next")
    parser.add_argument("--topology", choices=get_args(Topology), default="one", help="what Redis is")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pointsman-chaos-"))
    with ChaosSystem(folder, topology=given.topology) as system:
        outcomes = _played(system, given.seed, given.minutes * 60, given.topology)
    figures = summary(outcomes)
    Console().print(table(figures))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / RESULTS[given.topology]).write_text(json.dumps(figures, indent=2) + "\n")
    if figures["violations"]:
        print(failure(outcomes[-1]))
        print(f"what the processes logged: {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _played(system: ChaosSystem, seed: int, seconds: float, topology: Topology) -> list[Outcome]:
    began, outcomes = time.monotonic(), list[Outcome]()
    while not outcomes or (time.monotonic() - began < seconds and not outcomes[-1].violations):
        outcome = asyncio.run(play(system, long_round(seed + len(outcomes), topology)))
        outcomes.append(outcome)
        plan = outcome.round
        print(
            f"{time.monotonic() - began:6.0f} s  seed {plan.seed} {plan.name}: {len(outcome.runs)} runs, "
            f"{outcome.faults.total()} faults, {len(outcome.violations)} violations",
            flush=True,
        )
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
