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
    "EDT030": Page(
        "The effect would be another than the one previewed",
        "The request carries the `plan_hash` of a preview, and the run has moved on since: the patch would make "
        "another plan, or fire, cancel, restart or skip other nodes.",
        "The patch was not applied; the run is as it was.",
        "Preview it again with `dry_run=true`, and send the `plan_hash` of that.",
        409,
    ),
    "EDT060": Page(
        "The edit token does not allow this node type",
        "The patch adds a node, or changes one, to a type that the token does not name.",
        "The patch was refused; the run is as it was. The refusal is in the run's patches.",
        "Add nodes of the types that the message lists. An operator can allow more with POINTSMAN_EDITS_TOKEN_TYPES.",
        403,
    ),
    "EDT061": Page(
        "The edit token allows no more nodes",
        "All nodes that were ever added with tokens of this task, or of the one who handed this token on, count "
        "together; so do those that were removed again.",
        "The patch was refused; the run is as it was. The refusal is in the run's patches.",
        "Ask for a token with more nodes, up to POINTSMAN_EDITS_TOKEN_NODES, or add fewer.",
        403,
    ),
    "EDT062": Page(
        "The edit token allows no more operations",
        "The operations of all patches that were sent with tokens of this task, or by the one who handed this "
        "token on, count together.",
        "The patch was refused; the run is as it was. The refusal is in the run's patches.",
        "Say the same in fewer operations, or ask for a token with more, up to POINTSMAN_EDITS_TOKEN_OPERATIONS.",
        403,
    ),
    "EDT063": Page(
        "Not behind the node that the edit token is for",
        "An edge would come out of a node that does not stand behind the issuing node, or nothing would lead from "
        "that to a node of the token's.",
        "The patch was refused; the run is as it was. The refusal is in the run's patches.",
        "Let each way to what you add begin at the issuing node or behind it.",
        403,
    ),
    "EDT064": Page(
        "A node that is not behind would wait",
        "An edge would lead into a node that does not stand behind the issuing node, and that node would wait for it.",
        "The patch was refused; the run is as it was. The refusal is in the run's patches.",
        "Lead edges into nodes of your own, or into those behind the issuing node.",
        403,
    ),
    "EDT065": Page(
        "A node could run that the workflow would skip",
        "The node runs only if others decide so, and an edge from elsewhere could start it without.",
        "The patch was refused; the run is as it was. The refusal is in the run's patches.",
        "Lead the edge into a node of your own, or begin its way at the node that decides.",
        403,
    ),
    "EDT066": Page(
        "Not added with this edit token",
        "The patch would change, remove or reorder nodes, edges or other things that others have put into the "
        "definition, or have changed since.",
        "The patch was refused; the run is as it was. The refusal is in the run's patches.",
        "Change only what was added with the token, and leave all else as it is.",
        403,
    ),
    "EDT067": Page(
        "No edit token makes a loop",
        "A node would close a loop, or a loop that there is would have another body. Loops multiply what a token "
        "may add.",
        "The patch was refused; the run is as it was. The refusal is in the run's patches.",
        "Add the nodes without a loop, or ask somebody with an API key.",
        403,
    ),
    "EDT068": Page(
        "A node of others would go on otherwise",
        "An edge with a condition, for a failure, or as a default would change which other edges of its node are "
        "taken, or what becomes of its failure.",
        "The patch was refused; the run is as it was. The refusal is in the run's patches.",
        "Add a plain edge to a node of your own, and put conditions behind that.",
        403,
    ),
    "EDT069": Page(
        "The edit token itself does not allow this",
        "Biscuit, evaluating the checks in the token, came to another answer than Pointsman's own reading of "
        "them: somebody made it by other means than narrowing.",
        "The patch was refused; the run is as it was. The refusal is in the run's patches.",
        "Hand tokens on with `EditToken.narrow` alone.",
        403,
    ),
    "EDT090": Page(
        "History does not lead to the run's state",
        "Replaying the run's history on its own plan went another way: a bug in Pointsman.",
        "The patch was refused; the run is as it was and goes on.",
        "Report it, with the run's events.",
        500,
    ),
}
