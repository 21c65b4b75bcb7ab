"""The reference page of the adaptation patterns: fields out of their models, examples out of applying them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pointsman.edit.patterns import apply_pattern, read_request, request_schema

SAMPLE: Final[Mapping[str, Any]] = {
    "name": "article",
    "nodes": [
        {"id": "fetch", "type": "http", "config": {"method": "GET", "url": "https://facts.example"}},
        {"id": "draft", "type": "agent", "config": {"task": "write"}},
        {"id": "score", "type": "agent", "config": {"task": "score"}},
        {"id": "revise", "type": "agent", "config": {"task": "revise"}},
        {"id": "publish", "type": "function", "config": {"handler": "publish"}},
        {"id": "archive", "type": "function", "config": {"handler": "archive"}},
        {"id": "notify", "type": "function", "config": {"handler": "mail"}},
    ],
    "edges": [
        {"from": "fetch", "to": "draft"},
        {"from": "draft", "to": "score"},
        {"from": "score", "to": "publish", "when": "output.points >= 80"},
        {"from": "score", "to": "revise"},
        {"from": "revise", "to": "publish"},
        {"from": "fetch", "to": "publish"},
        {"from": "publish", "to": "archive"},
        {"from": "archive", "to": "notify"},
    ],
}
"""The definition that every example is applied to."""


class Example(NamedTuple):
    """A pattern as the page shows it."""

    says: str
    request: Mapping[str, Any]


_CHECK: Final = {"id": "check", "type": "function", "config": {"handler": "check_links"}}
EXAMPLES: Final = (
    Example(
        "Links are checked before the draft is scored.",
        {"pattern": "insert_between", "from": "draft", "to": "score", "node": _CHECK},
    ),
    Example(
        "Images are made while the draft is written; scoring waits for both.",
        {"pattern": "insert_parallel", "to": "draft", "node": {"id": "images", "type": "agent"}},
    ),
    Example(
        "A long article gets a digest.",
        {
            "pattern": "insert_conditional",
            "from": "publish",
            "to": "archive",
            "when": "output.words > 1000",
            "node": {"id": "digest", "type": "agent"},
        },
    ),
    Example("Nothing is archived.", {"pattern": "delete", "nodes": "archive"}),
    Example(
        "The draft is archived, and not what was published.",
        {"pattern": "move", "nodes": "archive", "from": "draft", "to": "score"},
    ),
    Example(
        "Two take the place of one who revised.",
        {
            "pattern": "replace",
            "nodes": "revise",
            "fragment": {
                "nodes": [{"id": "edit", "type": "agent"}, {"id": "proofread", "type": "agent"}],
                "edges": [{"from": "edit", "to": "proofread"}],
            },
        },
    ),
    Example("People are told before it is archived.", {"pattern": "swap", "nodes": ["archive", "notify"]}),
    Example(
        "The draft is archived as well.",
        {"pattern": "copy", "nodes": "archive", "as": "archive_draft", "from": "draft", "to": "score"},
    ),
    Example(
        "It is drafted and scored again while it is poor.",
        {
            "pattern": "wrap_in_loop",
            "nodes": ["draft", "score"],
            "condition": "output.points < 40",
            "max_iterations": 3,
        },
    ),
    Example(
        "A request that fails is made again.",
        {"pattern": "wrap_with_retry", "nodes": "fetch", "retry": {"max_attempts": 3, "backoff_ms": 500}},
    ),
    Example("It is archived and people are told at once.", {"pattern": "parallelise", "nodes": ["archive", "notify"]}),
    Example(
        "People are told of good articles only.",
        {"pattern": "put_under_condition", "nodes": "notify", "when": "ctx.score.output.points >= 90"},
    ),
    Example("What is revised waits for the facts.", {"pattern": "add_dependency", "from": "fetch", "to": "revise"}),
    Example(
        "What is published does not wait for the facts.",
        {"pattern": "remove_dependency", "from": "fetch", "to": "publish"},
    ),
    Example(
        "Fewer points are enough.",
        {"pattern": "change_condition", "from": "score", "to": "publish", "when": "output.points >= 70"},
    ),
)
"""One of each pattern, in the order of the page."""

OPENING: Final = """\
# Adaptation patterns

