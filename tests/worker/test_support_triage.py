"""The example: compiled as it stands, and driven to its end by its own handlers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from pointsman.compile import compile_source
from pointsman.definition import Operation, apply_patch
from pointsman.protocol.signal import decode_signal
from pointsman.settings import Settings
from pointsman.worker import Worker
from pointsman.worker.attempt import attempt
from pointsman.worker.editing import Editing
from pointsman.worker.secrets import Secrets
from pointsman.worker.target import load_workers
from pointsman.worker.task import Task
from pointsman.worker.threads import Threads
from tests.support.driven import Run, cel
from tests.worker.wire_tasks import Shelf

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "support-triage"
TICKET = json.loads((EXAMPLE / "ticket.json").read_text())


@pytest.fixture
def worker() -> Worker:
    """The example's worker."""
    (worker,) = load_workers(str(EXAMPLE / "worker.py"), Settings())
    return worker


def started(ticket: dict[str, str] | None = None, patch: Sequence[Operation] = ()) -> Run:
    """A run of the example, patched before it starts, whose handlers take no time."""
    parsed, _ = compile_source((EXAMPLE / "workflow.yaml").read_text(), cel())
    document = apply_patch(parsed.document, patch)
    for node in document["nodes"]:
        if node["type"] == "function":
            node["config"] = {**node["config"], "takes_ms": 0}
    _, compiled = compile_source(document, cel())
    assert compiled.warnings == ()
    return Run(compiled.plan, {"ticket": TICKET["ticket"] | (ticket or {})})


async def to_its_end(run: Run, worker: Worker) -> Counter[str]:
    """Hand every task to its handler and every timer to the run until nothing is open; how often each node ran."""
    ran: Counter[str] = Counter()
    while run.held.streams or run.clock:
        if not run.held.streams:
            run.fire(next(iter(run.clock)))
        for wire in list(run.held.streams.values()):
            ran[wire.node_id] += 1
            handler = worker.handlers.find(wire.config)
            report = await attempt(
                handler, Task(wire, Secrets(), Shelf(), Editing("http://127.0.0.1:9")), Secrets(), Threads(1, "test")
            )
            run.take(decode_signal(report.signal))
    return ran


async def test_an_angry_ticket_wakes_somebody_up_and_gets_its_reply(worker: Worker) -> None:
    run = started()
    ran = await to_its_end(run, worker)
    # Three passes until the score is good, and a second attempt at sending
    assert (run.status, run.error) == ("COMPLETED", None)
    assert run.output == {"ticket": "T-1042", "closed": True, "passes": 3}
    assert (ran["draft"], ran["score"], ran["send_reply"], ran["escalate"]) == (3, 3, 2, 1)
    assert {node for node, status in run.ended.items() if status == "skipped"} == {"queue", "hand_over"}


async def test_a_friendly_ticket_waits_for_its_turn(worker: Worker) -> None:
    run = started({"text": "Could you please look at my invoice?"})
    ran = await to_its_end(run, worker)
    assert run.status == "COMPLETED"
    assert (ran["queue"], ran["escalate"]) == (1, 0)


async def test_a_ticket_of_nobody_fails_the_run_at_once(worker: Worker) -> None:
    run = started({"customer": "c-0"})
    await to_its_end(run, worker)
    assert (run.status, run.error) == ("FAILED", "unknown_customer")


async def test_the_patch_that_comes_with_it_adds_a_node_that_runs(worker: Worker) -> None:
    run = started(patch=json.loads((EXAMPLE / "add-notification.json").read_text()))
    ran = await to_its_end(run, worker)
    assert (run.status, ran["notify_slack"]) == ("COMPLETED", 1)
