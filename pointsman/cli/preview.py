"""What an edit would do, as `--dry-run` shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from pointsman.cli.difference import read_difference, told_difference
from pointsman.cli.progress import run_status
from pointsman.plan import Plan

WORDS = {
    "cancelled": ("would be cancelled", "yellow"),
    "restarted": ("would be handed out anew", "yellow"),
    "skipped": ("would be skipped", "dim"),
    "undone": ("would be taken back", "dim"),
}
"""For each list of tokens in an effect, what is said of them and the style to say it in."""


def told_preview(plan: Plan, preview: Mapping[str, Any], commit: str, width: int) -> RenderableType:
    """The graph before and after, what the edit would do at once, its warnings, and the command that commits it."""
    run = preview["run_id"]
    if not preview["changed"]:
        return Text(f"{run} would stay at revision {preview['base_revision']}: the definition is that already.")
    told = Text("\n").join([*told_effect(preview["effect"]), *_warnings(preview["warnings"])])
    headline = f"{run} would go from revision {preview['base_revision']} to {preview['revision']}; nothing was changed."
    return Group(
        told_difference(plan, read_difference(preview["difference"]), width),
        Text(),
        told,
        Text(),
        Text(headline, "bold"),
        Text(f"plan hash  {preview['plan_hash']}", "dim"),
        Text(f"To commit just this: {commit}"),
    )


def told_effect(effect: Mapping[str, Any]) -> Iterator[Text]:
    """A line for each kind of thing that an edit does at once."""
    lines = list(_effects(effect))
    yield from lines or [Text("Nothing would fire, be cancelled or be skipped at once.")]


def _effects(effect: Mapping[str, Any]) -> Iterator[Text]:
    if fired := effect.get("fired"):
        names = ", ".join(f"{_name(token)} ({state})" for token, state in fired.items())
        yield Text(f"▸ would fire at once: {names}", "cyan")
    for kind, (words, style) in WORDS.items():
        if tokens := effect.get(kind):
            yield Text(f"{words}: {', '.join(map(_name, tokens))}", style)
    for token, edges in (effect.get("waiting") or {}).items():
        before, now = (", ".join(edges[name]) or "nothing" for name in ("before", "after"))
        yield Text(f"{_name(token)} would wait for {now}; it waits for {before}", "yellow")
    if status := effect.get("status"):
        yield Text("the run would be ").append_text(run_status(status))


def _warnings(warnings: list[dict[str, Any]]) -> Iterator[Text]:
    for warning in warnings:
        yield Text.assemble((f"warning {warning['code']} ", "bold yellow"), warning["message"])


def _name(token: str) -> str:
    """A token is `frame:node`; outside of loops there is no frame to tell."""
    frame, _, node = token.rpartition(":")
    return f"{node} in {frame}" if frame else node
