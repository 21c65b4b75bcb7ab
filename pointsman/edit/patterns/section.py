"""Sections: nodes of a definition with one way in and one way out, taken as if they were one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pointsman.base.errors import EditRefused
from pointsman.edit.patterns.refusal import listed, refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.way import Way


class Section(NamedTuple):
    """One node, or several between which everything is entered at `entry` and left at `exit`."""

    nodes: tuple[str, ...]
    entry: str
    exit: str
    ins: tuple[Way, ...]
    outs: tuple[Way, ...]
    """Taken when `exit` ended well."""

    @property
    def targets(self) -> list[str]:
        """The nodes that follow it."""
        return list(dict.fromkeys(way.target for way in self.outs))


def section_of(work: Rewrite, names: Sequence[str], field: str) -> Section:
    """The section that these nodes are.

    Args:
        work: The definition.
        names: The nodes.
        field: Where in the request they stand.

    Raises:
        EditRefused: EDT041, EDT044: they are none.
    """
    work.need(pointers_of(names, field))
    keep_loops_whole(work, names, field)
    inside = set(names)
    for region in work.regions.values():
        if inside & set(region.nodes) and not inside <= set(region.nodes) and region.id not in inside:
            raise _no_section(f"only some of them are in the loop that `{region.id}` closes", field)
    nodes = tuple(node for node in work.nodes if node in inside)
    inner = [way for way in work.ways if way.source in inside and way.target in inside]
    entry = _only("entered", set(nodes) - {way.target for way in inner}, nodes, field)
    exit_ = _only("left", set(nodes) - {way.source for way in inner if way.leads_on}, nodes, field)
    ins = tuple(way for way in work.ways if way.target in inside and way.source not in inside)
    outs = tuple(way for way in work.ways if way.source in inside and way.target not in inside and way.leads_on)
    for way in ins:
        if way.target != entry:
            raise _no_section(f"`{way.key}` enters at `{way.target}`, and what is first is `{entry}`", field)
    for way in outs:
        if way.source != exit_:
            raise _no_section(f"`{way.key}` leaves from `{way.source}`, and what is last is `{exit_}`", field)
    return Section(nodes, entry, exit_, ins, outs)


def pointers_of(names: Sequence[str], field: str) -> dict[str, str]:
    """Where in the request each of the names stands."""
    return {field if len(names) == 1 else f"{field}/{index}": name for index, name in enumerate(names)}


def keep_loops_whole(work: Rewrite, names: Iterable[str], field: str) -> None:
    """Refuse nodes among which is one that closes a loop around others.

    Raises:
        EditRefused: EDT044.
    """
    inside = set(names)
    for region in work.regions.values():
        left = [node for node in region.nodes if node not in inside]
        if region.id in inside and left:
            told = f"`{region.id}` closes the loop around {listed(left)}. Name these too, or leave it where it is."
            raise refused("EDT044", field, told)


def begun_at(work: Rewrite, section: Section) -> list[str]:
    """The loops around a section each pass of which begins with it."""
    around = (region for region in work.regions.values() if region.id not in section.nodes)
    return [str(region.id) for region in around if region.entry == section.entry]


def counts_its_ways(work: Rewrite, node: str) -> bool:
    """Whether a node begins before all ways into it have resolved: `join: any`, or a number."""
    join = work.node(node).get("join")
    return join is not None and join != "all" and not (isinstance(join, dict) and join.get("mode", "all") == "all")


def _only(verb: str, found: set[str], nodes: Sequence[str], field: str) -> str:
    if len(found) == 1:
        return found.pop()
    places = listed((node for node in nodes if node in found), " and ")
    raise _no_section(f"they are {verb} at {places}", field)


def _no_section(told: str, field: str) -> EditRefused:
    return refused("EDT044", field, f"these nodes have no single way in and single way out: {told}.")
