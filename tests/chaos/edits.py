"""Edits by chance, of a run of which is known what it began with and what has been added since."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.chaos.definitions import DELIVERIES, PATIENT, SPARE, Document
from tests.chaos.worker import TYPE
from tests.integration.definitions import edge

Operations = list[dict[str, Any]]


class Edited:
    """A run as its editors know it. What they believe may be behind: then they are refused, and nothing is changed."""

    def __init__(self, document: Document) -> None:
        self.nodes: list[str] = [node["id"] for node in document["nodes"] if node["id"] != SPARE]
        self.edges: list[str] = [
            f"{way['from']}->{way['to']}" for way in document["edges"] if set(way) == {"from", "to"}
        ]
        self.leaves: dict[str, str] = {}
        """Branches of one node that can be taken away whole, each with the node before."""
        self.leaves[SPARE] = next(way["from"] for way in document["edges"] if way["to"] == SPARE)
        self.edges.remove(f"{self.leaves[SPARE]}->{SPARE}")

    def copy(self) -> Edited:
        """What is known of a fork of it."""
        found = Edited.__new__(Edited)
        found.nodes, found.edges, found.leaves = list(self.nodes), list(self.edges), dict(self.leaves)
        return found


class Planned:
    """An edit that may be sent, and what is known about the run once it has been taken."""

    def __init__(self, operations: Operations, removes: str = "", leaf: tuple[str, str] | None = None) -> None:
        self.operations = operations
        self.removes = (removes,) if removes else ()
        self._leaf = leaf
        self._gone: list[str] = []
        self._came: list[str] = []

    def taken(self, run: Edited) -> None:
        """It was: know so."""
        for name in self.removes:
            run.leaves.pop(name, None)
        if self._leaf is not None:
            run.leaves[self._leaf[0]] = self._leaf[1]
        run.edges = [way for way in run.edges if way not in self._gone] + self._came

    def rewiring(self, gone: str, *came: str) -> Planned:
        """The same edit, which puts other edges in the place of one."""
        self._gone, self._came = [gone], list(came)
        return self


def any_edit(chance: Random, run: Edited, name: str, longest_ms: int) -> Planned:
    """An edit; `name` is that of the node it adds, if it adds one."""
    kind = chance.choice(["behind", "behind", "between", "remove", "remove", "mark", "condition"])
    if kind == "remove" and run.leaves:
        gone = chance.choice(sorted(run.leaves))
        return Planned([_less(f"/edges/{run.leaves[gone]}->{gone}"), _less(f"/nodes/{gone}")], removes=gone)
    if kind == "between" and run.edges:
        way = chance.choice(run.edges)
        source, _, target = way.partition("->")
        operations = [_less(f"/edges/{way}"), _more(name, chance, longest_ms)]
        operations += [_link(f"{source}->{name}"), _link(f"{name}->{target}")]
        return Planned(operations).rewiring(way, f"{source}->{name}", f"{name}->{target}")
    if kind == "mark":
        place = f"/nodes/{chance.choice(run.nodes)}/metadata"
        return Planned([{"op": "add", "path": place, "value": {"mark": name}}])
    source = chance.choice(run.nodes)
    told = {"when": "output.attempt < 3"} if kind == "condition" else {}
    operations = [_more(name, chance, longest_ms), _link(f"{source}->{name}", **told)]
    return Planned(operations, leaf=(name, source))


def _more(name: str, chance: Random, longest_ms: int) -> dict[str, Any]:
    config = {"handler": "do", "ms": chance.randrange(longest_ms)}
    value = {"id": name, "type": TYPE, "config": config, "retry": PATIENT, "max_deliveries": DELIVERIES}
    return {"op": "add", "path": "/nodes/-", "value": value}


def _link(way: str, **told: Any) -> dict[str, Any]:
    return {"op": "add", "path": "/edges/-", "value": edge(way, **told)}


def _less(place: str) -> dict[str, Any]:
    return {"op": "remove", "path": place}
