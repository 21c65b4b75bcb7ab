"""Writes `docs/concepts/live-editing.md`: pictures of real runs, and a table of verdicts on real edits."""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.base.errors import EditRefused
from pointsman.base.ids import FrameId, token_id
from pointsman.cli.picture import Label, Picture
from pointsman.plan import Node
from tests.support.edit_table import STATES, table
from tests.support.edited import EditedRun
from tests.support.plans import edge, looping, plan, task

WIDTH = 76
GLYPHS = {"completed": "✔", "failed": "✘", "skipped": "⊘", "cancelled": "✘"}

INTRODUCTION = """# Live editing

The graph of a run can be changed while it runs: by people, and by the agents inside it. An edit touches **only the
future**, and **when it lands makes no difference** to what comes of it, as long as the run is open. Nothing is stopped
for it.

Both follow from one rule (the compliance criterion of Reichert, Rinderle and Dadam's ADEPT, made executable):

> The run's history so far is replayed on the new plan. The edit is taken if that reproduces everything that was
> handed to a worker (the same task, with the same config and payload, fired by the same edges, at or before its
> recorded place) and everything that was brought back. Where the replay ends *is* the run's state under the new plan:
> what it has activated besides is dispatched at once (**catch-up**), what it no longer has is taken back, if no worker
> has it.

There is no list of cases. The table below was found by asking the rule."""

AFTER_TABLE = """\
`EDT021` and its like are the codes of the refusal; each names the node and the shortest story that goes wrong, and has
a page in [errors](../reference/errors.md). Where a code is followed by `restart` or `cancel`, the same edit is taken
with `on_running` set to that: the task that is out is handed out anew as the next attempt, or closed. Results of what
was out before are late from then on, and change nothing.

A node of a loop has a past in the passes that ended and a future in those to come: an open pass takes an edit for nodes
not yet activated in it, later passes take it whole."""

FACTS = """## What counts as fact

Replay decides anew only what the plan decides. What the world reported is fact, whatever the new plan makes of it: that
a timer fired, that an attempt failed and was (or was not) tried again, the number an attempt had, that the run was
paused. So another retry policy changes what comes, never what was.

The history is first replayed on the plan the run has. Should that not lead to the run's own state, the edit is refused
with `EDT090`: an error of Pointsman's, never a verdict."""


def live_editing_page(generated: str) -> str:
    """The page."""
    parts = [generated, INTRODUCTION, *_pictures(), "## Cell by cell", "", *_table(), "", AFTER_TABLE, "", FACTS, ""]
    return "\n".join(parts)


def _pictures() -> Iterator[str]:
    yield from ("", "## Behind what has ended: caught up with", "")
    line = (task("fetch"), task("process"), task("report"), "fetch->process->report")
    run = EditedRun(plan(*line))
    run.complete("fetch")
    run.complete("process")
    yield from ("`process` has ended and `report` is running:", "", *_drawn(run), "")
    run.edit(plan(*line, task("notify"), "process->notify"))
    yield from ("An edge from `process` to a new node. The new node is out at once, with the stored output:", "")
    yield from (*_drawn(run), "", "## Before a join that waits: it waits for that too", "")
    join = (task("left"), task("right"), task("merge"), "left->merge", "right->merge")
    run = EditedRun(plan(*join))
    run.complete("left")
    run.edit(plan(*join, task("third"), "third->merge"))
    yield from (*_drawn(run), "", "## Inside a loop: from the pass that is open", "")
    yield from _loop()
    yield from ("", "## Refused, with the story", "")
    yield from _refused()


def _loop() -> Iterator[str]:
    body = (task("draft"), looping(task("score"), "draft", "output.x < 3"), task("send"), "draft->score", "score->send")
    run = EditedRun(plan(*body))
    run.complete("score[1]:draft")
    run.complete("score[1]:score", {"x": 1})
    run.edit(plan(*body, task("check"), "draft->check", "check->score"))
    run.complete("score[2]:draft")
    yield from ("In its second pass a loop was given a node; this pass takes it already:", "", *_drawn(run, "score[2]"))


def _refused() -> Iterator[str]:
    line = (task("draft"), task("review"), "draft->review")
    run = EditedRun(plan(*line))
    run.complete("draft")
    wanted = plan(*line, task("legal"), edge("legal->review"))
    try:
        run.edit(wanted)
    except EditRefused as refused:
        yield from ("`review` is running. An edge into it from a node that has yet to run:", "")
        yield from (
            "```",
            *(f"{problem.code} {problem.pointer}: {problem.message}" for problem in refused.problems),
            "```",
        )


def _drawn(run: EditedRun, frame: str = "") -> list[str]:
    """The run's graph with the states of its nodes; those of a pass where `frame` names one."""
    drawn = Picture(run.program.plan).draw(lambda node: Label(_label(run, node, frame)), WIDTH)
    return ["```", *(line.rstrip() for line in drawn.plain.splitlines()), "```"]


def _label(run: EditedRun, node: Node, frame: str) -> str:
    token = token_id(FrameId(frame), node.id)
    if token in run.snapshot.tokens:
        return f"▶ {node.id}"
    result = run.snapshot.results.get(token)
    return f"{GLYPHS[result.status] if result else '○'} {node.id}"


def _table() -> Iterator[str]:
    yield f"| `x` is: | {' | '.join(STATES)} |"
    yield "|---" * (len(STATES) + 1) + "|"
    for change, verdicts in table().items():
        yield f"| {change} | {' | '.join(verdicts.values())} |"
