"""The pages of edits of a running run; part of `codes.CODES`."""

from __future__ import annotations

from typing import Final

from pointsman.base.page import Page

EDIT_PAGES: Final[dict[str, Page]] = {
    "EDT021": Page(
        "A running node would lose its activation",
        "On the new plan the node, whose task a worker has, would not have been activated.",
        "The patch was refused; the run is as it was.",
        "Leave the ways into running nodes as they are.",
        409,
    ),
    "EDT022": Page(
        "A result would not have come about",
        "On the new plan a node that completed or failed would not have.",
        "The patch was refused; the run is as it was.",
        "Attach what is new behind the nodes that have ended.",
        409,
    ),
    "EDT023": Page(
        "A dispatch would not have happened",
        "On the new plan a task that was handed out would not have been.",
        "The patch was refused; the run is as it was.",
        "Attach what is new behind the nodes that were dispatched.",
        409,
    ),
    "EDT024": Page(
        "A dispatched task would be another one",
        "On the new plan a task that was handed out would have had another type, config or origin.",
        "The patch was refused; the run is as it was.",
        "Change only nodes that were not dispatched yet.",
        409,
    ),
    "EDT025": Page(
        "A dispatch would have come later",
        "On the new plan a task that was handed out would have had to wait for something first.",
        "The patch was refused; the run is as it was.",
        "Add no edges into nodes that were dispatched.",
        409,
    ),
    "EDT026": Page(
        "A running node would be fired by other edges",
        "On the new plan other edges would have fired a node whose task a worker has.",
        "The patch was refused; the run is as it was.",
        "Add no edges into nodes that were dispatched.",
        409,
    ),
    "EDT027": Page(
        "A change that can have no effect",
        "The node has ended for good; another retry policy, timeout or metadata would never be read.",
        "The patch was refused; the run is as it was.",
        "Leave the node out of the patch.",
        409,
    ),
    "EDT028": Page(
        "A node whose history is written",
        "The node has ended or was skipped, and cannot be activated again in this run.",
        "The patch was refused: history stays.",
        "Add a new node behind it instead.",
        409,
    ),
    "EDT090": Page(
        "History does not lead to the run's state",
        "Replaying the run's history on its own plan went another way: a bug in Pointsman.",
        "The patch was refused; the run is as it was and goes on.",
        "Report it, with the run's events.",
        500,
    ),
}
