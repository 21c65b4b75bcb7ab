"""What was measured, as a table for people and as JSON for machines."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

_SCALE = re.compile(r"scale\.(?P<topology>[a-z_]+)_(?P<count>\d+)_(?P<figure>[a-z_]+)")
RESULTS = Path(__file__).parent / "results" / "latest.json"


class Demand(NamedTuple):
    """A figure and what it must reach."""

    name: str
    text: str
    least: float | None = None
    most: float | None = None
    binds: bool = True
    """Ratios bind; absolute figures are guides: they depend on the machine."""

    def holds(self, value: float) -> bool:
        """Whether `value` is good enough."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


DEMANDS = (
    Demand("w1.steps_per_s", "W1 chain of 10, 1,000 runs at once: steps/s", least=8_000, binds=False),
    Demand("w1.ratio_to_floor", "W1 to its floor", least=0.40),
    Demand("w2.p50_ms", "W2 lone run of 200: hop p50, ms", most=0.7, binds=False),
    Demand("w2.ratio_to_floor", "W2 p50 to ping-pong with redis-py", most=2.0),
    Demand("w2.ratio_to_own_floor", "W2 p50 to ping-pong over our own connection", most=2.0, binds=False),
    Demand("w2.p99_ratio_to_floor", "W2 p99 to ping-pong p50", most=5.0),
    Demand("w3.steps_per_s", "W3 20 x fan-out of 100 and join: steps/s", least=6_000, binds=False),
    Demand("w4.iterations_per_s", "W4 loop of 50, 50 runs at once: passes/s", least=2_000, binds=False),
    Demand("w4.lone_iterations_per_s", "W4 one run alone: passes/s", least=900, binds=False),
    Demand("memory.coordinator_mib", "coordinator at the end of W1, MiB", most=120),
    Demand("memory.redis_bytes_per_run", "Redis bytes per active run of 10 nodes", most=8 * 1024),
    Demand("edit.preview_p99_ms", "preview of an edit of 500 nodes: p99, ms", most=50),
    Demand("edit.effective_p99_ms", "edit of 500 nodes, call to its effect at a worker: p99, ms", most=100),
    Demand("edit.loop_p99_ms", "edit of a lone run at full speed (W4), call to durable: p99, ms", most=100),
    Demand("edit.throughput_ratio", "500 runs at 70 % of W1: steps/s with 50 edits/s to without", least=0.9),
    Demand("edit.hop_ratio", "the same: hop p50 with 50 edits/s to without", most=1.1),
    Demand("recover.seconds", "10,000 open runs back after Redis lost everything, s", most=60),
    Demand("recover.runs_per_s", "the same: runs restored/s", least=170, binds=False),
    Demand("overload.linearity", "100,000 runs wait: what one of the last 50,000 costs to one of the first", most=1.2),
    Demand("overload.postgres_bytes_per_run", "the same: Postgres bytes a run", most=2_048, binds=False),
    Demand("overload.redis_mib", "the same: what Redis grew by, MiB", most=128),
    Demand("overload.not_completed", "the same, let go: runs that did not complete", most=0),
    Demand("overload.run_p99_ms", "the same: a run of two steps, begun to ended: p99, ms", most=5_000, binds=False),
    Demand("overload.api_failed", "200 clients at once: requests neither served nor told to come again", most=0),
)


def show(figures: dict[str, Any]) -> bool:
    """Print the table; whether every figure that binds holds."""
    table = Table(title="Pointsman benchmark")
    for column, side in (("workload", "left"), ("measured", "right"), ("must", "right"), ("", "left")):
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    measured = [demand for demand in DEMANDS if demand.name in figures]
    for demand in measured:
        value = figures[demand.name]
        must = f">= {demand.least:,g}" if demand.least is not None else f"<= {demand.most:,g}"
        verdict = "holds" if demand.holds(value) else "short"
        table.add_row(demand.text, _shown(value), must if demand.binds else f"({must})", verdict)
    console = Console()
    console.print(table)
    if any(name.startswith("scale.") for name in figures):
        console.print(_scale(figures))
    return all(demand.holds(figures[demand.name]) for demand in measured if demand.binds)


def _scale(figures: dict[str, Any]) -> Table:
    """How it scales out: a row for each topology and number of coordinators. Nothing of it binds."""
    rows: dict[str, dict[str, float]] = {}
    for name, value in figures.items():
        if found := _SCALE.fullmatch(name):
            rows.setdefault(f"{found['topology'].replace('_', ' ')}, {found['count']}", {})[found["figure"]] = value
    table = Table(title="W1, 500 runs at once, by coordinators")
    for column in ("Redis, coordinators", "steps/s", "stale answers", "cache hits"):
        table.add_column(column, justify="left" if column.startswith("Redis") else "right")
    for row, told in rows.items():
        shares = (f"{told[share]:.2%}" for share in ("stale_share", "hit_share"))
        table.add_row(row, _shown(told["steps_per_s"]), *shares)
    return table


def save(figures: dict[str, Any]) -> None:
    """Write the figures beside what they were measured on; those that were not measured now stay."""
    nested: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    nested["machine"] = {"cpus": os.cpu_count(), "python": platform.python_version()}
    for name, value in figures.items():
        group, _, key = name.partition(".")
        nested.setdefault(group, {})[key] = value
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(nested, indent=2) + "\n")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
