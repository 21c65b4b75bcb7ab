"""`pointsman dlq`, against a real API with real workers."""

from __future__ import annotations

from typing import Any

from tests.cli.conftest import Said
from tests.cli.test_runs import WAITING, Call, start, started
from tests.support.waiting import eventually_sync

PARKED = {
    "name": "parked",
    "nodes": [{"id": "try", "type": "cli_test", "config": {"handler": "fail"}}],
    "metadata": {"failure_policy": "park"},
}


def letters(cli: Call, run: str, *options: str) -> list[dict[str, Any]]:
    said: Said = cli("dlq", "list", "--run", run, "--json", *options)
    assert said.code == 0, said
    return list(said.json["letters"])


def letter(cli: Call, run: str, count: int = 1) -> str:
    """The newest letter of a run, once it has so many."""
    eventually_sync(lambda: len(letters(cli, run, "--all")) == count)
    return str(letters(cli, run)[0]["id"])


def test_a_dead_letter_is_listed_told_and_redriven(cli: Call) -> None:
    # Given a run that waits for a node that failed
    run = start(cli, PARKED, "--input", '{"order": 7}')
    name = letter(cli, run)
    # Then it is listed, and its story told
    listed = cli("dlq", "list", "--workflow", "parked", "--code", "Impossible", "--since", "2026-01-01T00:00:00Z").out
    (line,) = [line for line in listed.splitlines() if line.startswith(f"{name}  ")]
    assert line.endswith(f"  failed  run waits  {run} try")
    told = cli("dlq", "show", name).out
    assert f"{run} try  parked RUNNING" in told
    assert "attempt 1: Impossible: it cannot be done" in told
    assert '"order": 7' in told
    # When it is redriven, then it has another attempt
    said = cli("dlq", "redrive", name, "--input", '{"order": 8}', "--reason", "try again")
    assert (said.code, said.out) == (0, f"{name}: {run} has attempt 2 of it\n")
    # And what becomes of that is another letter, which can be redriven with others
    second = letter(cli, run, 2)
    many = cli("dlq", "redrive", "--run", run, "--node", "try")
    assert (many.code, many.out) == (0, f"{second}: redriven\n1 redriven, 0 refused\n")
    assert "redriven by local" in cli("dlq", "show", name).out
    # And the last be given up
    third = letter(cli, run, 3)
    assert cli("dlq", "skip", third, "--reason", "never mind").out == f"{third}: {run} goes on without it\n"
    eventually_sync(lambda: cli("show", run, "--json").json["status"] == "COMPLETED")
    assert letters(cli, run) == []


def test_what_cannot_be_redriven_is_refused_with_the_reason(cli: Call) -> None:
    # Given a letter that is settled
    run = start(cli, PARKED)
    name = letter(cli, run)
    assert cli("dlq", "redrive", name).code == 0
    # When it is redriven again, or there is no such letter
    said = cli("dlq", "redrive", name, "--json")
    assert (said.code, said.json["error"]["code"]) == (5, "API081")
    assert cli("dlq", "show", "dl_00000000000000000000000000").code == 4
    # And nothing is redriven of which nobody said what is meant
    assert cli("dlq", "redrive").code == 2
    assert cli("dlq", "list", "--since", "yesterday").code == 2


def test_what_nobody_serves_is_told_with_the_run_and_among_the_types(cli: Call) -> None:
    run = started(cli, WAITING)
    assert "no worker serves tasks of type nobody" in cli("show", run).out
    (line,) = [line for line in cli("types").out.splitlines() if line.startswith("nobody ")]
    assert line.split()[-1] == "nobody"
    assert [one["served"] for one in cli("types", "--json").json["types"] if one["type"] == "cli_test"] == [True]
    assert cli("cancel", run).code == 0


def test_a_run_is_rebuilt_from_its_journal_and_goes_on(cli: Call) -> None:
    # Given a run that waits, and whose only task is out
    run = started(cli, WAITING)
    # When it is repaired
    said = cli("repair", run, "--json")
    assert (said.code, said.json["status"], said.json["changed"]) == (0, "RUNNING", True)
    # Then its task is out once more, and no run is stuck
    assert cli("show", run, "--json").json["nodes"]["wait_for_it"]["attempt"] == 2
    assert cli("runs", "--stuck", "--json").json["runs"] == []
    assert cli("cancel", run).code == 0
    assert cli("repair", run).code == 5
