"""Random edits of random definitions, and runs of them driven to their end by a fixed rule."""

from __future__ import annotations

import zlib
from contextlib import suppress
from copy import deepcopy
from random import Random
from typing import Any

from pointsman.base.errors import InvalidDefinition
from pointsman.compile import compile_source
from pointsman.plan import Plan
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Completed, Failed
from tests.support.definitions import CONDITIONS, Document
from tests.support.driven import RUN, cel
from tests.support.edited import EditedRun

MOST_SIGNALS = 400
TRIES = 6


def compiled(document: Document) -> Plan:
    """The plan of a definition. Raises `InvalidDefinition`."""
    return compile_source(document, cel(), name="random")[1].plan


def additions(chance: Random, document: Document) -> Document:
    """The document with one or two nodes and a few edges more; it need not compile."""
    edited = deepcopy(document)
    for number in range(chance.randint(1, 2)):
        name = f"added{number}"
        names = [node["id"] for node in edited["nodes"]]
        edited["nodes"].append({"id": name, "type": "function"})
        behind = chance.sample(names, min(len(names), chance.randint(0, 2)))
        edited["edges"] = [*edited.get("edges", []), *({"from": source, "to": name} for source in behind)]
        before = chance.sample(names, chance.randint(0, 1))
        edited["edges"] += [{"from": name, "to": target} for target in before]
    return edited


def changes(chance: Random, document: Document) -> Document:
    """The document with one to three changes of any kind; it need not compile."""
    edited = additions(chance, document) if chance.random() < 0.5 else deepcopy(document)
    edited.setdefault("edges", [])
    for _ in range(chance.randint(1, 3) if len(edited["nodes"]) > 3 else 0):
        _CHANGES[chance.choice(sorted(_CHANGES))](chance, edited)
    return edited


def _remove_node(chance: Random, edited: Document) -> None:
    gone = chance.choice(edited["nodes"])["id"]
    edited["nodes"] = [node for node in edited["nodes"] if node["id"] != gone]
    edited["edges"] = [edge for edge in edited["edges"] if gone not in (edge["from"], edge["to"])]


def _bridge_node(chance: Random, edited: Document) -> None:
    """Remove a node and lead its in-edges to its targets."""
    gone = chance.choice(edited["nodes"])["id"]
    sources = [edge["from"] for edge in edited["edges"] if edge["to"] == gone]
    targets = [edge["to"] for edge in edited["edges"] if edge["from"] == gone]
    edited["nodes"] = [node for node in edited["nodes"] if node["id"] != gone]
    edited["edges"] = [edge for edge in edited["edges"] if gone not in (edge["from"], edge["to"])]
    known = {(edge["from"], edge["to"]) for edge in edited["edges"]}
    edited["edges"] += [{"from": s, "to": t} for s in sources for t in targets if (s, t) not in known]


def _remove_edge(chance: Random, edited: Document) -> None:
    if edited["edges"]:
        edited["edges"].pop(chance.randrange(len(edited["edges"])))


def _move_edge(chance: Random, edited: Document) -> None:
    if edited["edges"]:
        edge = edited["edges"].pop(chance.randrange(len(edited["edges"])))
        edited["edges"].insert(chance.randint(0, len(edited["edges"])), edge)


def _change_condition(chance: Random, edited: Document) -> None:
    if edited["edges"]:
        edge = chance.choice(edited["edges"])
        edge["when"] = chance.choice(CONDITIONS)


def _change_field(chance: Random, edited: Document) -> None:
    node = chance.choice(edited["nodes"])
    field, values = chance.choice(_FIELDS)
    node[field] = chance.choice(values)


_FIELDS: list[tuple[str, list[Any]]] = [
    ("type", ["function", "http"]),
    ("config", [{"handler": "one"}, {"handler": "two"}]),
    ("join", ["all", "any"]),
    ("retry", [{"max_attempts": 3}, {"max_attempts": 1}]),
    ("timeout_ms", [100, 9_000]),
    ("failure_policy", ["continue", "fail_fast"]),
]
_CHANGES = {
    "remove node": _remove_node,
    "bridge node": _bridge_node,
    "remove edge": _remove_edge,
    "move edge": _move_edge,
    "change condition": _change_condition,
    "change field": _change_field,
}


def begun(document: Document, progress: int, order: Random, *, failing: int = 0) -> EditedRun:
    """A run of a definition some way on, but not at its end if that can be helped."""
    plan, state = compiled(document), order.getstate()
    while True:
        order.setstate(state)
        run = EditedRun(plan)
        advance_by(run, progress, order, failing=failing)
        if not run.snapshot.is_final or not progress:
            return run
        progress //= 2


def compiling(chance: Random, document: Document) -> list[Plan]:
    """Edits of a definition that compile, found by trying."""
    found = []
    for _ in range(TRIES):
        with suppress(InvalidDefinition):
            found.append(compiled(changes(chance, document)))
    return found


def answer(token: str) -> dict[str, int]:
    """What the worker of a token answers, whenever it is asked."""
    return {"x": zlib.crc32(token.encode()) % 4}


def advance_by(run: EditedRun, signals: int, order: Random, *, failing: int = 0) -> int:
    """Take up to so many signals, each chosen by `order` among what can happen; how many there were.

    `failing` per cent of the attempts fail, always the same ones.
    """
    for taken in range(signals):
        if not _advance(run, order, failing):
            return taken
    return signals


def drive(run: EditedRun, order: Random, *, failing: int = 0) -> None:
    """Drive a run to its end."""
    taken = advance_by(run, MOST_SIGNALS, order, failing=failing)
    assert taken < MOST_SIGNALS, f"{run.open} after {taken} signals"


def _advance(run: EditedRun, order: Random, failing: int) -> bool:
    out: list[Any] = sorted(name for name, state in run.snapshot.tokens.items() if state.state == "dispatched")
    clock = sorted(run.clock)
    if out and (not clock or failing == 0 or order.random() < 0.9):
        token = order.choice(out)
        attempt = run.snapshot.tokens[token].attempt
        if zlib.crc32(f"{token}#{attempt}".encode()) % 100 < failing:
            run.take(Failed(RUN, token, attempt, "boom"))
        else:
            run.take(Completed(RUN, token, attempt, inline(answer(token))))
        return True
    if clock:
        run.fire(order.choice(clock))
        return True
    return False