Changes to the graph of a running run that people mean, each one request. A request becomes RFC 6902 operations on the
run's definition, and from there on it is a patch like any other: the run's past decides whether it is taken
([the codes](errors.md#edits-of-a-running-run) say why not), and the answer has the operations.

Written from `pointsman/edit/patterns/`.

After Weber, Reichert and Rinderle-Ma, *Change patterns and change support features* (2008). Two of its fourteen
adaptation patterns are missing: to extract a subprocess and to inline one mean nothing where no node stands for a
definition of its own.

| pattern there | here |
| --- | --- |
| AP1 insert | `insert_between` (serial), `insert_parallel`, `insert_conditional` |
| AP2 delete | `delete` |
| AP3 move | `move` |
| AP4 replace | `replace` |
| AP5 swap | `swap` |
| AP8 embed in a loop | `wrap_in_loop` |
| AP9 parallelise | `parallelise` |
| AP10 embed in a conditional branch | `put_under_condition` |
| AP11, AP12 control dependencies | `add_dependency`, `remove_dependency` |
| AP13 update condition | `change_condition` |
| AP14 copy | `copy` |
| none | `wrap_with_retry` |

## What all have in common

- **Several nodes** can stand where one can if they are entered at one of them and left at one, with their loops whole.
  `delete` takes any nodes that leave no question open.
- **Closing a gap** (`delete`, `move`): every edge that led in leads to everything that followed, with its own `when`
  and `on` and in its turn. Edges for failures go with their node. What a condition, a counting join (`any`, a number)
  or the beginning of a loop makes ambiguous is refused, with what to do first.
- **No node is left behind** without a way to it: it would begin with the run.
- **Ways that nodes say themselves** (`branch`, `break_path`, `timeout_path`) are written out as edges before one of
  them is changed; the plan stays the same.
- **Expressions are not rewritten.** Where one would read a node that is not there any more, or comes too late, the
  compiler says so and nothing is changed.
- **A refusal** has a code from EDT040 to EDT049. Its pointers lead into the request; with EDT049, into the definition
  as it would be.

The examples below are applied to this definition:

"""


def patterns_page(generated: str) -> str:
    """The page."""
    schema = request_schema()
    names = {ref.rpartition("/")[2]: name for name, ref in schema["discriminator"]["mapping"].items()}
    parts = {name: schema["$defs"][title] for title, name in names.items()}
    lines = [generated, OPENING + _block(_short(SAMPLE)), ""]
    for example in EXAMPLES:
        lines += _section(example, parts[example.request["pattern"]])
    return "\n".join([*lines, *_fragment(schema["$defs"]["FragmentForm"])])


def _section(example: Example, part: Mapping[str, Any]) -> list[str]:
    operations, _ = apply_pattern(dict(SAMPLE), read_request(dict(example.request)))
    return [
        f"## {example.request['pattern']}",
        "",
        part["description"],
        "",
        *_fields(part),
        "",
        f"{example.says}",
        "",
        _block(_short(example.request)),
        "",
        "It becomes:",
        "",
        _block(_listed(operations)),
        "",
    ]


def _fragment(part: Mapping[str, Any]) -> list[str]:
    return ["## A fragment", "", part["description"], "", *_fields(part), ""]


def _fields(part: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| `{name}` | {_kind(field)} | {'required' if name in part['required'] else ''} | {field['description']} |"
        for name, field in part["properties"].items()
        if name != "pattern"
    ]
    return ["| field | value | | meaning |", "| --- | --- | --- | --- |", *rows]


_LINKS: Final[Mapping[str, str]] = {
    "Node": "[node](definition.md#a-node)",
    "Edge": "[edge](definition.md#an-edge)",
    "RetryForm": "[retry](definition.md#retry)",
    "FragmentForm": "[fragment](#a-fragment)",
}


def _kind(field: Mapping[str, Any]) -> str:
    """A field's schema in few words."""
    match field:
        case {"$ref": str(ref)}:
            return _LINKS[ref.rpartition("/")[2]]
        case {"properties": {"type": {"const": "cel"}}}:
            return "CEL"
        case {"anyOf": kinds}:
            named = dict.fromkeys(_kind(kind) for kind in kinds if kind.get("type") != "null")
            return " or ".join(name for name in named if name != "text" or "CEL" not in named)
        case {"enum": words}:
            return ", ".join(f"`{word}`" for word in words)
        case {"type": "array", "items": items}:
            return f"list of {_kind(items)}"
        case {"type": "object"}:
            return "object"
        case {"type": "integer", "minimum": low, "maximum": high}:
            return f"whole number {low} to {high}"
        case _:
            return "text"


def _block(text: str) -> str:
    return f"```json\n{text}\n```"


def _listed(values: Iterable[Any]) -> str:
    return "[\n" + ",\n".join(f"  {json.dumps(value)}" for value in values) + "\n]"


def _short(value: Mapping[str, Any]) -> str:
    """An object with one line for each item of its lists."""
    if len(json.dumps(value)) <= 100:
        return json.dumps(value)
    members = (f"  {json.dumps(name)}: {_indented(inner)}" for name, inner in value.items())
    return "{\n" + ",\n".join(members) + "\n}"


def _indented(value: Any) -> str:
    text = _listed(value) if isinstance(value, list) and value and isinstance(value[0], dict) else json.dumps(value)
    return text.replace("\n", "\n  ")
