"""The pages of what is wrong with a definition or with a patch of one; part of `codes.CODES`."""

from __future__ import annotations

from typing import Final

from pointsman.base.page import Page


def _refused(title: str, meaning: str, remedy: str) -> Page:
    return Page(title, meaning, "Nothing was stored or started.", remedy, http=422)


def _unpatched(title: str, meaning: str, remedy: str, http: int) -> Page:
    return Page(title, meaning, "The patch was refused as a whole; nothing changed.", remedy, http)


def _accepted(title: str, meaning: str, result: str, remedy: str) -> Page:
    return Page(f"Warning: {title}", meaning, f"The definition was accepted. {result}", remedy)


DEFINITION_PAGES: Final[dict[str, Page]] = {
    "DEF001": _accepted(
        "The text is not JSON or YAML",
        "The text of a definition breaks the rules of its format; line and column are in the message.",
        "Nothing was stored or started.",
        "Correct the text at that place. A text that begins with a brace or bracket is read as JSON, every other "
        "as YAML 1.2.",
    ),
    "DEF002": _accepted(
        "A key stands twice",
        "An object of the definition has the same key twice. JSON and YAML readers differ in which one counts.",
        "Nothing was stored or started.",
        "Remove one of the two; the message names both lines.",
    ),
    "DEF003": _accepted(
        "The definition is too large",
        "The text has too many bytes, its values nest too deep, or there are too many of them once aliases are "
        "written out.",
        "Nothing was stored or started.",
        "Make it smaller; the limits are in docs/reference/definition.md.",
    ),
    "DEF004": _accepted(
        "A value that JSON does not have",
        "YAML and Python can hold more than JSON: tags, keys that are no text, infinity, halves of characters. A "
        "definition is JSON.",
        "Nothing was stored or started.",
        "Write the value as text, a number, true, false, null, a list or an object.",
    ),
    "DEF005": _accepted(
        "This is no definition",
        "The document is a list, a number or a text. A definition is an object with `nodes` and `edges`.",
        "Nothing was stored or started.",
        "Send the definition itself.",
    ),
    "DEF006": _accepted(
        "Unknown field",
        "A field has a name that nothing would read: most likely a typing error.",
        "Nothing was stored or started.",
        "Use the suggested name, put what is your own under `metadata`, or remove the field.",
    ),
    "DEF007": _accepted(
        "A field is missing",
        "A part of the definition lacks a field that it cannot be without.",
        "Nothing was stored or started.",
        "Add the field; docs/reference/definition.md says what it means.",
    ),
    "DEF008": _accepted(
        "A field cannot have this value",
        "The value is not of the kind, or not within the bounds, that its field asks for. Values are not "
        'converted: "5" is no number.',
        "Nothing was stored or started.",
        "Write a value of the kind named in the message.",
    ),
    "CMP001": _refused(
        "There are no nodes",
        "The definition's list of nodes is empty.",
        "Add a node.",
    ),
    "CMP002": _refused(
        "Bad node id",
        "The id of a node may have letters, digits, `_` and `-`, at most 64 of them.",
        "Rename the node; `name` may be any text.",
    ),
    "CMP003": _refused(
        "Two nodes have one id",
        "Two nodes have the same id, so nothing could tell them apart.",
        "Rename one of them.",
    ),
    "CMP004": _refused(
        "There is no such node",
        "An edge, a branch, a path of a loop or `context` names a node that the definition does not have.",
        "Use the suggested id, or add the node.",
    ),
    "CMP005": _refused(
        "No loop is left here",
        "`leave` stands on an edge whose source closes no loop, or that is only taken when its source fails.",
        "Remove `leave`, or put it on an edge out of the node that closes the loop.",
    ),
    "CMP006": _refused(
        "Two edges have one id",
        "Edges are named `from->to`, and two edges have the same name.",
        "Give one of them an `id` of its own.",
    ),
    "CMP007": _refused(
        "Said twice",
        "One thing is said in two places or in two spellings.",
        "Keep one of them.",
    ),
    "CMP008": _refused(
        "The field does not fit the node",
        "A node lacks a field that its type needs, or has one that contradicts its type or another field.",
        "Add or remove the field that the message names.",
    ),
    "CMP009": _refused(
        "A cycle that is no loop",
        "Edges lead round in a circle. Each node runs once in a pass, so such a run could never go on.",
        "Remove the edge, or give the node it comes from a `loop`, which says when to stop.",
    ),
    "CMP010": _refused(
        "A node is never reached",
        "The only ways to a node come out of a cycle that no run can get into.",
        "Add an edge that leads to it, or mend the cycle.",
    ),
    "CMP011": _refused(
        "A run could begin nowhere",
        "Every node has an edge that leads to it; a run begins with the nodes that have none.",
        "Remove an edge that leads back to the first node.",
    ),
    "CMP012": _refused(
        "An expression reads a node there is not",
        "An expression reads `ctx.<node>`, and the definition has no such node.",
        "Use the suggested id.",
    ),
    "CMP013": _refused(
        "A node is read too early",
        "An expression or `context` reads a node that can only run later, or beside it.",
        "Add an edge from the node that is read, or read another one.",
    ),
    "CMP014": _refused(
        "An expression does not compile",
        "A condition, a wait or the output is no valid CEL; the code of the error in it is in the message.",
        "Correct the expression at the column named; docs/concepts/expressions.md has the language.",
    ),
    "CMP015": _refused(
        "A template does not compile",
        "A `${ }` in a node's config holds no valid CEL.",
        "Correct the expression. `$${` stands for the text `${`.",
    ),
    "CMP016": _refused(
        "A variable has no value here",
        "The variable exists, but not at the moment this expression is evaluated.",
        "Read something else; docs/reference/definition.md has a table of what can be read where.",
    ),
    "CMP017": _refused(
        "A loop goes round nothing",
        "No path leads from `loop_back_to` to the node that closes the loop.",
        "Name a node from which the loop's node is reached, or the node itself.",
    ),
    "CMP018": _refused(
        "A loop is entered in the middle",
        "An edge leads into the body of a loop past the node where each pass begins.",
        "Let the edge lead to that node, or move the node it leads to out of the loop.",
    ),
    "CMP019": _refused(
        "A loop is left in the middle",
        "An edge leads out of the body of a loop from another node than the one that closes it; or a node in the "
        "body leads nowhere.",
        "Let it lead to the node that closes the loop, and go on from there.",
    ),
    "CMP020": _refused(
        "Two loops overlap",
        "The bodies of two loops share nodes, and neither is inside the other.",
        "Let one contain the other, or take them apart.",
    ),
    "CMP021": _refused(
        "The way back is written as an edge",
        "An edge leads from the node that closes a loop to where it begins. `loop_back_to` says that already.",
        "Remove the edge.",
    ),
    "CMP022": _refused(
        "A loop is left into itself",
        "An edge or path out of a loop leads back into its body.",
        "Let it lead to a node behind the loop.",
    ),
    "CMP023": _refused(
        "A loop may go round too often",
        "A loop's `max_iterations` is above what the definition allows a whole run.",
        "Lower it, or raise `metadata.limits.max_loop_iterations`.",
    ),
    "CMP024": _refused(
        "A join can never begin",
        "A join waits for more live edges than any run can bring it: fewer lead to it, or they exclude each other.",
        "Lower its count, or let more edges lead to it.",
    ),
    "CMP025": _refused(
        "An edge can never be taken",
        "An `on: error` or `on: timeout` edge comes out of a control node that cannot end so.",
        "Remove the edge.",
    ),
    "CMP026": _refused(
        "Too many nodes",
        "The definition has more nodes than `metadata.limits.max_nodes` allows.",
        "Split the workflow, or raise the limit.",
    ),
    "CMP101": _accepted(
        "what is read may not be there",
        "On some path the node that an expression reads has not completed by then: it was skipped, failed, or is "
        "still running.",
        "On that path the expression raises: a condition counts as false, a config fails its node.",
        "Ask `has(ctx.<node>)` first, or route so that the node always completes before.",
    ),
    "CMP102": _accepted(
        "a branch without default",
        "All edges that a node chooses from have conditions, so it can be that none is taken.",
        "Where no condition is true, what is behind is skipped, and `no_branch_taken` says so.",
        "Add an edge without a condition, unless that is what you want.",
    ),
    "CMP103": _accepted(
        "an edge is never taken",
        "An edge before it has the condition `true` and is tried first.",
        "The edge is dead in every run.",
        "Change the order or the conditions, or remove the edge.",
    ),
    "CMP104": _accepted(
        "a field has no effect",
        "The field is about workers, and no worker executes a node of this type.",
        "The field was left out of the plan.",
        "Remove the field.",
    ),
    "CMP105": _accepted(
        "a timeout edge without a timeout",
        "An `on: timeout` edge comes out of a node that has no time limit.",
        "The edge is dead in every run.",
        "Give the node `timeout_ms` or `deadline_ms`, or remove the edge.",
    ),
    "CMP106": _accepted(
        "a node stands alone",
        "No edge leads to the node or away from it, while others are connected.",
        "The node starts with the run, and nothing waits for it.",
        "Add the edge that was forgotten, unless that is what you want.",
    ),
    "CMP107": _accepted(
        "a loop has no way out by break",
        "The loop's node has edges for when all passes are used up, and none for when the condition is false.",
        "When the condition is false, what is behind the loop is skipped.",
        "Add a `break_path`, or an edge out of the node.",
    ),
}

