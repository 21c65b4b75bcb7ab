"""What an edit would do, in words: each part of an effect has a line, and the command that commits it is there."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console

from pointsman.cli.preview import told_effect, told_preview
from pointsman.edit.effect import Effect
from tests.support.plans import plan, task

PREVIEW: dict[str, Any] = {
    "run_id": "run_1",
    "base_revision": 3,
    "revision": 4,
    "changed": True,
    "operations": [],
    "difference": {"nodes_added": [{"id": "new", "kind": "task", "type": "function"}]},
    "effect": {"fired": {":new": "dispatched"}},
    "warnings": [{"code": "CMP100", "pointer": "", "message": "nothing reads it.", "line": None, "suggestion": None}],
    "plan_hash": "abc",
}


def shown(preview: dict[str, Any]) -> list[str]:
    """The lines of a preview of an edit of a run with one node."""
    console = Console(width=100, highlight=False)
    with console.capture() as captured:
        console.print(told_preview(plan(task("old")), preview, "pointsman patch run_1 ops.json", 100))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_preview_tells_graph_effect_warnings_and_how_to_commit() -> None:
    assert shown(PREVIEW) == [
        "before:",
        "  old",
        "after:",
        "   old    ✚ new",
        "",
        "✚ node new  function",
        "",
        "▸ would fire at once: new (dispatched)",
        "warning CMP100 nothing reads it.",
        "",
        "run_1 would go from revision 3 to 4; nothing was changed.",
        "plan hash  abc",
        "To commit just this: pointsman patch run_1 ops.json",
    ]


def test_a_preview_of_what_is_so_already_says_no_more() -> None:
    same = PREVIEW | {"changed": False, "revision": 3}
    assert shown(same) == ["run_1 would stay at revision 3: the definition is that already."]


def test_every_part_of_an_effect_is_told() -> None:
    # Given an effect with something in each of its parts
    effect = {
        "fired": {":a": "held"},
        "cancelled": ["polish[2]:b"],
        "restarted": [":c"],
        "skipped": [":d", ":e"],
        "undone": [":f"],
        "waiting": {":j": {"before": ["a->j"], "after": []}},
        "status": "COMPLETED",
    }
    assert effect.keys() == {field.name for field in msgspec.structs.fields(Effect)}
    # Then there is a line for each
    assert [line.plain for line in told_effect(effect)] == [
        "▸ would fire at once: a (held)",
        "would be cancelled: b in polish[2]",
        "would be handed out anew: c",
        "would be skipped: d, e",
        "would be taken back: f",
        "j would wait for nothing; it waits for a->j",
        "the run would be COMPLETED",
    ]
    assert [line.plain for line in told_effect({})] == ["Nothing would fire, be cancelled or be skipped at once."]
