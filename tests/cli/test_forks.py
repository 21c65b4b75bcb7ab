"""Forks, retries and replays from the command line, against a real API."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.cli.conftest import POINTSMAN, Dev, clean_environment
from tests.cli.test_runs import FAILING, GREETING, Call, start
from tests.support.terminal import on_a_terminal
from tests.support.waiting import eventually_sync

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def ended(cli: Call, definition: dict[str, Any], *arguments: str) -> str:
    """Run a definition to its end; its id."""
    run = start(cli, definition, *arguments)
    eventually_sync(lambda: cli("show", run, "--json").json["ended_at"] is not None)
    return run


def test_a_fork_says_what_it_keeps_and_shows_where_it_comes_from(cli: Call) -> None:
    # Given a run that has ended
    run = ended(cli, GREETING, "--input", '{"name": "Ann"}')
    # When it is forked from its second node, with a reason
    said = cli("fork", run, "--from-node", "again", "--reason", "once more", "--run-id", f"{run}-2")
    # Then the command says what is done anew
    assert said.code == 0
    assert said.out == f"{run}-2 does again anew of {run}; see it with: pointsman watch {run}-2\n"
    # And the new run, seen to its end, shows what was kept and where it comes from
    cli("watch", f"{run}-2")
    replayed = cli("replay", f"{run}-2")
    told = [line[5:] for line in replayed.out.splitlines()]
    assert replayed.code == 0
    assert f"fork of {run} after event " in told[0]
    assert told[0].endswith("✔ greet (kept)  ▸ again  RUNNING")
    assert told[1].strip() == "greet completed, again dispatched"
    assert f"forked from {run} after event " in cli("show", f"{run}-2").out


def test_a_retry_of_a_run_that_failed_is_a_new_run(cli: Call) -> None:
    # Given a run that failed
    run = ended(cli, FAILING)
    # When it is retried
    made = cli("retry", run, "--json").json
    # Then that is a new run, which does the failed node anew
    assert (made["forked_from"]["run_id"], made["forked_from"]["anew"]) == (run, [":try"])
    # And one that did not fail has nothing to retry
    refused = cli("retry", ended(cli, GREETING, "--input", '{"name": "Bo"}'))
    assert (refused.code, "RUN041" in refused.err) == (5, True)


def test_a_replay_tells_each_event_and_the_state_it_led_to(cli: Call) -> None:
    # Given a run that has ended
    run = ended(cli, GREETING, "--input", '{"name": "Ann"}')
    # When it is replayed as JSON
    said = cli("replay", run, "--json")
    # Then each event is a document with the state after it
    assert said.code == 0
    steps = [json.loads(line) for line in said.out.splitlines()]
    assert [step["event"]["type"] for step in steps] == ["start", "completed", "failed", "timer", "completed"]
    assert [[node["status"] for node in step["state"]["nodes"].values()] for step in steps] == [
        ["dispatched", "waiting"],
        ["completed", "dispatched"],
        ["completed", "backing_off"],
        ["completed", "dispatched"],
        ["completed", "completed"],
    ]
    # And the last state is the run's own
    shown = cli("show", run, "--json").json
    assert steps[-1]["state"]["status"] == shown["status"]
    # And there is no replay of a run that never was
    assert cli("replay", "run-that-never-was").code == 4


def test_a_fork_begins_at_a_node_or_an_event_and_not_at_both(cli: Call) -> None:
    said = cli("fork", "run-1", "--from-node", "a", "--seq", "1")
    assert (said.code, "give either --from-node or --seq" in said.err) == (2, True)


def test_a_replay_draws_the_graph_after_each_event_on_a_terminal(cli: Call, dev: Dev) -> None:
    # Given a run that has ended, and a terminal whose keyboard nobody is at
    run = ended(cli, GREETING, "--input", '{"name": "Ann"}')
    command = " ".join([*POINTSMAN, "replay", run, "--api-url", dev.facts.api_url, "</dev/null"])
    # When it is replayed there
    screen = on_a_terminal(["sh", "-c", command], clean_environment())
    # Then the graph is drawn five times, and the nodes come to their ends
    plain = CONTROL.sub("", screen.text)
    assert (screen.code, plain.count("greet\r\n")) == (0, 5)
    assert [plain.count(f"{glyph} again") for glyph in "○●↻✔"] == [1, 2, 2, 2]
