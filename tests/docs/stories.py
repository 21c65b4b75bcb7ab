"""Stories that pages tell: a definition, and tables of what happens to a run of it, played through the engine.

A table with the head `| what happens | the run | its nodes |` begins a new run of the definition shown last before it.
Each row is one signal, and how the run and each of its nodes then stand. A block of JSON behind the words
`` `b` is handed `` shows the task of that node at that point.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from orchestrator_api.view import RunView, view_of
from pointsman.compile import compile_source
from pointsman.plan import Plan
from pointsman.protocol.task import encode_task
from tests.support.driven import Run, cel

HEAD: Final = "| what happens | the run | its nodes |"
_PART: Final = re.compile(
    rf"^```yaml\n(?P<yaml>.*?)^```$|^{re.escape(HEAD)}\n\|[-|]+\n(?P<rows>(?:\|[^\n]*\n)+)|`(?P<node>[\w-]+)` is handed"
    r"[^\n]*\n\n```json\n(?P<task>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_NODE: Final = re.compile(r"`([\w-]+)` (\w+)(?: \(([^)]*)\))?")
_JSON: Final = r"(?: with `(?P<json>.+?)`)?"
_NAME: Final = r"`(?P<node>[\w-]+)`(?: of `(?P<frame>[^`]+)`)?"
_ATTEMPT: Final = r"(?: as attempt (?P<attempt>\d+))?"

Words = dict[str, str | None]
ACTS: Final[dict[str, Callable[[Run, Words], object]]] = {
    rf"{_NAME} completes{_JSON}{_ATTEMPT}": lambda run, words: run.complete(
        _token(run, words), _value(words), _attempt(words)
    ),
    rf"{_NAME} fails with `(?P<error>\w+)`(?P<final>, for good)?{_ATTEMPT}": lambda run, words: run.fail(
        _token(run, words), words["error"] or "", attempt=_attempt(words), retryable=not words["final"]
    ),
    rf"the worker of {_NAME} is lost": lambda run, words: run.lose(_token(run, words)),
    rf"the pause of {_NAME} is over": lambda run, words: run.fire(f"retry:{_token(run, words)}"),
    rf"the time of {_NAME} is up": lambda run, words: run.fire(f"timeout:{_token(run, words)}"),
    rf"the deadline of {_NAME} has come": lambda run, words: run.fire(f"deadline:{_token(run, words)}"),
    rf"{_NAME} has slept": lambda run, words: run.fire(f"wait:{_token(run, words)}"),
    "the time of the run is up": lambda run, _: run.fire("run"),
    "it is paused": lambda run, _: run.pause(),
    "it is resumed": lambda run, _: run.resume(),
    "it is cancelled": lambda run, _: run.cancel(),
}
"""What a row may say happens; `it starts` comes first in each table."""


class Row(NamedTuple):
    """One row of a story: what it says, and what is so."""

    told: str
    expected: str
    found: str


def rows(page: Path) -> Iterator[Row]:
    """Play every story of a page, and compare each row with what the engine does."""
    plan: Plan | None = None
    run: Run | None = None
    for part in _PART.finditer(page.read_text()):
        if part["yaml"] is not None:
            plan, run = compile_source(part["yaml"], cel())[1].plan, None
        elif part["rows"] is not None:
            assert plan is not None, f"a story before any definition: {part['rows']}"
            for line in part["rows"].splitlines():
                happens, status, nodes = (cell.strip() for cell in line.strip("|").split(" | "))
                run = _play(plan, run, happens)
                yield Row(happens, f"{status} | {nodes}", _shown(run, status, nodes))
        else:
            assert run is not None, f"a task before any story: {part['task']}"
            yield Row(part["node"], part["task"], _task(run, part["node"], part["task"]))


def _play(plan: Plan, run: Run | None, happens: str) -> Run:
    if begun := re.fullmatch(r"it starts(?: with `(.+)`)?", happens):
        return Run(plan, json.loads(begun[1]) if begun[1] else None)
    assert run is not None, f"a story that does not begin with its start: {happens}"
    for pattern, act in ACTS.items():
        if words := re.fullmatch(pattern, happens):
            act(run, words.groupdict())
            return run
    raise AssertionError(f"nobody can play: {happens}")


def _token(run: Run, words: Words) -> str:
    """The one open token of a node, or that of the frame named; a node without one is meant in the root frame."""
    node, frame = words["node"] or "", words["frame"]
    if frame is not None:
        return f"{frame}:{node}"
    found = [name for name in run.snapshot.tokens if name.partition(":")[2] == node]
    return found[0] if len(found) == 1 else f":{node}"


def _value(words: Words) -> Any:
    return json.loads(words["json"]) if words["json"] else None


def _attempt(words: Words) -> int | None:
    return int(words["attempt"]) if words["attempt"] else None


def _shown(run: Run, status: str, nodes: str) -> str:
    """How the run stands, in as many words as the row has."""
    view = view_of(run.snapshot, run.program.plan)
    told = {name: details for name, _, details in _NODE.findall(nodes)}
    parts = [_node(view, name, told.get(name, "")) for name in view.nodes]
    order = [name for name, _, _ in _NODE.findall(nodes)]
    parts.sort(key=lambda part: order.index(part.split("`")[1]) if part.split("`")[1] in order else len(order))
    return f"{_status(view, status)} | {', '.join(parts)}"


def _status(view: RunView, told: str) -> str:
    if "`" not in told:
        return view.status
    if view.error is not None:
        return f"{view.status} `{view.error.type}`"
    return f"{view.status} `{_written(msgspec.json.decode(view.output))}`"


def _node(view: RunView, name: str, told: str) -> str:
    node = view.nodes[name]  # type: ignore[index]
    details = [_detail(part, node) for part in told.split("; ") if part]
    return f"`{name}` {node.status}" + (f" ({'; '.join(details)})" if details else "")


def _detail(told: str, node: Any) -> str:
    if told.startswith("attempt "):
        return f"attempt {node.attempt}"
    if told.startswith("in "):
        return f"in `{node.frame}`"
    if told.startswith("error "):
        return f"error `{node.error.type if node.error else None}`"
    return f"`{_written(msgspec.json.decode(node.output))}`"


def _task(run: Run, node: str, told: str) -> str:
    """The fields that the page shows of a node's task, as they are."""
    expected = json.loads(told)
    found = json.loads(encode_task(run.task(_token(run, {"node": node, "frame": None}))))
    shown = {name: found[name] for name in expected if name in found}
    return told if shown == expected else json.dumps(shown, indent=2)


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
