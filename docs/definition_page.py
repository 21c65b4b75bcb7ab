"""The reference page of the authoring language: its fields out of the models, its rules in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pointsman.compile.references import READABLE
from pointsman.definition import json_schema
from pointsman.definition.limits import MAX_DEPTH, MAX_JSON_BYTES, MAX_VALUES, MAX_YAML_BYTES

EXAMPLE: Final = "examples/article.yaml"
PARTS: Final[Mapping[str, str]] = {
    "Definition": "A definition",
    "Node": "A node",
    "Edge": "An edge",
    "JoinForm": "`join`",
    "RetryForm": "`retry`",
    "LoopForm": "`loop`",
    "BranchForm": "`branch`",
    "BranchRule": "A rule of a branch",
    "Metadata": "`metadata`",
    "LimitsForm": "`limits`",
}
"""The parts of the schema in the order of the page, and their headings."""

OPENING: Final = f"""\
<!-- Written by `make docs`; change the code it names, not this page. -->
# Definitions

What an author writes: `nodes`, the `edges` between them, and `metadata`, in JSON or YAML.

Written from `pointsman/definition/`. The JSON Schema is served at `/api/v1/schema/workflow`.

- A text that begins with a brace or bracket is JSON, every other YAML 1.2: `on`, `yes` and dates are text, keys are
  always text, a key may stand once. Aliases are written out; tags and merge keys (`<<`) are refused.
- JSON may have {MAX_JSON_BYTES >> 20} MiB, YAML {MAX_YAML_BYTES >> 20} MiB, both {MAX_VALUES:,} values {MAX_DEPTH}
  levels deep.
- A field that nothing would read is refused, everywhere but in `config` and `metadata`. Values are not converted.
- Expressions are [CEL](../concepts/expressions.md), as text or as `{{"type": "cel", "expression": "…"}}`.
- Every problem is told at once, each with its [code](errors.md), a JSON Pointer and, for texts, its line.
"""

RULES: Final = """\
## How a run goes

**Starts.** A run begins with every node that no edge leads to.

**Routing.** When a node ends, each of its out-edges becomes live or dead. Edges with `when` are tried in the order
written; edges with the same condition form one group. The first true group is live; where none is true, the edges
without `when` are. `route: all` takes every true one and all without. `on: error` and `on: timeout` edges count
only when the node failed.

**Joins.** A node with several in-edges waits for all of them to resolve and begins if one is live; dead ones do not
stop it. With `any` it begins at the first live edge, with a number at that many. A join that could never begin is
refused.

**Loops.** The body is every node on a path from `loop_back_to` to the node with `loop`. It is entered only at
`loop_back_to` and left only through that node; bodies nest or are apart. The way back is not written as an edge.
Out-edges of that node leave by `break` (the condition is false) unless they say `leave: timeout` (it is still true
after the last pass) or stand in `timeout_path`. Where a node stands in both paths, there are two edges.

**Branches.** `branch` at a node becomes edges with `when`, one for each node a rule names, in the order of the
rules; an edge without condition that leads to the same node is the same edge. In the same way `break_path` and
`timeout_path` become edges. Edges made so are named `from->to`, or `from->to.2` where that name is taken.

**Templates.** A string in `config` that is one `${ }` becomes the expression's value, inside other text it becomes
text; `$${` stands for `${`. `secret://name` is passed on as it is.

## What can be read where

"""

PATCHES: Final = """\
## Patches

A JSON Patch (RFC 6902) of a definition reaches nodes and edges by index, `-`, or id: `/nodes/notify/config/to`,
`/edges/score->notify/when`. An edge without an id of its own goes by `from->to`. What looks like an index is one: a
node whose id is `7` is reached by its index. An id is looked up in the document as the operations before left it.
Adding or moving to an id puts before that item. A patch is carried out whole or not at all.
"""

_MOMENTS: Final[Mapping[str, str]] = {
    "begins": "`config`, `wait`",
    "ends": "`when`, `loop.condition`, conditions of a `branch`",
    "run ends": "`metadata.output`",
}
_NOTES: Final[Mapping[str, str]] = {"loop": "inside loops", "ctx": "of nodes that come before, or in the same loop"}
_NAMES: Final[Mapping[str, str]] = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "object": "object",
}


def definition_page(root: Path) -> str:
    """The page, with the example under `root` in it."""
    schema = json_schema()
    parts = {"Definition": schema, **schema["$defs"]}
    lines = [OPENING, "## An example", "", "```yaml", (root / EXAMPLE).read_text().rstrip(), "```", ""]
    for name, heading in PARTS.items():
        lines += [f"## {heading}", "", parts[name]["description"], "", *_fields(parts[name]), ""]
    moments = ((_MOMENTS[moment], ", ".join(_readable(names))) for moment, names in READABLE.items())
    return "\n".join([*lines, RULES + "\n".join(_table(("in", "can be read"), moments)), "", PATCHES])


def _fields(part: dict[str, Any]) -> list[str]:
    required = part.get("required", [])
    rows = (
        (f"`{name}`", _kind(field), "required" if name in required else _default(field), field["description"])
        for name, field in part["properties"].items()
    )
    return _table(("field", "value", "default", "meaning"), rows)


def _readable(names: Iterable[str]) -> Iterator[str]:
    for name in sorted(names):
        yield f"`{name}`" + (f" ({_NOTES[name]})" if name in _NOTES else "")


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    return "" if default in (None, [], {}) or isinstance(default, dict) else f"`{default}`"


def _kind(field: dict[str, Any]) -> str:
    """A property's schema in few words."""
    match field:
        case {"anyOf": kinds}:
            named = dict.fromkeys(_kind(kind) for kind in kinds if kind.get("type") != "null")
            return " or ".join(name for name in named if name != "text" or "CEL" not in named)
        case {"$ref": str(ref)}:
            heading = PARTS[ref.rpartition("/")[2]]
            return f"[{heading.partition(' ')[2] or heading}](#{heading.lower().strip('`').replace(' ', '-')})"
        case {"enum": words}:
            return ", ".join(f"`{word}`" for word in words)
        case {"type": "array", "items": items}:
            return f"list of {_kind(items)}"
        case {"properties": {"type": {"const": "cel"}}}:
            return "CEL"
    return _NAMES.get(field.get("type", ""), "any JSON") + _bounds(field)


def _bounds(field: dict[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if high is not None:
        return f" {low} to {high}"
    return f" from {low}" if low is not None else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    cells = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
