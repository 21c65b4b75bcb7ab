"""Random edits of random definitions, and runs of them some way on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from pointsman.base.errors import InvalidDefinition
from pointsman.compile import compile_source
from pointsman.plan import Plan
from tests.support.definitions import CONDITIONS, Document
from tests.support.driven import cel
from tests.support.edited import EditedRun
from tests.support.happenings import Happening, advance_by

TRIES = 6


class Edited(NamedTuple):
    """A definition after an edit; it compiles."""

    document: Document
    plan: Plan


def compiled(document: Document) -> Plan:
    """The plan of a definition. Raises `InvalidDefinition`."""
    return _compiled(json.dumps(document))


@lru_cache(maxsize=16)
def _compiled(text: str) -> Plan:
    return compile_source(json.loads(text), cel(), name="random")[1].plan


def additions(chance: Random, document: Document) -> Document:
    """The document with one or two nodes and a few edges more; it need not compile."""
    edited = _copy(document)
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
    edited = additions(chance, document) if chance.random() < 0.5 else _copy(document)
    edited.setdefault("edges", [])
    for _ in range(chance.randint(1, 3) if len(edited["nodes"]) > 3 else 0):
        _CHANGES[chance.choice(sorted(_CHANGES))](chance, edited)
    return edited


def _copy(document: Document) -> Document:
    copied: Document = json.loads(json.dumps(document))
    return copied


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


def lived(
    document: Document, progress: int, order: Random, *, failing: int = 0, upset: int = 0
) -> tuple[EditedRun, list[Happening]]:
    """A run of a definition some way on, but not at its end if that can be helped; and what has happened to it."""
    plan, state = compiled(document), order.getstate()
    while True:
        order.setstate(state)
        run = EditedRun(plan)
        happened = advance_by(run, progress, order, failing=failing, upset=upset)
        if not run.snapshot.is_final or not happened:
            return run, happened
        progress = len(happened) - 1


def begun(document: Document, progress: int, order: Random, *, failing: int = 0, upset: int = 0) -> EditedRun:
    """The run alone."""
    return lived(document, progress, order, failing=failing, upset=upset)[0]


def edits(chance: Random, document: Document) -> Iterator[Edited]:
    """Edits of a definition that compile, found by trying."""
    for _ in range(TRIES):
        with suppress(InvalidDefinition):
            changed = changes(chance, document)
            if changed != document:
                yield Edited(changed, compiled(changed))


def compiling(chance: Random, document: Document) -> list[Plan]:
    """The plans of some edits of a definition."""
    return [edited.plan for edited in edits(chance, document)]
