"""Applying transitions: all of one, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.base.ids import Millis, TokenId
from pointsman.ports.run_store import Link
from pointsman.ports.signal_source import Delivery
from pointsman.protocol.output import Output, inline, output_of
from pointsman.protocol.signal import WireSignal, encode_wire
from pointsman.protocol.state import ErrorInfo, Frame, OpenToken, Result, Timer
from pointsman.protocol.transition import Message
from tests.conformance.worlds import World
from tests.support.stories import PLAN_BODY, START, Story, body, completed_signal, dispatched


async def started(world: World, *nodes: str, **told: Any) -> Story:
    """A run that has started with tasks for `nodes`."""
    story = Story("run_1", *nodes, **told)
    assert await world.store.start(story.first, PLAN_BODY) == "started"
    return story


async def delivered(world: World, signal: bytes) -> Delivery:
    """A signal that consumer `c1` was given."""
    source = world.source("c1")
    await source.send([signal])
    (delivery,) = await source.read(10, 1_000)
    return delivery


async def test_an_applied_transition_is_there_whole(world: World) -> None:
    # Given a run whose task is done
    story = await started(world, "a")
    delivery = await delivered(world, completed_signal("run_1", ":a"))
    # When the transition it causes is applied
    link = Link(story.completes("a", "b", "c", output=inline({"score": 0.5})), delivery.id)
    story.take(link.sealed)
    outcomes = await world.store.apply([link])
    # Then the snapshot has moved on, the task is replaced, the signal is acknowledged, the event is out
    assert outcomes == ["applied"]
    assert await world.store.load([story.run]) == {story.run: story.snapshot}
    assert await world.tasks("function") == [body("run_1", ":b"), body("run_1", ":c")]
    assert await world.counter(story.run) == 2
    assert await world.waiting() == []
    assert await world.source("c2").claim(0, 10) == []
    assert [event.body for event in await world.events()] == [story.first.event, link.sealed.event]


async def test_a_redelivered_signal_changes_nothing(world: World) -> None:
    # Given a run whose only task was taken by the first delivery of its signal
    story = await started(world, "a", "b")
    link = Link(story.completes("a", output=inline(1)), (await delivered(world, completed_signal("run_1", ":a"))).id)
    await world.store.apply([link])
    before = await world.store.dump()
    # When the same transition comes again, as it was stepped from the snapshot before
    outcomes = await world.store.apply([link])
    # Then it is stale, and not one byte differs
    assert outcomes == ["stale"]
    assert await world.store.dump() == before


async def test_a_transition_from_another_tip_is_stale(world: World) -> None:
    # Given two coordinators that stepped the same snapshot
    story = await started(world, "a", "b")
    ours, theirs = story.completes("a"), story.completes("b")
    delivery = await delivered(world, completed_signal("run_1", ":a"))
    # When the other one is first
    await world.store.apply([Link(theirs)])
    before = await world.store.dump()
    outcomes = await world.store.apply([Link(ours, delivery.id)])
    # Then ours is refused whole, its signal not acknowledged
    assert outcomes == ["stale"]
    assert await world.store.dump() == before
    assert len(await world.waiting()) == 1


async def test_a_chain_is_applied_in_one_go(world: World) -> None:
    # Given a chain of three steps, stepped in memory
    story = await started(world, "a")
    chain = []
    for node, following in (("a", "b"), ("b", "c"), ("c", "d")):
        chain.append(Link(story.completes(node, following)))
        story.take(chain[-1].sealed)
    # When it is applied
    outcomes = await world.store.apply(chain)
    # Then the run stands at its end
    assert outcomes == ["applied", "applied", "applied"]
    assert await world.store.load([story.run]) == {story.run: story.snapshot}
    assert await world.tasks("function") == [body("run_1", ":d")]


async def test_a_foreign_transition_makes_the_whole_chain_stale(world: World) -> None:
    # Given a chain t0 -> t1 -> t2, and a foreign transition that makes the run's seq what the second link expects
    story = await started(world, "a", "b")
    foreign = story.completes("b")
    first = story.completes("a", "c")
    story.take(first)
    second = story.completes("c", "d")
    assert second.transition.seq - 1 == foreign.transition.seq
    await world.store.apply([Link(foreign)])
    before = await world.store.dump()
    # When the chain is applied
    outcomes = await world.store.apply([Link(first), Link(second)])
    # Then not even its second link is taken
    assert outcomes == ["stale", "stale"]
    assert await world.store.dump() == before


async def test_chains_of_several_runs_go_out_together(world: World) -> None:
    # Given three runs, one of which has moved on meanwhile
    stories = [Story(f"run_{number}", "a", "z") for number in range(3)]
    for story in stories:
        await world.store.start(story.first, PLAN_BODY)
    links = [Link(story.completes("a", "b")) for story in stories]
    await world.store.apply([Link(stories[1].tell(closed=(TokenId(":z"),)))])
    # When all are applied in one call
    outcomes = await world.store.apply(links)
    # Then each has its own answer
    assert outcomes == ["applied", "stale", "applied"]


async def test_a_verdict_that_changes_nothing_is_confirmed(world: World) -> None:
    # Given a signal that changes nothing, as the current snapshot has it
    story = await started(world, "a")
    before = await world.store.dump()
    delivery = await delivered(world, completed_signal("run_1", ":gone"))
    # When the verdict is applied
    outcomes = await world.store.apply([Link(story.idles(), delivery.id)])
    # Then the signal is acknowledged, and that is all
    assert outcomes == ["applied"]
    assert await world.waiting() == []
    assert await world.store.dump() == before


async def test_a_verdict_of_an_outdated_cache_is_not_taken(world: World) -> None:
    # Given a verdict from a snapshot in which the token is not open yet
    story = await started(world, "a")
    verdict = story.idles()
    await world.store.apply([Link(story.tell(opened={":b": dispatched()}))])
    delivery = await delivered(world, completed_signal("run_1", ":b"))
    before = await world.store.dump()
    # When it is applied
    outcomes = await world.store.apply([Link(verdict, delivery.id)])
    # Then the signal stays, to be stepped again
    assert outcomes == ["stale"]
    assert await world.store.dump() == before


async def test_a_final_run_is_closed_and_the_signal_acknowledged(world: World) -> None:
    # Given a run that has ended, and a late signal
    story = await started(world, "a")
    await world.store.apply([Link(story.completes("a", last=True, output=inline({"ok": True})))])
    events, before = await world.events(), await world.store.load([story.run])
    delivery = await delivered(world, completed_signal("run_1", ":a", 2))
    # When it is applied, stepped from a snapshot in which the run was open
    outcomes = await world.store.apply([Link(story.completes("a", "b"), delivery.id)])
    # Then the run is as it was, and the signal is gone
    assert outcomes == ["closed"]
    assert await world.store.load([story.run]) == before
    assert (await world.events(), await world.waiting(), await world.tasks("function")) == (events, [], [])


async def test_a_run_that_is_not_there_is_missing(world: World) -> None:
    # Given a signal for a run that was cleaned up
    story = Story("run_gone", "a")
    delivery = await delivered(world, completed_signal("run_gone", ":a"))
    # When what was stepped is applied
    outcomes = await world.store.apply([Link(story.completes("a"), delivery.id)])
    # Then the signal is acknowledged, and no run appeared
    assert outcomes == ["missing"]
    assert await world.waiting() == []
    assert await world.store.load([story.run]) == {}


async def test_nothing_is_applied_where_state_was_lost(world: World) -> None:
    # Given a store whose epoch is gone
    story = await started(world, "a")
    delivery = await delivered(world, completed_signal("run_1", ":a"))
    await world.lose_state()
    before = await world.store.dump()
    # When a transition and a verdict are applied
    outcomes = await world.store.apply([Link(story.completes("a")), Link(story.idles(), delivery.id)])
    # Then nothing is written, the signal not acknowledged
    assert outcomes == ["fenced", "fenced"]
    assert await world.store.dump() == before


async def test_a_task_that_goes_on_keeps_its_place_on_the_stream(world: World) -> None:
    # Given two tasks that are out
    story = await started(world, "a", "b")
    # When the token of one changes in other ways (its run was paused, say), and then it completes
    timer = Timer(2, Millis(START + 5_000), 300)
    await world.store.apply([Link(story.tell("pause", opened={":a": dispatched(timers={"timeout::a": timer})}))])
    kept = await world.tasks("function")
    await world.store.apply([Link(story.completes("a"))])
    # Then its entry stood there until the end, and no longer
    assert kept == [body("run_1", ":a"), body("run_1", ":b")]
    assert await world.tasks("function") == [body("run_1", ":b")]


async def test_a_failed_attempt_leaves_its_stream_until_it_is_tried_again(world: World) -> None:
    # Given a task that failed and backs off
    story = await started(world, "a")
    waiting = OpenToken("backing_off", 2, error=ErrorInfo("boom", "it broke"), activated_at=START)
    backing_off = {"opened": {":a": waiting}, "withdrawn": {":a": "function"}}
    await world.store.apply([Link(story.tell("failed", **backing_off))])
    away = await world.tasks("function")
    # When it is dispatched again, to another type of worker
    again = dispatched(attempt=2, task_type="agent")
    task = story.dispatch(TokenId(":a"), 2, "agent")
    await world.store.apply([Link(story.tell("timer", opened={":a": again}, dispatches=(task,)))])
    # Then it stands on that stream only
    assert away == []
    assert await world.tasks("function") == []
    assert await world.tasks("agent") == [body("run_1", ":a", 2)]
    assert await world.store.load([story.run]) == {story.run: story.snapshot}
    assert await world.counter(story.run) == 1


async def test_what_a_worker_held_is_taken_away_and_handed_out_anew(world: World) -> None:
    # Given a task that a worker was lost over
    story = await started(world, "a")
    again = dispatched(attempt=2, deliveries=1)
    changes = {
        "opened": {":a": again},
        "withdrawn": {":a": "function"},
        "dispatches": (story.dispatch(TokenId(":a"), 2),),
    }
    # When its next attempt goes out in the same transition
    await world.store.apply([Link(story.tell("worker_lost", **changes))])
    # Then only the new one stands on the stream
    assert await world.tasks("function") == [body("run_1", ":a", 2)]
    assert await world.counter(story.run) == 1


async def test_in_edges_of_a_join_come_back_in_the_order_they_resolved(world: World) -> None:
    # Given a join whose in-edges resolve one after the other, in an order of their own
    story = await started(world, "a")
    token = TokenId(":join")
    edges = [(f"n{number * 7 % 12}->join", how) for number, how in enumerate(("live", "dead", "failed") * 4)]
    # When each comes with a transition of its own, the last two together
    for edge, how in edges[:-2]:
        await world.store.apply([Link(story.tell(joined={token: {edge: how}}))])
    await world.store.apply(
        [Link(story.tell(joined={token: dict(edges[-2:]), TokenId(":other"): {"my edge": "live"}}))]
    )
    # Then the tally has them in that order
    tally = (await world.store.load([story.run]))[story.run].joins
    assert list(tally[token].items()) == edges
    assert tally == story.snapshot.joins
    # And when it goes, nothing of it remains
    await world.store.apply([Link(story.tell(unjoined=(token, TokenId(":other"))))])
    assert (await world.store.load([story.run]))[story.run].joins == {}


async def test_passes_come_and_go_with_all_that_is_theirs(world: World) -> None:
    # Given a run inside the first pass of a loop, some results behind it
    story = await started(world, "a")
    done = Result("completed", 1, START, START, inline([1]))
    inside = {":a": done, "polish[1]:draft": done, "polish[1]:score": done}
    await world.store.apply([Link(story.tell(frames={"polish[1]": Frame(1, START, 1)}, ended=inside, passes_made=1))])
    # When the pass ends and the next one begins
    gone = ("polish[1]:draft", "polish[1]:score")
    change = {
        "frames_ended": ("polish[1]",),
        "frames": {"polish[2]": Frame(1, START, 2)},
        "forgotten": gone,
        "passes_made": 1,
    }
    await world.store.apply([Link(story.tell(ended={":draft": done, ":score": done}, **change))])
    # Then what was in it is gone, what it handed up is there
    found = (await world.store.load([story.run]))[story.run]
    assert found == story.snapshot
    assert set(found.results) == {":a", ":draft", ":score"}
    assert (list(found.frames), found.head.passes_made) == (["polish[2]"], 2)


async def test_a_run_ends_with_its_status_output_and_error(world: World) -> None:
    # Given a run with a failure behind it that nothing took
    story = await started(world, "a", "b")
    error = ErrorInfo("boom", "node `a` failed")
    await world.store.apply([Link(story.tell(failed=True, error=error, closed=(":a",), withdrawn={":a": "function"}))])
    # When it ends
    outcomes = await world.store.apply(
        [Link(story.tell(status="FAILED", closed=(":b",), withdrawn={":b": "function"}))]
    )
    # Then all of that is on record
    assert outcomes == ["applied"]
    found = (await world.store.load([story.run]))[story.run]
    assert found == story.snapshot
    assert (found.head.status, found.head.failed, found.head.error) == ("FAILED", True, error)
    assert found.head.ended_at == story.now
    assert await world.counter(story.run) == 0


async def test_more_tokens_than_one_transition_emits_follow_by_a_signal(world: World) -> None:
    # Given a transition that leaves tokens queued
    story = await started(world, "a")
    queued = {f":q{number}": OpenToken("queued") for number in range(5_000)}
    # When it is applied
    outcomes = await world.store.apply([Link(story.tell(opened=queued, tokens_made=5_000, more=True))])
    # Then all of them are open, and the run has sent itself a signal
    assert outcomes == ["applied"]
    assert await world.store.load([story.run]) == {story.run: story.snapshot}
    assert await world.counter(story.run) == 5_001
    assert await world.waiting() == [encode_wire(WireSignal("continue", run_id="run_1"))]
    # And they can all be closed at once
    outcomes = await world.store.apply([Link(story.tell("cancel", closed=tuple(queued)))])
    assert outcomes == ["applied"]
    assert await world.counter(story.run) == 1


async def test_messages_are_applied_with_the_transition(world: World) -> None:
    # Given a transition that has an effect on another run
    story = await started(world, "a")
    message = Message("run_1:2:0", "start_child", {"run_id": "child"})
    # When it is applied
    outcomes = await world.store.apply([Link(story.tell(messages=(message,)))])
    # Then it is as whole as ever
    assert outcomes == ["applied"]
    assert await world.store.load([story.run]) == {story.run: story.snapshot}
    assert b"child" in repr(await world.store.dump()).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"{}",
        b'{"a":[],"b":{},"c":""}',
        b"123456789012345678901234567890",
        b"0.1000",
        b'"\\u0000 \xc3\xa9 \\n"',
        b"[ 1 , 2 ]",
    ],
)
async def test_outputs_pass_byte_for_byte(world: World, data: bytes) -> None:
    # Given a result that a JSON library would spell otherwise
    story = await started(world, "a")
    output = output_of(data)
    # When it is applied and loaded
    link = Link(story.completes("a", output=output, last=True))
    story.take(link.sealed)
    await world.store.apply([link])
    found = (await world.store.load([story.run]))[story.run]
    # Then not a byte of it differs, where the node's result or the run's output
    assert bytes(found.results[TokenId(":a")].output.data) == data
    assert bytes(found.head.output.data) == data
    assert found == story.snapshot


async def test_ten_megabytes_pass_a_transition_unchanged(world: World) -> None:
    # Given a result, and a task made from it, of 10 MB
    story = await started(world, "a")
    data = b'"' + b"x" * 10_000_000 + b'"'
    link = Link(story.completes("a", "b", output=output_of(data)))
    story.take(link.sealed)
    # When it is applied and loaded
    outcomes = await world.store.apply([link])
    # Then it is there
    assert outcomes == ["applied"]
    assert await world.store.load([story.run]) == {story.run: story.snapshot}


async def test_outputs_may_be_references_to_elsewhere(world: World) -> None:
    # Given a result and an input that lie elsewhere
    story = await started(world, "a", input=Output(ref="blob://1"))
    # When the run ends with such an output
    link = Link(story.completes("a", output=Output(ref="artifact://2"), last=True))
    story.take(link.sealed)
    await world.store.apply([link])
    # Then the references are kept
    assert await world.store.load([story.run]) == {story.run: story.snapshot}


async def test_a_snapshot_is_its_takers_own(world: World) -> None:
    # Given a snapshot that was loaded
    story = await started(world, "a")
    await world.store.apply([Link(story.tell(joined={TokenId(":j"): {"x->j": "live"}}))])
    found = (await world.store.load([story.run]))[story.run]
    # When its taker changes it
    found.head.seq = 99
    found.tokens.clear()
    found.joins[TokenId(":j")].clear()
    # Then the store's is as it was
    assert await world.store.load([story.run]) == {story.run: story.snapshot}


async def test_many_runs_are_loaded_at_once_and_unknown_ones_left_out(world: World) -> None:
    # Given three runs
    stories = [Story(f"run_{number}", "a") for number in range(3)]
    for story in stories:
        await world.store.start(story.first, PLAN_BODY)
    # When they and another are loaded
    found = await world.store.load([*(story.run for story in stories), Story("run_x").run])
    # Then those that are there are found
    assert found == {story.run: story.snapshot for story in stories}
    assert await world.store.load([]) == {}
    assert await world.store.apply([]) == []


async def test_a_store_opened_anew_sees_the_same_runs(world: World) -> None:
    # Given a run that one store has written
    story = await started(world, "a")
    # When another process' store loads it and moves it on
    other = world.another_store()
    outcomes = await other.apply([Link(story.completes("a", "b"))])
    # Then both see the same
    assert outcomes == ["applied"]
    assert await other.load([story.run]) == await world.store.load([story.run])
