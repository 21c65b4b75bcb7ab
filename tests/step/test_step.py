"""Signals as they really come: late, twice, without a job id, for nobody (SEMANTICS §2, ARCHITECTURE §6)."""

from __future__ import annotations

import pytest

from pointsman.base.errors import NodeNotInPlan, SignalRejected
from pointsman.base.ids import NodeId
from pointsman.plan import Retry
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Completed, Failed, TimerFired
from pointsman.protocol.transition import Transition
from tests.support.driven import RUN, Run, token
from tests.support.plans import control, looping, plan, task


def test_a_redelivered_completion_changes_nothing() -> None:
    # Given a run that took a result
    run = Run(plan(task("a"), task("b"), "a->b"))
    run.complete("a", "first")
    head = run.snapshot.head
    # When it comes again, with another content
    change = run.complete("a", "second", attempt=1)
    # Then the verdict names the state it was made from, for apply to confirm
    signal = Completed(RUN, token("a"), 1)
    assert change == Transition(RUN, 2, head.tip, change.at, "completed", signal, "not_open")


def test_a_signal_is_recorded_without_its_output() -> None:
    # Given a run
    run = Run(plan(task("a")))
    # When a result is taken
    change = run.take(Completed(RUN, token("a"), 1, inline({"n": 1}), metadata={"tokens_used": 3}))
    # Then its output stands in the results alone
    assert change.signal == Completed(RUN, token("a"), 1, metadata={"tokens_used": 3})


@pytest.mark.parametrize("name", ["ghost", "l[1]:ghost"])
def test_a_signal_for_a_node_the_plan_lacks_is_set_aside(name: str) -> None:
    # Given a run
    run = Run(plan(task("a")))
    # When a signal names a node it does not have
    with pytest.raises(NodeNotInPlan, match="`ghost`, which revision 1 does not have") as raised:
        run.complete(name)
    # Then that is an error of its own
    assert (raised.value.code, raised.value.retryable) == ("RUN007", False)


def test_a_timer_of_nothing_is_set_aside_as_well() -> None:
    run = Run(plan(task("a")))
    with pytest.raises(NodeNotInPlan):
        run.timer("nonsense", 1)


def test_a_timer_of_an_unknown_kind_changes_nothing() -> None:
    # Given a run
    run = Run(plan(task("a")))
    # When a timer comes that nothing armed
    assert run.timer("later::a", 1).reason == "timer_outdated"


def test_a_run_without_a_limit_of_time_ignores_its_timer() -> None:
    run = Run(plan(task("a")))
    assert run.take(TimerFired(RUN, "run", 1)).reason == "timer_outdated"  # type: ignore[arg-type]


def test_without_a_job_id_the_one_open_token_of_the_node_is_meant() -> None:
    # Given a node in its second pass, in its second attempt
    run = Run(plan(looping(task("a", retry=Retry(2, 0)), "a", "output")))
    run.complete("a[1]:a", True)
    run.fail("a[2]:a")
    run.fire("retry:a[2]:a")
    # When a worker that keeps no job ids completes it
    run.take(Completed(RUN, None, 0, inline(False), NodeId("a")))
    # Then that was the token, in its current attempt
    assert (run.status, run.result("a").attempt) == ("COMPLETED", 2)


def test_without_a_job_id_a_failure_is_one_of_the_current_attempt() -> None:
    # Given a task that may be tried twice
    run = Run(plan(task("a", retry=Retry(2, 0))))
    # When such a worker fails
    run.take(Failed(RUN, None, 0, node=NodeId("a")))
    # Then it backs off
    assert run.open == {"a": "backing_off"}


def test_without_a_job_id_a_worker_may_complete_during_the_backoff() -> None:
    # Given a task that backs off
    run = Run(plan(task("a", retry=Retry(2, 0))))
    run.fail("a")
    # When such a worker completes it
    run.take(Completed(RUN, None, 0, inline(1), NodeId("a")))
    # Then it was the attempt before
    assert (run.status, run.result("a").attempt) == ("COMPLETED", 1)


@pytest.mark.parametrize("node", ["a", "b"])
def test_without_a_job_id_a_node_must_have_exactly_one_open_token(node: str) -> None:
    # Given a node that is not open, because it ended or because it has not begun
    run = Run(plan(task("a"), task("m"), task("b"), "a->m->b"))
    run.complete("a")
    # When a signal names it
    with pytest.raises(SignalRejected, match="has 0 open tokens") as raised:
        run.take(Completed(RUN, None, 0, node=NodeId(node)))
    # Then it is set aside, with what to do instead
    assert raised.value.code == "SIG004"
    assert "Send the token's job_id" in str(raised.value)


def test_without_a_job_id_an_unknown_node_is_set_aside() -> None:
    run = Run(plan(task("a")))
    with pytest.raises(NodeNotInPlan):
        run.take(Completed(RUN, None, 0, node=NodeId("ghost")))


def test_what_was_not_handed_out_cannot_be_completed() -> None:
    # Given a task that is held because the run is paused
    run = Run(plan(task("a"), task("b"), "a->b"))
    run.pause()
    run.complete("a")
    # When somebody guesses its job id, or names the node alone
    guesses = [run.complete("b", attempt=1), run.take(Completed(RUN, None, 0, node=NodeId("b")))]
    # Then nothing changes
    assert [change.reason for change in guesses] == ["not_dispatched", "not_dispatched"]
    assert run.open == {"b": "held"}


@pytest.mark.parametrize("attempt", [0, 2, 99])
def test_an_attempt_that_does_not_exist_changes_nothing(attempt: int) -> None:
    # Given a task in its first attempt
    run = Run(plan(task("a")))
    # When another is completed
    assert run.take(Completed(RUN, token("a"), attempt)).reason == "late_attempt"


def test_a_failure_for_a_wait_changes_nothing() -> None:
    # Given a wait
    run = Run(plan(control("wait", "w", wait=5)))
    # When somebody reports that it failed
    assert run.fail("w", attempt=1).reason == "late_attempt"


def test_with_bare_numbers_the_second_link_of_a_chain_would_match_by_accident() -> None:
    # Given a run at seq 1, and a coordinator that stepped a chain of two on it in memory
    graph = plan(task("a"), task("b"), task("x"), task("y"), "a->b", "x->y")
    ours, theirs = Run(graph), Run(graph)
    first, second = ours.complete("a"), ours.complete("b")
    # When a foreign transition slips in before the chain
    foreign = theirs.complete("x")
    now = theirs.snapshot.head
    # Then the first link is stale either way
    assert first.prev != now.tip
    assert (first.seq, now.seq) == (2, 2)
    # And the second would follow the foreign one by its number, though it was stepped on another state
    assert second.seq == now.seq + 1
    assert foreign.ended.keys() != first.ended.keys()
    # But not by its tip
    assert second.prev != now.tip
