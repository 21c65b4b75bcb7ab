"""What was ever written is read for ever: each recorded history leads where it led when it was recorded."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from orchestrator_api.event_view import event_of
from pointsman.edit.compliance import divergence
from pointsman.edit.replay import Replay
from pointsman.expr import engine
from pointsman.plan import decode_plan
from pointsman.protocol.archive import FORMAT
from pointsman.protocol.transition import decode_event
from pointsman.protocol.version import PROTOCOL
from pointsman.step import Program
from pointsman.step.kept import read_history
from pointsman.step.past import Past
from tests.replay.recording import SCHEMA, Recording, names, recording
from tests.replay.scenarios import SCENARIOS


def folded(recorded: Recording) -> Past:
    """What the events of a recording amount to now."""
    past = Past()
    for event in recorded.events:
        assert past.take(decode_event(event.body.data), event.tip), f"event {event.seq} does not follow"
    return past


@pytest.mark.parametrize("name", names())
def test_a_recorded_history_leads_to_the_end_that_was_recorded(name: str) -> None:
    # Given a recording
    recorded = recording(name)
    # When its events are folded
    past = folded(recorded)
    # Then the state and the history for editors are those of then
    assert past.run is not None
    assert past.run == recorded.ending.run
    assert read_history(recorded.run.run_id, past.history) == recorded.ending.history
    assert (past.run.head.status, past.run.head.seq) == (recorded.ending.run.head.status, recorded.events[-1].seq)


@pytest.mark.parametrize("name", names())
def test_a_recorded_history_is_stepped_again_to_where_it_was(name: str) -> None:
    # Given a recording, its state and its plan
    recorded = recording(name)
    run = folded(recorded).run
    assert run is not None
    run.blobs = recorded.blobs
    program = Program(decode_plan(recorded.documents[run.head.plan]), engine())
    # When the signals of its history are stepped again
    done = Replay(program).of(run, recorded.ending.history)
    # Then they lead to where the run was: an edit of it would find its past as it is
    assert divergence(run, done) is None
    assert done.state.head.status == run.head.status
    assert {name: how.status for name, how in done.state.results.items()}.items() >= {
        name: how.status for name, how in run.results.items() if how.reason != "edited"
    }.items()


@pytest.mark.parametrize("name", names())
def test_recorded_events_keep_their_tips_and_can_be_shown(name: str) -> None:
    # Given a recording
    before = ""
    for event in recording(name).events:
        # When the tip of an event is derived from its bytes again
        tip = hashlib.blake2b(event.body.data, digest_size=8, key=before.encode()).hexdigest()
        # Then it is the one that was recorded, and the event can be shown
        assert tip == event.tip
        assert msgspec.json.encode(event_of(decode_event(event.body.data)))
        before = event.tip


def test_every_version_of_what_is_written_has_recordings() -> None:
    # Given all recordings
    found = [recording(name) for name in names()]
    heads = [decode_event(recorded.events[0].body.data).started for recorded in found]
    # Then each version there ever was of archives, endings and runs is among them, and each scenario
    assert {recorded.run.format for recorded in found} == set(range(1, FORMAT + 1))
    assert {recorded.ending.schema for recorded in found} == set(range(1, SCHEMA + 1))
    assert {head.protocol for head in heads if head is not None} == set(range(1, PROTOCOL + 1))
    assert set(names()) >= SCENARIOS.keys()
