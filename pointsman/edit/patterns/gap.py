"""Gaps: where in a graph something can be put."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pointsman.edit.patterns.form import Placed
from pointsman.edit.patterns.refusal import listed, refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.way import Way


class Gap(NamedTuple):
    """The place on `way`; at the start where there is no source, at the end where there is no target."""

    way: Way | None
    source: str | None
    target: str | None

    def fill(self, work: Rewrite, entries: Sequence[str], exits: Sequence[str]) -> None:
        """Lead what led over the gap to `entries`, and from `exits` on."""
        self.enter(work, entries)
        self.leave(work, exits)

    def enter(self, work: Rewrite, entries: Sequence[str]) -> None:
        """Lead what led over the gap to `entries`."""
        if self.way is not None:
            work.lead(self.way, entries)
        elif self.source is not None:
            for entry in entries:
                work.add(Way(self.source, entry))

    def leave(self, work: Rewrite, exits: Sequence[str]) -> None:
        """Lead on from `exits`."""
        if self.target is not None:
            for exit_ in exits:
                work.add(Way(exit_, self.target))


def gap_of(work: Rewrite, placed: Placed) -> Gap:
    """The gap that a request names.

    Raises:
        EditRefused: EDT041 to EDT043, there is none there, or several.
    """
    named = {"/from": placed.source, "/to": placed.target}
    work.need({pointer: name for pointer, name in named.items() if name is not None})
    if placed.source is None:
        return _at_the_start(work, str(placed.target))
    if placed.target is None:
        return _at_the_end(work, placed.source)
    way = way_between(work, placed.source, placed.target, placed.edge)
    return Gap(way, placed.source, placed.target)


def way_between(work: Rewrite, source: str, target: str, edge: str | None) -> Way:
    """The one way from a node to another.

    Raises:
        EditRefused: EDT041 to EDT043, there is none, or several.
    """
    work.need({"/from": source, "/to": target})
    found = [way for way in work.outs(source) if way.target == target]
    if edge is not None:
        found = [way for way in found if way.key == edge]
    if not found:
        _refuse_missing(work, source, target, edge)
    if len(found) > 1:
        keys = listed((way.key for way in found), " and ")
        told = f"several edges lead from `{source}` to `{target}`: {keys}. Name one of them as `edge`."
        raise refused("EDT043", "/edge", told)
    return found[0]


def _refuse_missing(work: Rewrite, source: str, target: str, edge: str | None) -> None:
    if edge is not None:
        raise refused("EDT042", "/edge", f"no edge `{edge}` leads from `{source}` to `{target}`.")
    following = listed(way.target for way in work.outs(source)) or "no nodes"
    told = f"no edge leads from `{source}` to `{target}`; behind `{source}` come {following}."
    raise refused("EDT042", "/to", told)


def _at_the_start(work: Rewrite, target: str) -> Gap:
    before = work.ins(target)
    if before:
        told = f"`{target}` does not begin with the run; edges lead there from {listed(way.source for way in before)}."
        raise refused("EDT042", "/to", f"{told} Say behind which of these as `from`.")
    return Gap(None, None, target)


def _at_the_end(work: Rewrite, source: str) -> Gap:
    behind = [way for way in work.outs(source) if way.leads_on]
    if behind:
        told = f"`{source}` is no end; edges lead from there to {listed(way.target for way in behind)}."
        raise refused("EDT042", "/from", f"{told} Say before which of these as `to`.")
    return Gap(None, source, None)
