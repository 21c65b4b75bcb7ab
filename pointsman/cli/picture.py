"""A plan drawn in text: nodes in layers from top to bottom, and the edges between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from pointsman.base.ids import NodeId
from pointsman.cli.layers import Layers, Slot, layers_of
from pointsman.plan import Node, Plan

UP, RIGHT, DOWN, LEFT = 1, 2, 4, 8
_LINES: Final = " ╵╶└╷│┌├╴┘─┴┐┤┬┼"
"""By the sum of the directions in which a line leaves the place."""
_NARROWEST: Final = 8
_GAP: Final = 2


class Label(NamedTuple):
    """What is written for a node. `room` is kept free for it even while its text is shorter."""

    text: str
    style: str = ""
    room: int = 0


class Picture:
    """A plan that is drawn again and again, with other labels."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._layers = layers_of(plan)

    def draw(self, label: Callable[[Node], Label], width: int) -> Text:
        """Draw it within `width` columns; what is too wide for that becomes a list that says what comes after what."""
        labels = {node.id: label(node) for node in self._plan.nodes}
        widest = max((max(cell_len(label.text), label.room) for label in labels.values()), default=0) + _GAP
        most = max((len(row) for row in self._layers.rows), default=1)
        # Even, so that rows with odd and even numbers of nodes have their middles on the same columns.
        wanted, possible = (widest + 1) // 2 * 2, width // most // 2 * 2
        cell = min(wanted, possible)
        if cell < min(wanted, _NARROWEST):
            return _listing(self._plan, labels)
        columns = [[_column(index, len(row), most, cell) for index in range(len(row))] for row in self._layers.rows]
        return Text("\n").join(_rows(self._layers, labels, columns, cell))


def _column(index: int, count: int, most: int, cell: int) -> int:
    return most * cell // 2 + (2 * index - (count - 1)) * cell // 2


def _rows(layers: Layers, labels: dict[NodeId, Label], columns: list[list[int]], cell: int) -> Iterator[Text]:
    for level, (row, links) in enumerate(zip(layers.rows, layers.links, strict=True)):
        yield _labels(row, labels, columns[level], cell)
        if links:
            yield from _lines({(columns[level][upper], columns[level + 1][lower]) for upper, lower in links})


def _labels(row: list[Slot], labels: dict[NodeId, Label], columns: list[int], cell: int) -> Text:
    line = Text()
    for slot, column in zip(row, columns, strict=True):
        label = Label("│", "dim") if slot.passing else labels[slot.node]
        text = label.text if cell_len(label.text) < cell else set_cell_size(label.text, cell - 2) + "…"
        line.append(" " * (column - cell_len(text) // 2 - line.cell_len))
        line.append(text, label.style)
    return line


def _lines(links: set[tuple[int, int]]) -> Iterator[Text]:
    """The rows between two layers."""
    bars = _bars(links)
    lanes = _lanes(bars)
    count = max(lanes, default=0) + 1
    canvas: list[dict[int, int]] = [{} for _ in range(count)]
    for bar, lane in zip(bars, lanes, strict=True):
        _draw(canvas, bar, lane)
    for row in canvas:
        end = max(row)
        yield Text("".join(_LINES[row.get(column, 0)] for column in range(end + 1)), "dim")


class _Bar(NamedTuple):
    """Edges that share a horizontal line: each of `uppers` leads to each of `lowers`."""

    uppers: tuple[int, ...]
    lowers: tuple[int, ...]

    @property
    def first(self) -> int:
        return min(*self.uppers, *self.lowers)

    @property
    def last(self) -> int:
        return max(*self.uppers, *self.lowers)


def _bars(links: Iterable[tuple[int, int]]) -> list[_Bar]:
    below: dict[int, set[int]] = defaultdict(set)
    for upper, lower in links:
        below[upper].add(lower)
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for upper, lowers in sorted(below.items()):
        alike[tuple(sorted(lowers))].append(upper)
    return sorted((_Bar(tuple(uppers), lowers) for lowers, uppers in alike.items()), key=lambda bar: bar.first)


def _lanes(bars: list[_Bar]) -> list[int]:
    """For each bar the first row in which no bar before it reaches as far as it begins."""
    ends: list[int] = []
    lanes = []
    for bar in bars:
        lane = next((lane for lane, end in enumerate(ends) if end < bar.first), len(ends))
        ends[lane:] = [bar.last, *ends[lane + 1 :]]
        lanes.append(lane)
    return lanes


def _draw(canvas: list[dict[int, int]], bar: _Bar, lane: int) -> None:
    for number, row in enumerate(canvas):
        if number < lane:
            _put(row, dict.fromkeys(bar.uppers, UP | DOWN))
        elif number > lane:
            _put(row, dict.fromkeys(bar.lowers, UP | DOWN))
        else:
            _put(row, _horizontal(bar))


def _horizontal(bar: _Bar) -> dict[int, int]:
    line = dict.fromkeys(range(bar.first, bar.last + 1), LEFT | RIGHT)
    line[bar.first] &= ~LEFT
    line[bar.last] &= ~RIGHT
    for column in bar.uppers:
        line[column] |= UP
    for column in bar.lowers:
        line[column] |= DOWN
    return line


def _put(row: dict[int, int], lines: dict[int, int]) -> None:
    for column, directions in lines.items():
        known = row.get(column, 0)
        if {known, directions} == {UP | DOWN, LEFT | RIGHT}:
            row[column] = UP | DOWN  # Two lines that cross do not meet: the upright one passes over the other.
        else:
            row[column] = known | directions


def _listing(plan: Plan, labels: dict[NodeId, Label]) -> Text:
    after: dict[NodeId, list[str]] = defaultdict(list)
    for edge in plan.edges:
        after[edge.target].append(edge.source)
    rows = (
        Text.assemble((labels[node.id].text, labels[node.id].style), (_after(after[node.id]), "dim"))
        for node in plan.nodes
    )
    return Text("\n").join(rows)


def _after(sources: list[str]) -> str:
    return f"  after {', '.join(sources)}" if sources else ""
