"""Random requests for patterns, about nodes and edges that a random definition has."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from pointsman.edit.patterns.structure import graph_of
from tests.support.definitions import CONDITIONS, Document

Request = dict[str, Any]


def requests(chance: Random, document: Document, most: int) -> list[Request]:
    """So many requests, each of a pattern drawn anew; not all of them can be applied."""
    drawing = _Drawing(chance, document)
    return [drawing.request() for _ in range(most)]


class _Drawing:
    def __init__(self, chance: Random, document: Document) -> None:
        self.chance = chance
        graph, regions = graph_of(document)
        self.names: list[str] = list(graph.nodes)
        self.edges = graph.edges
        self.following: dict[str, list[str]] = {node: [edge.target for edge in graph.out[node]] for node in graph.nodes}
        self.regions: list[list[str]] = [list(region.nodes) for region in regions]

    def request(self) -> Request:
        pattern = self.chance.choice(sorted(_DRAWN))
        return {"pattern": pattern, **_DRAWN[pattern](self)}

    def place(self) -> Request:
        if self.edges and self.chance.random() < 0.9:
            edge = self.chance.choice(self.edges)
            return {"from": edge.source, "to": edge.target, **({"edge": edge.id} if self.chance.random() < 0.7 else {})}
        return self.chance.choice([{"from": self.chance.choice(self.names)}, {"to": self.chance.choice(self.names)}])

    def brought(self) -> Request:
        if self.chance.random() < 0.6:
            return {"node": {"id": "new", "type": self.chance.choice(["function", "parallel"])}}
        nodes = [{"id": f"new{number}", "type": "function"} for number in range(self.chance.randint(1, 3))]
        ways = [(one["id"], other["id"]) for one in nodes for other in nodes if one["id"] < other["id"]]
        chosen = self.chance.sample(ways, self.chance.randint(0, len(ways)))
        return {"fragment": {"nodes": nodes, "edges": [{"from": one, "to": other} for one, other in chosen]}}

    def some(self) -> list[str]:
        """One node, a body of a loop, nodes that follow one another, or a few without connection."""
        node = self.chance.choice(self.names)
        match self.chance.randint(0, 5):
            case 0 | 1 | 2:
                return [node]
            case 3 if self.regions:
                return self.chance.choice(self.regions)
            case 4:
                return self.chance.sample(self.names, min(len(self.names), self.chance.randint(1, 3)))
            case _:
                return self.line(node)

    def line(self, node: str) -> list[str]:
        found = [node]
        for _ in range(self.chance.randint(1, 3)):
            found += [self.chance.choice(self.following[found[-1]])] if self.following[found[-1]] else []
        return list(dict.fromkeys(found))

    def sequence(self) -> list[str]:
        """Nodes each of which is the only one behind the last, if that can be had."""
        into = Counter(str(edge.target) for edge in self.edges)
        simple = {one: next_[0] for one, next_ in self.following.items() if len(next_) == 1 and into[next_[0]] == 1}
        if not simple:
            return (self.names * 2)[:2]
        found = [self.chance.choice(sorted(simple))]
        while found[-1] in simple and len(found) < 4:
            found.append(simple[found[-1]])
        return found

    def condition(self) -> str:
        return self.chance.choice(CONDITIONS)

    def edge(self) -> Request:
        if not self.edges:
            return {"from": self.names[0], "to": self.names[-1]}
        edge = self.chance.choice(self.edges)
        return {"from": edge.source, "to": edge.target, "edge": edge.id}

    def changed_condition(self) -> Request:
        if self.regions and self.chance.random() < 0.3:
            return {"loop": self.chance.choice(self.regions)[-1], "when": self.condition()}
        return {**self.edge(), "when": self.chance.choice([self.condition(), None])}

    def dependency(self) -> Request:
        named = {"from": self.chance.choice(self.names), "to": self.chance.choice(self.names)}
        when = {"when": self.condition()} if self.chance.random() < 0.3 else {}
        return named | when | ({"id": "added"} if self.chance.random() < 0.3 else {})

    def copied(self) -> Request:
        nodes = self.some()
        return {"nodes": nodes, "as": {node: f"{node}-copy" for node in nodes}, **self.place()}

    def looped(self) -> Request:
        timeout = {"timeout_path": self.chance.choice(self.names)} if self.chance.random() < 0.3 else {}
        most = self.chance.randint(1, 2)
        return {"nodes": self.some(), "condition": self.condition(), "max_iterations": most, **timeout}


_DRAWN = {
    "insert_between": lambda drawn: {**drawn.place(), **drawn.brought()},
    "insert_parallel": lambda drawn: {"to": drawn.some(), **drawn.brought()},
    "insert_conditional": lambda drawn: {**drawn.place(), **drawn.brought(), "when": drawn.condition()},
    "delete": lambda drawn: {"nodes": drawn.some()},
    "move": lambda drawn: {"nodes": drawn.some(), **drawn.place()},
    "replace": lambda drawn: {"nodes": drawn.some(), **drawn.brought()},
    "swap": lambda drawn: {"nodes": [drawn.chance.choice(drawn.names), drawn.chance.choice(drawn.names)]},
    "copy": _Drawing.copied,
    "wrap_in_loop": _Drawing.looped,
    "wrap_with_retry": lambda drawn: {"nodes": drawn.some(), "retry": {"max_attempts": 2}},
    "parallelise": lambda drawn: {"nodes": drawn.sequence()},
    "put_under_condition": lambda drawn: {"nodes": drawn.some(), "when": drawn.condition()},
    "add_dependency": _Drawing.dependency,
    "remove_dependency": _Drawing.edge,
    "change_condition": _Drawing.changed_condition,
}
