"""One batch: every signal in it is applied, found moot, or set aside with the reason; none is dropped."""

from __future__ import annotations

import pytest

from pointsman.base.errors import ServerUnavailable
from pointsman.ports.run_store import Link
from pointsman.protocol import version
from pointsman.protocol.outcome import Outcome
from pointsman.protocol.signal import Completed, decode_signal
from tests.coordinator.desk import Desk, done
from tests.support.plans import edge, plan, task

LINE = plan(task("a"), task("b"), "a->b")


async def test_signals_of_one_run_in_one_batch_are_applied_as_a_chain() -> None:
    # Given a run whose two start nodes are out
    desk = Desk()
    run = await desk.start(plan(task("a"), task("b"), task("c"), "a->c", "b->c"))
    # When both report in one batch
    await desk.send(done(run, ":a"), done(run, ":b"))
    # Then both counted, and what joins them is out
    state = await desk.run(run)
    assert list(state.tokens) == [":c"]
    assert not desk.server.signals.entries


async def test_a_signal_stepped_on_an_outdated_cache_is_stepped_again() -> None:
    # Given two coordinators, one of which holds a snapshot the other has moved on from
    one = Desk()
    other = Desk(one.server, "two")
    run = await one.start(plan(task("a"), task("b"), task("c"), "a->c", "b->c"))
    await one.send(done(run, ":a"))
    await other.send(done(run, ":b"))
    # When the first one takes the next signal
    await one.send(done(run, ":c"))
    # Then it found out, and the run is complete
    assert (await one.run(run)).head.status == "COMPLETED"


async def test_a_signal_for_a_run_that_never_was_is_set_aside() -> None:
    # Given a coordinator
    desk = Desk()
    # When a signal names a run nobody knows
    await desk.send(done("run_nobody", ":a"))
    # Then it stands with the reason where operators look, and on the stream no more
    assert [entry.code for entry in desk.server.rejected] == ["SIG005"]
    assert not desk.server.signals.entries


async def test_a_late_signal_of_a_run_that_is_gone_is_acknowledged() -> None:
    # Given a coordinator that can ask whether a run once was
    desk = Desk(known=True)
    # When a signal comes for a run that has been cleaned up
    await desk.send(done("run_gone", ":a"))
    # Then it is neither an error nor left over
    assert not desk.server.rejected
    assert not desk.server.signals.entries


async def test_an_output_above_the_inline_limit_is_stored_before_it_is_applied() -> None:
    # Given a run
    desk = Desk()
    run = await desk.start(LINE)
    # When a worker brings a large result
    large = b'{"text":"' + b"x" * 2_000 + b'"}'
    await desk.send(done(run, ":a", large))
    # Then the run holds a reference, and the bytes are where it leads
    output = (await desk.run(run)).results[":a"].output
    assert output.ref is not None
    assert await desk.blobs.get(output.ref) == large


async def test_a_condition_on_a_large_output_reads_it_from_the_blob_store() -> None:
    # Given a branch on what a worker brings
    desk = Desk()
    run = await desk.start(
        plan(task("a"), task("b"), task("c"), edge("a->b", "size(output.text) > 1000"), edge("a->c"))
    )
    # When that is too large to be kept inline
    await desk.send(done(run, ":a", b'{"text":"' + b"x" * 2_000 + b'"}'))
    # Then the branch is taken all the same
    assert list((await desk.run(run)).tokens) == [":b"]


async def test_a_large_result_that_is_set_aside_is_kept_whole_by_reference() -> None:
    # Given a large result for a node that the run does not have
    desk = Desk()
    run = await desk.start(LINE)
    large = b'"' + b"x" * 2_000 + b'"'
    # When it is set aside
    await desk.send(done(run, ":nowhere", large))
    # Then it is small, and nothing of it is lost
    (kept,) = desk.server.rejected
    signal = decode_signal(kept.signal)
    assert isinstance(signal, Completed)
    assert (kept.code, signal.run_id, signal.token, signal.attempt) == ("RUN007", run, ":nowhere", 1)
    assert await desk.blobs.get(signal.output.ref or "") == large


async def test_a_completion_above_the_largest_signal_fails_its_node_instead_of_hanging_it() -> None:
    # Given a run
    desk = Desk()
    run = await desk.start(LINE)
    # When a worker pushes more than a signal may hold
    await desk.send(done(run, ":a", b'"' + b"x" * 20_000 + b'"'))
    # Then the run says so and ends
    head = (await desk.run(run)).head
    assert head.status == "FAILED"
    assert head.error is not None
    assert head.error.type == "output_too_large"


async def test_a_batch_whose_apply_was_cut_off_is_seen_through_when_redis_is_back() -> None:
    # Given a store whose first apply is done, but whose answer is lost
    desk = Desk()
    run = await desk.start(LINE)
    apply, calls = desk.store.apply, []

    async def cut_off(links: list[Link]) -> list[Outcome]:
        calls.append(len(links))
        outcomes = await apply(links)
        if len(calls) == 1:
            raise ServerUnavailable("SRV002", "the connection was lost")
        return outcomes

    desk.store.apply = cut_off  # type: ignore[method-assign, assignment]
    # When a signal comes
    await desk.send(done(run, ":a"))
    # Then it counted once, and nothing of it is left
    assert len(calls) == 2
    assert list((await desk.run(run)).tokens) == [":b"]
    assert not desk.server.signals.entries


async def test_a_run_of_a_newer_release_is_left_to_a_coordinator_that_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given two coordinators, one of which does not know the version of a run
    one = Desk()
    other = Desk(one.server, "two")
    run = await one.start(LINE)
    with monkeypatch.context() as patched:
        patched.setattr(version, "PROTOCOL", 0)
        # When it is given a signal for it, twice
        await one.send(done(run, ":a"))
        await one.batch.handle(await one.source.claim(0, 16))
        # Then it changes nothing, and does not set it aside
        assert ((await one.run(run)).head.seq, one.server.rejected) == (1, [])
    # And the other can have it at once
    await other.batch.handle(await other.source.claim(60_000, 16))
    assert list((await other.run(run)).tokens) == [":b"]