PATCH_PAGES: Final[dict[str, Page]] = {
    "EDT001": _unpatched(
        "This is no patch",
        "A patch is a list of operations, each an object (RFC 6902).",
        'Send a list; `{"operations": [...]}` holds one.',
        400,
    ),
    "EDT002": _unpatched(
        "Unknown operation",
        "`op` is none of `add`, `remove`, `replace`, `move`, `copy` and `test`.",
        "Use one of them.",
        400,
    ),
    "EDT003": _unpatched(
        "An operation lacks a member",
        "Every operation needs `path`; `add`, `replace` and `test` need `value`, `move` and `copy` need `from`.",
        "Add the member.",
        400,
    ),
    "EDT004": _unpatched(
        "This is no JSON Pointer",
        "A pointer is empty or begins with `/`; `~` stands only in `~0` (for `~`) and `~1` (for `/`), as of RFC 6901.",
        "Correct the pointer.",
        400,
    ),
    "EDT005": _unpatched(
        "Nothing is there",
        "An operation names a member or an id that the document does not have at that moment.",
        "Use the suggested name. Earlier operations of the same patch have been applied by then; `add` to "
        "`/nodes/-` appends.",
        409,
    ),
    "EDT006": _unpatched(
        "No such index",
        "An operation names a place in a list that does not exist, or something that is no index.",
        "Use an index within the list, `-` for behind its last item, or the id of a node or edge.",
        409,
    ),
    "EDT007": _unpatched(
        "A test failed",
        "The document does not have the value that a `test` operation asked for: it was changed since you read it.",
        "Read the definition again and decide anew.",
        409,
    ),
    "EDT008": _unpatched(
        "A value cannot go into itself",
        "A `move` leads from a value to a place inside of it.",
        "Use `copy`, or another place.",
        422,
    ),
    "EDT009": _unpatched(
        "An id that is not alone",
        "Several items of the list have the id that an operation names.",
        "Say which one by its index, and give each an id of its own.",
        409,
    ),
    "EDT010": _unpatched(
        "The document itself",
        "An operation would remove the whole document, or replace it by something that is no object.",
        "Name a place inside the document.",
        422,
    ),
    "EDT011": _unpatched(
        "The patch makes the document too large",
        "`copy` would make more values, or nest them deeper, than a definition may have.",
        "Copy less; the limits are in docs/reference/definition.md.",
        422,
    ),
}
