"""A run watched on a terminal: redrawn in place, coloured, and left standing at the end."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable

from tests.cli.conftest import POINTSMAN, Dev, Said, clean_environment
from tests.cli.test_runs import GREETING, WAITING, start
from tests.support.terminal import on_a_terminal

Call = Callable[..., Said]
REDRAWN = "\x1b[1A"
GREEN = "\x1b[32m"


def test_a_run_on_a_terminal_is_redrawn_until_it_ends(dev: Dev, cli: Call) -> None:
    run = start(cli, GREETING, "--input", '{"name": "Ed"}')
    screen = on_a_terminal([*POINTSMAN, "watch", run, "--api-url", dev.facts.api_url], clean_environment())
    assert screen.code == 0
    assert REDRAWN in screen.text
    assert f"{GREEN}✔ again #2" in screen.text
    assert "hello Ed" in screen.text
    assert "Traceback" not in screen.text


def test_json_on_a_terminal_is_not_redrawn(dev: Dev, cli: Call) -> None:
    run = start(cli, GREETING, "--input", '{"name": "Flo"}')
    screen = on_a_terminal([*POINTSMAN, "show", run, "--json", "--api-url", dev.facts.api_url], clean_environment())
    assert json.loads(screen.text)["run_id"] == run


def test_an_interrupted_watch_ends_with_130(dev: Dev, cli: Call) -> None:
    # Given somebody who watches a run that will not end
    run = start(cli, WAITING)
    watching = subprocess.Popen(
        [*POINTSMAN, "watch", run, "--api-url", dev.facts.api_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(PYTHONUNBUFFERED="1"),
        text=True,
    )
    assert watching.stdout is not None
    assert "start" in watching.stdout.readline()
    # When they interrupt it
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=60)
    # Then it ends without a word, and the run goes on
    assert (watching.returncode, err) == (130, "")
    assert cli("show", run, "--json").json["status"] == "RUNNING"
    cli("cancel", run)
