"""The pages of adaptation patterns and of what an edit may bring; part of `codes.CODES`."""

from __future__ import annotations

from typing import Final

from pointsman.base.page import Page

_NOTHING: Final = "The pattern was not applied; the run is as it was."
_REFUSED: Final = "The patch was refused; the run is as it was."

PATTERN_PAGES: Final[dict[str, Page]] = {
    "EDT040": Page(
        "This is no request for a pattern",
        "The request names no pattern there is, or lacks a field, or has one that is of another kind or that nothing "
        "would read. Every such place is told, with its pointer into the request.",
        _NOTHING,
        "Correct the request; docs/reference/patterns.md has one of each pattern.",
        422,
    ),
    "EDT041": Page(
        "A pattern names a node that is not there",
        "The run's definition, as it is now, has no node of that id.",
        _NOTHING,
        "Use the suggested id, or read the definition again: a patch may have removed the node.",
        409,
    ),
    "EDT042": Page(
        "No such edge",
        "No edge leads from the one node to the other, or the node is no start, no end, or closes no loop.",
        _NOTHING,
        "Name two nodes of which the second follows the first; the message says which do.",
        409,
    ),
    "EDT043": Page(
        "Several edges lead there",
        "More than one edge leads from the one node to the other, and the request says only between which nodes.",
        _NOTHING,
        "Add `edge` with the id of the one that is meant.",
        409,
    ),
    "EDT044": Page(
        "Nodes that cannot be taken as one",
        "The pattern takes a node, or several that are entered at one of them and left at one, with their loops whole; "
        "or a sequence. These are neither.",
        _NOTHING,
        "Name all nodes from where the ways part to where they meet again, or name one node.",
        422,
    ),
    "EDT045": Page(
        "New nodes or edges that do not fit in",
        "The id of a new node or edge is taken or cannot be one, or edges of new nodes lead to nodes that are not new.",
        _NOTHING,
        "Give each new node an id of its own, and write only edges between new nodes; the pattern adds the others.",
        422,
    ),
    "EDT046": Page(
        "A pattern that would have no single meaning here",
        "What follows would depend on a condition, a join or a loop that the change leaves without its sense: the "
        "condition reads what a node gave that would be elsewhere, the join counts ways that would be others, a loop "
        "would begin at several nodes. Or nodes would wait for each other.",
        _NOTHING,
        "Do what the message says first, or say what you mean as a JSON Patch.",
        422,
    ),
    "EDT047": Page(
        "A node that nothing would lead to any more",
        "Taking away the last way to a node would make it begin with the run, which is hardly meant.",
        _NOTHING,
        "Delete the node too, move it, or first lead another way there.",
        422,
    ),
    "EDT048": Page(
        "A node that is not executed by workers",
        "The node runs inside the coordinator and has no attempts that could be repeated.",
        _NOTHING,
        "Name nodes that workers execute.",
        422,
    ),
    "EDT049": Page(
        "The definition would not be sound",
        "After the pattern, the compiler would refuse the definition's graph. Its problems are told, with pointers "
        "into the definition as it would be.",
        _NOTHING,
        "Look up the problems' own codes.",
        422,
    ),
}

LIMIT_PAGES: Final[dict[str, Page]] = {
    "EDT051": Page(
        "Too many operations in one patch",
        "A patch may have as many operations as `POINTSMAN_EDITS_MAX_OPERATIONS` says.",
        _REFUSED,
        "Send it in parts, each of which leaves a definition that can be executed.",
        422,
    ),
    "EDT052": Page(
        "Too many patches of one run",
        "A run takes as many patches as `POINTSMAN_EDITS_MAX_PATCHES` says, so that one that edits itself comes to "
        "an end.",
        _REFUSED,
        "Put several changes into one patch, or let the run end and start another.",
        422,
    ),
    "EDT053": Page(
        "Too many nodes after the patch",
        "A patch may not bring a definition past the number of nodes that `POINTSMAN_EDITS_MAX_NODES` says. One that "
        "is past it already may still be made smaller.",
        _REFUSED,
        "Remove nodes that are no longer needed, or use a loop in place of copies.",
        422,
    ),
    "EDT054": Page(
        "A type of node that patches may not bring",
        "Only the types that `POINTSMAN_EDITS_NODE_TYPES` lists may be added, or given to nodes. Control types are "
        "always allowed.",
        _REFUSED,
        "Use one of the types that the message lists.",
        422,
    ),
    "EDT055": Page(
        "Too many agents added to one run",
        "All patches of a run together may add as many nodes of type `agent` as `POINTSMAN_EDITS_MAX_AGENT_NODES` "
        "says: each of them can spend money, and add further ones.",
        _REFUSED,
        "Use nodes of other types, or start another run.",
        422,
    ),
}
