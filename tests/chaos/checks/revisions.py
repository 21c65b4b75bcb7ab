"""What edits did to a run, by the answers and by the journal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from pointsman.base.ids import split_token
from pointsman.definition import apply_patch
from pointsman.protocol.transition import Patch
from tests.chaos.record import Run

Found = Iterator[str | tuple[str, int]]


def have_no_gap(run: Run) -> Found:
    """Revisions are counted from 2 without a gap, and each edit was made of the definition that the one before left."""
    definition, revision = "", 1
    for change, _ in run.events:
        if change.started is not None:
            definition = change.started.definition
        if change.patch is None:
            continue
        revision += 1
        if change.patch.revision != revision:
            yield f"revision {change.patch.revision} comes where {revision} is due", change.seq
        if change.patch.base_definition != definition:
            yield f"revision {revision} was made of another definition than its run had", change.seq
        definition = change.patch.definition


def do_what_was_asked(run: Run) -> Found:
    """The definition of each revision is the one before with the operations of its patch carried out."""
    for change, _ in run.events:
        patch = change.patch
        if patch is None:
            continue
        before = json.loads(run.definitions[patch.base_definition])
        after = json.loads(run.definitions[patch.definition])
        if apply_patch(before, list(patch.operations)) != after:
            yield f"revision {patch.revision} is not what its operations make of the one before", change.seq


def are_as_answered(run: Run) -> Found:
    """An edit answered with 200 is in the journal once, as the revision that was told; a refused one is not there."""
    taken = _patches(run)
    counted = Counter(patch.description for patch in taken)
    for name, count in counted.items():
        if count > 1:
            yield f"edit {name} was taken {count} times"
    by_name = {patch.description: patch.revision for patch in taken}
    for edit in run.edits:
        revision = by_name.pop(edit.id, None)
        if edit.is_taken and revision != edit.revision:
            yield f"edit {edit.id} was answered as revision {edit.revision}; in the journal it is {revision}"
        if edit.is_refused and revision is not None:
            yield f"edit {edit.id} was refused with {edit.status}; in the journal it is revision {revision}"
    for name in by_name:
        yield f"the journal has an edit {name} that nobody sent"


def removed_is_not_executed(run: Run) -> Found:
    """A node that an edit took away is not handed out behind it, and no worker begins it after the 200."""
    for edit in run.edits:
        if not edit.is_taken:
            continue
        for node in edit.removes:
            yield from _handed_out_behind(run, edit.revision, node)
            begun = [line for line in run.ledger if line.what == "handed" and line.node == node]
            # What was handed out before Redis lost all it had may have been in a worker's hands since.
            if sum(line.at > edit.answered_at for line in begun) > len(run.losses):
                yield f"edit {edit.id} removed {node}; a worker began it after the answer"


def _handed_out_behind(run: Run, revision: int, node: str) -> Found:
    current = 1
    for change, _ in run.events:
        if change.patch is not None:
            current = change.patch.revision
        for token, state in change.opened.items():
            if current >= revision and state.state == "dispatched" and split_token(token)[1] == node:
                yield f"revision {revision} removed {node}; {token} was handed out behind it", change.seq


def _patches(run: Run) -> list[Patch]:
    return [change.patch for change, _ in run.events if change.patch is not None]
