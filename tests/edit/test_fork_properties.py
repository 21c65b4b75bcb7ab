"""What holds of every fork, of random plans, at random moments (SEMANTICS §7)."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from pointsman.base.errors import RunError
from pointsman.base.ids import ROOT, TokenId, token_id
from pointsman.edit.activations import activations
from pointsman.edit.downstream import Downstream
from pointsman.protocol.history import EndedPass
from pointsman.protocol.signal import Completed, TimerFired
from tests.support.definitions import definitions
from tests.support.driven import cel
from tests.support.edited import EditedRun
from tests.support.forked import ForkedRun, events_of, forked, stand
from tests.support.happenings import advance_by, answer, drive
from tests.support.random_edits import begun

CEL = cel()
SEEDS = st.integers(0, 2**32)
MANY = settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None)


def some_way_on(data: st.DataObject, *, failing: int) -> EditedRun:
    """A run of any plan, anywhere on its way, its end included."""
    document = data.draw(definitions(CEL, nodes=7, depth=2), label="document")
    order = Random(data.draw(SEEDS, label="order"))
    upset = data.draw(st.sampled_from([0, 20]), label="upset")
    run = begun(document, data.draw(st.integers(0, 12), label="progress"), order, failing=failing, upset=upset)
    if data.draw(st.booleans(), label="to its end"):
        drive(run, order, failing=failing)
    return run


def until(run: EditedRun, seq: int) -> EditedRun:
    """The run as it was after one of its events: the same happened to it. One that was paused then goes on."""
    plan = run.program.plan
    earlier = ForkedRun(run.first, plan, run.first.at) if isinstance(run, ForkedRun) else EditedRun(plan)
    for change in events_of(run, seq)[1:]:
        match change.signal:
            case TimerFired(timer=timer):
                earlier.fire(timer)
            case Completed(token=token, attempt=attempt):
                earlier.complete(str(token), answer(str(token)), attempt)
            case signal:
                assert signal is not None
                earlier.take(signal)
    if earlier.status == "PAUSED":
        earlier.resume()
    return earlier


@given(st.data())
@MANY
def test_a_fork_stands_where_the_run_stood_and_ends_as_it_would(data: st.DataObject) -> None:
    # Given a run, and one of its events at which it was open
    run = some_way_on(data, failing=10)
    seq = data.draw(st.integers(1, len(run.events)), label="seq")
    earlier = until(run, seq)
    assume(not earlier.snapshot.is_final)
    # When it is forked there
    fork = forked(run, seq)
    # Then the fork stands where the run stood
    assert stand(fork) == stand(earlier)
    # And when the same happens to both, they end the same
    seed = data.draw(SEEDS, label="onwards")
    for each in (earlier, fork):
        drive(each, Random(seed), failing=10)
    assert stand(fork) == stand(earlier)
    assert (fork.status, fork.error, fork.snapshot.head.output) == (
        earlier.status,
        earlier.error,
        earlier.snapshot.head.output,
    )


def brought(run: EditedRun, tokens: set[TokenId]) -> dict[TokenId, object]:
    """The outputs of those activations that completed."""
    results = run.snapshot.results
    return {name: results[name].output for name in tokens & results.keys() if results[name].status == "completed"}


def attempted(run: EditedRun, origin: TokenId) -> ForkedRun | None:
    """The fork from an activation; None where it would have nothing to do."""
    try:
        return forked(run, anew=[origin])
    except RunError as refused:
        event(f"refused: {refused.code}")
        if refused.code != "RUN044":
            raise
        return None


@given(st.data())
@MANY
def test_a_fork_from_any_node_keeps_the_rest_and_reaches_its_end(data: st.DataObject) -> None:
    # Given a run, and a node that it has activated
    run = some_way_on(data, failing=10)
    activated = [token for found in activations(run.program.plan, events_of(run)).values() for token in found]
    assume(activated)
    origin = data.draw(st.sampled_from(sorted(activated)), label="activation")
    # When it is forked from there
    fork = attempted(run, origin)
    assume(fork is not None)
    assert fork is not None
    # Then no signal of the node, or of what comes of it, is kept
    after = Downstream(run.program.plan, [origin])
    signals = [record for record in fork.last.kept if not isinstance(record.fact, EndedPass)]
    assert not [record for record in signals if record.token is not None and after.covers(record.token)]
    # And all that was brought elsewhere is, loops aside, whose passes hand up what they brought
    looped = {node for region in run.program.plan.regions for node in region.nodes}
    tasks = [node.id for node in run.program.plan.nodes if node.kind == "task" and node.id not in looped]
    elsewhere = {token_id(ROOT, node) for node in tasks if not after.covers(token_id(ROOT, node))}
    assert brought(fork, elsewhere) == brought(run, elsewhere)
    # And it ends, with nothing left open but dead letters
    order = Random(data.draw(SEEDS, label="onwards"))
    drive(fork, order)
    assert fork.snapshot.is_final or set(fork.open.values()) == {"parked"}


@given(st.data())
@MANY
def test_a_fork_takes_edits_and_forks_as_any_run_does(data: st.DataObject) -> None:
    # Given a fork of a run, some way on
    run = some_way_on(data, failing=10)
    activated = [token for found in activations(run.program.plan, events_of(run)).values() for token in found]
    assume(activated)
    fork = attempted(run, data.draw(st.sampled_from(sorted(activated)), label="activation"))
    assume(fork is not None)
    assert fork is not None
    order = Random(data.draw(SEEDS, label="onwards"))
    advance_by(fork, data.draw(st.integers(0, 4), label="progress"), order, failing=10)
    # When it is weighed against the plan it has, its whole past stepped again
    if not fork.snapshot.is_final:
        change = fork.weigh(fork.program.plan)
        # Then nothing of it would be otherwise
        assert (change.opened, change.closed, change.ended, change.joined) == ({}, (), {}, {})
    # And when it is forked where it stands
    seq = data.draw(st.integers(1, len(fork.events)), label="seq")
    assume(not until(fork, seq).snapshot.is_final)
    again = forked(fork, seq)
    # Then that one stands there
    assert stand(again) == stand(until(fork, seq))
