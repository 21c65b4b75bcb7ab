"""Every expression of a definition: that it compiles, that what it reads is there, and there in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from pointsman.base.errors import ExpressionError
from pointsman.base.ids import NodeId
from pointsman.compile.findings import Findings
from pointsman.compile.graph import Graph, surrounding
from pointsman.definition import Definition, Node
from pointsman.definition.model import CONTROL_TYPES
from pointsman.definition.refusal import closest
from pointsman.expr import Engine, Mixed, References
from pointsman.plan import Region

Moment = Literal["begins", "ends", "run ends"]
"""When an expression is evaluated: as its node begins, as it ends, or as the run does."""

READABLE: Final[Mapping[Moment, frozenset[str]]] = {
    "begins": frozenset({"input", "ctx", "loop", "run"}),
    "ends": frozenset({"input", "output", "ctx", "loop", "run"}),
    "run ends": frozenset({"input", "ctx", "run"}),
}
"""The variables that have a value then; `loop` inside loops only."""


class Reading(NamedTuple):
    """An expression that compiled, and where it stands."""

    pointer: str
    moment: Moment
    node: NodeId | None
    """Whose beginning or end that is."""
    text: str
    references: References
    is_after_failure: bool = False


def readings(
    graph: Graph,
    definition: Definition,
    engine: Engine,
    findings: Findings,
    strings: Callable[[Node], tuple[Mixed, ...]],
) -> list[Reading]:
    """Compile every expression; those that do not compile are in `findings` and left out.

    `strings` compiles a node's config and gives those strings of it that have expressions.
    """
    compiling = _Compiling(engine, strings, findings)
    for node, form in graph.nodes.items():
        place = graph.places.nodes[node]
        if isinstance(form.wait, str):
            compiling.expression(form.wait, f"{place}/wait", "begins", node)
        if form.type not in CONTROL_TYPES:
            compiling.template(form, f"{place}/config", node)
        if form.loop is not None:
            compiling.expression(form.loop.condition, f"{place}/loop/condition", "ends", node)
    for edge in graph.edges:
        if edge.when is not None:
            pointer = graph.places.conditions[edge.id]
            compiling.expression(edge.when, pointer, "ends", edge.source, is_after_failure=edge.on != "success")
    if definition.metadata.output is not None:
        compiling.expression(definition.metadata.output, "/metadata/output", "run ends", None)
    return compiling.done


class _Compiling:
    def __init__(self, engine: Engine, strings: Callable[[Node], tuple[Mixed, ...]], findings: Findings) -> None:
        self._engine = engine
        self._strings = strings
        self._findings = findings
        self.done: list[Reading] = []

    def expression(
        self, text: str, pointer: str, moment: Moment, node: NodeId | None, *, is_after_failure: bool = False
    ) -> None:
        try:
            references = self._engine.compile(text).references
        except ExpressionError as wrong:
            self._refuse("CMP014", wrong, pointer, " Write it without `${ }`." if text.startswith("${") else "")
        else:
            self.done.append(Reading(pointer, moment, node, text, references, is_after_failure))

    def template(self, form: Node, pointer: str, node: NodeId) -> None:
        try:
            strings = self._strings(form)
        except ExpressionError as wrong:
            self._refuse("CMP015", wrong, pointer, "")
            return
        for string in strings:
            self.done.append(Reading(pointer + string.pointer, "begins", node, string.text, string.references))

    def _refuse(self, code: str, wrong: ExpressionError, pointer: str, advice: str) -> None:
        for problem in wrong.problems:
            told = f"{problem.code} {problem.message}{advice}"
            self._findings.refuse(code, pointer + problem.pointer, told, problem.suggestion)


class Reach:
    """Which nodes can have completed before which."""

    def __init__(self, graph: Graph, regions: tuple[Region, ...]) -> None:
        self._bits = {node: 1 << place for place, node in enumerate(graph.order)}
        self._before: dict[NodeId, int] = {}
        self.around = surrounding(regions)
        for node in graph.order:
            self._before[node] = 0
            for edge in graph.ins[node]:
                self._before[node] |= self._before[edge.source] | self._bits[edge.source]

    def is_before(self, node: NodeId, reader: NodeId) -> bool:
        """Whether a path leads from `node` to `reader`."""
        return bool(self._before[reader] & self._bits[node])

    def share_a_loop(self, node: NodeId, reader: NodeId) -> bool:
        """Whether some loop goes round both, so that an earlier pass of `node` comes before a later of `reader`."""
        return self.around.get(node, ())[:1] == self.around.get(reader, ())[:1] != ()


def check_reading(reading: Reading, graph: Graph, reach: Reach, findings: Findings) -> None:
    """Check that the variables have values at that moment, and that each node read exists and comes before."""
    in_loop = reading.node in reach.around
    for variable in sorted(reading.references.variables):
        if variable not in READABLE[reading.moment] or (variable == "loop" and not in_loop):
            _refuse_variable(variable, reading, findings)
    for node in sorted(reading.references.nodes):
        if node not in graph.nodes:
            _refuse_unknown(node, reading, graph, findings)
        elif not _can_read(node, reading, reach):
            told = f"`{path_of(node)}` is never written before `{reading.node}`: no path leads there from `{node}`."
            findings.refuse("CMP013", reading.pointer, told)


def check_context(graph: Graph, reach: Reach, findings: Findings) -> None:
    """Check that the nodes whose outputs a node asks for exist and come before it."""
    for reader, form in graph.nodes.items():
        for index, name in enumerate(form.context):
            pointer, node = f"{graph.places.nodes[reader]}/context/{index}", NodeId(name)
            if node not in graph.nodes:
                findings.refuse("CMP004", pointer, f"there is no node `{name}`.", closest(name, graph.nodes))
            elif not reach.is_before(node, reader) and not reach.share_a_loop(node, reader):
                told = f"`{name}` never comes before `{reader}`: no path leads there from `{name}`."
                findings.refuse("CMP013", pointer, told)


def path_of(node: str) -> str:
    """How an expression reads a node."""
    return f"ctx.{node}" if node.isidentifier() else f'ctx["{node}"]'


def _can_read(node: NodeId, reading: Reading, reach: Reach) -> bool:
    reader = reading.node
    if reader is None or (node == reader and reading.moment == "ends"):
        return True
    return reach.is_before(node, reader) or reach.share_a_loop(node, reader)


def _refuse_unknown(node: NodeId, reading: Reading, graph: Graph, findings: Findings) -> None:
    close = closest(node, graph.nodes)
    known = close and close.strip("`")
    suggestion = known and f"`{path_of(known)}` (written by node `{known}`)"
    before = f" before `{reading.node}`" if reading.node is not None else ""
    findings.refuse("CMP012", reading.pointer, f"`{path_of(node)}` is never written{before}.", suggestion)


_WHY_NOT: Final = {
    "output": "it is what a node gave that has just ended. Read `ctx.<node>.output`",
    "loop": "there is no loop around this",
    "item": "there is no map around this",
    "index": "there is no map around this",
}


def _refuse_variable(variable: str, reading: Reading, findings: Findings) -> None:
    findings.refuse("CMP016", reading.pointer, f"`{variable}` has no value here: {_WHY_NOT[variable]}.")
