"""The chapters on concepts tell the truth: their stories happen as they are told, their lists are whole."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from orchestrator_api.bodies import MAX_BODY_BYTES
from orchestrator_api.commands import DURABLE_S
from orchestrator_api.view import node_status
from pointsman.base.codes import CODES
from pointsman.metrics import Metrics
from pointsman.plan import FailurePolicy, Node
from pointsman.protocol.outcome import Outcome
from pointsman.protocol.state import RunStatus, TokenState
from pointsman.settings import FOR_SECRETS, FOR_TESTS, Settings, variables
from pointsman.step.draft import MAX_DISPATCHES
from supervisor.timers import RESOLUTION_S
from tests.architecture.tree import dotted, python_files
from tests.docs.pages import ROOT, pages
from tests.docs.stories import rows

CONCEPTS = ROOT / "docs" / "concepts"
CHAPTERS = ("runs", "routing", "loops", "failure", "data")


def table(name: str, head: str) -> list[list[str]]:
    """The rows of a chapter's table that begins with this head; words in backquotes stand without them."""
    _, found, rest = (CONCEPTS / f"{name}.md").read_text().partition(f"\n{head}\n")
    assert found, head
    lines = rest.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines]


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_stories_of_a_chapter_happen_as_they_are_told(name: str) -> None:
    told = list(rows(CONCEPTS / f"{name}.md"))
    assert len(told) > 3
    for row in told:
        assert f"{row.told}: {row.found}" == f"{row.told}: {row.expected}"


def test_every_state_of_runs_and_tokens_is_listed_once() -> None:
    assert [state for state, _ in table("runs", "| state | |")] == list(get_args(RunStatus))
    tokens = table("runs", "| shown as | while its token is | that is |")
    shown = {token: status for status, token, _ in tokens if token}
    assert shown == {state: node_status(state) for state in get_args(TokenState)}
    assert [answer for answer, _ in table("runs", "| apply answers | |")] == list(get_args(Outcome))


def test_every_error_of_the_engine_and_every_policy_is_listed() -> None:
    # Given every type that the engine itself gives an error
    made = {
        ast.literal_eval(call.args[0])
        for source in python_files("pointsman/step", "coordinator")
        for call in source.nodes
        if isinstance(call, ast.Call) and dotted(call.func) == "ErrorInfo" and isinstance(call.args[0], ast.Constant)
    }
    # Then the chapter has each, and the one that the coordinator makes of a large result
    listed = {kind for kind, _, _ in table("failure", "| error type | of | because |")}
    assert listed == {*made, "output_too_large"}
    policies = [policy.split("`")[0] for policy, _ in table("failure", "| `failure_policy` | |")]
    assert sorted(policies) == sorted(get_args(FailurePolicy))


def test_the_numbers_in_the_chapters_are_those_of_the_code() -> None:
    limits = Settings().coordinator
    told = {
        ("runs", "256 tasks"): MAX_DISPATCHES == 256,
        ("runs", "within 10 s"): DURABLE_S == 10,
        ("failure", "every 20 ms"): RESOLUTION_S == 0.02,
        ("failure", "`max_deliveries` (5)"): Node.__struct_defaults__[
            Node.__struct_fields__.index("max_deliveries") - 2
        ]
        == 5,
        ("data", "(32 KiB)"): limits.inline_limit_bytes == 32 << 10,
        ("data", "(8 MiB)"): limits.max_signal_bytes == 8 << 20,
        ("data", "requests of up to 8 MiB"): MAX_BODY_BYTES == 8 << 20,
    }
    missing = [words for (name, words) in told if words not in (CONCEPTS / f"{name}.md").read_text()]
    assert (missing, [words for words, holds in told.items() if not holds]) == ([], [])


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_settings_metrics_and_codes_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    settings = {variable.name for variable in variables()}
    metrics = {metric.name for metric in Metrics().declared}
    named = re.findall(r"\bPOINTSMAN_[A-Z_]+", text)
    assert [name for name in named if name not in settings and not name.startswith((FOR_SECRETS, FOR_TESTS))] == []
    assert [name for name in re.findall(r"`(pointsman_[a-z_]+[a-z])`", text) if name not in metrics] == []
    assert [code for code in re.findall(r"`([A-Z]{3}\d{3})`", text) if code not in CODES] == []


def test_every_page_is_found_from_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    below = (page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md"))
    assert [page for page in below if f"({page})" not in index and not page.startswith(("README", "decisions/0"))] == []
