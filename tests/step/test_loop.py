"""Loops: each pass a frame of its own (SEMANTICS §4)."""

from __future__ import annotations

import pytest

from pointsman.plan import Join, Node
from tests.support.driven import Run
from tests.support.plans import control, edge, looping, plan, task


def polishing(condition: str = "output.again", most: int = 3, *, closer: Node | None = None) -> Run:
    """`draft`, then `polish` and back to `draft` while `condition`; `ok` behind the break, `late` the timeout path."""
    last = looping(closer or task("polish"), "draft", condition, most)
    ways = ("draft->polish", edge("polish->ok", leave="break"), edge("polish->late", leave="timeout"))
    return Run(plan(task("draft"), last, task("ok"), task("late"), *ways))


def go_round(run: Run, number: int, **output: object) -> None:
    """One pass."""
    run.complete(f"polish[{number}]:draft", {"n": number})
    run.complete(f"polish[{number}]:polish", output)


def test_a_true_condition_begins_another_pass_in_a_frame_of_its_own() -> None:
    # Given a loop in its first pass
    run = polishing()
    assert run.open == {"polish[1]:draft": "dispatched"}
    # When its condition is true
    go_round(run, 1, again=True)
    # Then the second begins, and the first is gone but for what it handed up
    assert run.open == {"polish[2]:draft": "dispatched"}
    assert run.ended == {"draft": "completed", "polish": "completed"}
    assert list(run.snapshot.frames) == ["polish[2]"]
    assert run.notes == ["pass_started"]


def test_a_false_condition_leaves_by_the_break_path() -> None:
    # Given a loop in its second pass
    run = polishing()
    go_round(run, 1, again=True)
    # When its condition is false
    go_round(run, 2, again=False)
    # Then the break path is live and the other dead
    assert run.open == {"ok": "dispatched"}
    assert run.ended == {"draft": "completed", "polish": "completed", "late": "skipped"}
    assert run.snapshot.frames == {}


def test_a_condition_still_true_after_the_last_pass_leaves_by_the_timeout_path() -> None:
    # Given a loop of at most three passes
    run = polishing(most=3)
    # When it is true after each
    for number in (1, 2, 3):
        go_round(run, number, again=True)
    # Then there is no fourth
    assert run.open == {"late": "dispatched"}
    assert run.ended["ok"] == "skipped"


def test_a_condition_false_after_the_last_pass_leaves_by_the_break_path() -> None:
    # Given a loop in its last permitted pass
    run = polishing(most=2)
    go_round(run, 1, again=True)
    # When its condition is false then
    go_round(run, 2, again=False)
    # Then it leaves by the break path all the same
    assert run.open == {"ok": "dispatched"}


def test_a_loop_condition_that_raises_takes_the_break_path_and_is_recorded() -> None:
    # Given a loop
    run = polishing()
    # When its condition reads what is not there
    go_round(run, 1)
    # Then it is left, with the reason in the history
    assert run.open == {"ok": "dispatched"}
    assert run.notes == ["condition_failed", "pass_ended"]


def test_an_exhausted_loop_without_timeout_path_fails_its_node() -> None:
    # Given a loop with a break path only
    run = Run(plan(looping(task("a"), "a", "true", 2), task("b"), "a->b"))
    # When it is exhausted
    run.complete("a[1]:a")
    run.complete("a[2]:a")
    # Then that is an error of its own
    assert run.status == "FAILED"
    assert run.error == "loop_exhausted"


def test_an_error_edge_takes_an_exhausted_loop() -> None:
    # Given the same with an error edge
    run = Run(plan(looping(task("a"), "a", "true", 1), task("b"), task("c"), "a->b", edge("a->c", on="error")))
    # When it is exhausted
    run.complete("a[1]:a")
    # Then that is live, in the frame around the loop
    assert (run.open, run.ended) == ({"c": "dispatched"}, {"a": "failed", "b": "skipped"})


@pytest.mark.parametrize("closer", [control("loop", "polish"), control("conditional", "polish")])
def test_a_loop_closed_by_a_control_node_needs_no_worker_for_it(closer: Node) -> None:
    # Given a loop node of the seed's form
    run = polishing("output.n < 2", closer=closer)
    # When the body ends
    run.complete("polish[1]:draft", {"n": 1})
    assert run.open == {"polish[2]:draft": "dispatched"}
    run.complete("polish[2]:draft", {"n": 2})
    # Then it judged by the body's output, twice
    assert run.open == {"ok": "dispatched"}
    assert run.payload("ok") == {"n": 2}


def test_the_iteration_is_readable_and_counts_from_one() -> None:
    # Given a loop that goes by its iteration alone, and a body that is told of it
    run = Run(plan(looping(task("a", config={"pass": "${loop.iteration}"}), "a", "loop.iteration < 2")))
    seen = [run.task("a[1]:a").config]
    # When it has gone round
    run.complete("a[1]:a")
    seen.append(run.task("a[2]:a").config)
    run.complete("a[2]:a")
    # Then the passes were the first and the second
    assert seen == [{"pass": 1}, {"pass": 2}]
    assert run.status == "COMPLETED"


def test_a_late_signal_of_an_earlier_pass_cannot_touch_a_later_one() -> None:
    # Given a run in its second pass
    run = polishing()
    go_round(run, 1, again=True)
    # When a signal of the first comes again
    change = run.complete("polish[1]:draft", {"n": "late"}, attempt=1)
    # Then it changes nothing
    assert change.reason == "not_open"
    assert run.open == {"polish[2]:draft": "dispatched"}


def test_the_next_pass_and_the_nodes_behind_read_the_last_pass() -> None:
    # Given a body and a node behind the loop that read what `l` and `a` said
    node = looping(task("l"), "a", "output < 3")
    reader = task("b", config='${loop.iteration > 1 ? ctx["l"].output : 0}')
    run = Run(plan(task("a"), reader, node, task("z", config="${ctx.a.output}"), "a->b->l->z"))
    seen = []
    # When it goes round three times
    for number in (1, 2, 3):
        run.complete(f"l[{number}]:a", f"pass {number}")
        seen.append(run.task(f"l[{number}]:b").config)
        run.complete(f"l[{number}]:b")
        run.complete(f"l[{number}]:l", number)
    # Then each pass read the one before it, and the node behind the last
    assert seen == [0, 1, 2]
    assert run.task("z").config == "pass 3"


def test_a_later_pass_is_handed_the_output_of_the_loop_node() -> None:
    # Given a loop behind a task
    run = Run(plan(task("s"), task("a"), looping(task("l"), "a", "output.again"), "s->a->l"))
    # When it goes round
    run.complete("s", "first")
    assert (run.payload("l[1]:a"), run.task("l[1]:a").from_node) == ("first", "s")
    run.complete("l[1]:a")
    run.complete("l[1]:l", {"again": True})
    # Then the entry is handed what the node that closed the pass before has said
    assert (run.payload("l[2]:a"), run.task("l[2]:a").from_node) == ({"again": True}, "l")


def branching(*, most: int = 9) -> Run:
    """`a` chooses `fix` or not; `l` closes the loop behind both."""
    return Run(
        plan(
            task("a"),
            task("fix"),
            looping(task("l", config={"latest": "${ctx.fix.output}"}, failure_policy="fail_fast"), "a", "true", most),
            edge("a->fix", "output"),
            edge("a->l", "!output"),
            "fix->l",
        )
    )


def test_joins_and_skips_work_on_every_pass() -> None:
    # Given a loop with a branch in it
    run = branching()
    run.complete("l[1]:a", True)
    run.complete("l[1]:fix", "first")
    run.complete("l[1]:l")
    # When the second pass takes the other way
    run.complete("l[2]:a", False)
    # Then the join has forgotten the first pass
    assert run.open == {"l[2]:l": "dispatched"}
    assert run.sources("l[2]:l") == ("a->l",)
    assert run.ended["l[2]:fix"] == "skipped"
    assert set(run.snapshot.joins) == {"l[2]:l"}


def test_the_latest_output_of_a_node_stays_readable_when_later_passes_skip_it() -> None:
    # Given a node that ran in the first pass
    run = branching()
    run.complete("l[1]:a", True)
    run.complete("l[1]:fix", "first")
    run.complete("l[1]:l")
    # When the second and the third skip it
    for number in (2, 3):
        run.complete(f"l[{number}]:a", False)
        # Then what it said is still read, and its status is that of the last pass
        assert run.task(f"l[{number}]:l").config == {"latest": "first"}
        run.complete(f"l[{number}]:l")
        assert run.ended["fix"] == "skipped"


def test_an_output_of_null_stays_readable_as_well() -> None:
    # Given the same where it said nothing
    run = branching()
    run.complete("l[1]:a", True)
    run.complete("l[1]:fix")
    run.complete("l[1]:l")
    for number in (2, 3):
        run.complete(f"l[{number}]:a", False)
        assert run.task(f"l[{number}]:l").config == {"latest": None}
        run.complete(f"l[{number}]:l")


def test_a_frame_that_ends_closes_what_is_still_open_in_it() -> None:
    # Given a pass that the first of two tasks ends
    node = looping(task("l", join=Join("any")), "e", "loop.iteration < 2")
    slow = task("slow", timeout_ms=9_000)
    run = Run(plan(task("e"), task("fast"), slow, task("behind"), node, "e->fast->l", "e->slow->behind->l"))
    run.complete("l[1]:e")
    run.complete("l[1]:fast")
    # When it ends
    change = run.complete("l[1]:l")
    # Then the other is closed in that transition, off its stream and off the clock
    assert run.open == {"l[2]:e": "dispatched"}
    assert (run.result("slow").status, run.result("slow").reason) == ("cancelled", "frame_ended")
    assert change.withdrawn == {"l[1]:slow": "function", "l[1]:l": "function"}
    assert list(change.disarmed) == ["timeout:l[1]:slow"]
    # And what it says afterwards is late
    assert run.complete("l[1]:slow", attempt=1).reason == "not_open"


def test_a_branch_that_was_about_to_begin_is_dropped_with_its_frame() -> None:
    # Given a pass that ends in the very transition that would begin another branch
    node = looping(control("join", "l", join=Join("any")), "e", "loop.iteration < 2")
    run = Run(plan(task("e"), task("b"), node, "e->l", "e->b->l"))
    # When it ends
    run.complete("l[1]:e")
    # Then nothing is opened in the frame that is gone
    assert run.open == {"l[2]:e": "dispatched"}
    run.complete("l[2]:e")
    assert run.status == "COMPLETED"


def nested() -> Run:
    """A loop `o` around a loop `i`; both begin at `e`."""
    inner = looping(task("i"), "e", "output", 9)
    outer = looping(task("o"), "e", "output", 9)
    return Run(plan(task("e"), inner, outer, task("z"), "e->i->o->z"))


def test_a_node_that_begins_two_loops_opens_a_frame_of_each() -> None:
    # Given a loop in a loop with one entry
    run = nested()
    assert list(run.snapshot.frames) == ["o[1]", "o[1]/i[1]"]
    # When the inner one goes round
    run.complete("o[1]/i[1]:e")
    run.complete("o[1]/i[1]:i", True)
    # Then only its frame is another
    assert list(run.snapshot.frames) == ["o[1]", "o[1]/i[2]"]
    assert run.open == {"o[1]/i[2]:e": "dispatched"}


def test_each_pass_of_the_outer_loop_begins_the_inner_one_anew() -> None:
    # Given an outer loop whose first pass has gone round the inner one twice
    run = nested()
    for number, again in ((1, True), (2, False)):
        run.complete(f"o[1]/i[{number}]:e")
        run.complete(f"o[1]/i[{number}]:i", again)
    assert run.open == {"o[1]:o": "dispatched"}
    # When the outer one goes round
    run.complete("o[1]:o", True)
    # Then the inner one counts from one again
    assert run.open == {"o[2]/i[1]:e": "dispatched"}
    run.complete("o[2]/i[1]:e")
    run.complete("o[2]/i[1]:i", False)
    run.complete("o[2]:o", False)
    assert run.open == {"z": "dispatched"}
    assert run.snapshot.frames == {}


def test_an_inner_pass_that_is_still_open_ends_with_the_outer_one() -> None:
    # Given an outer pass that ends while an inner loop is running in it
    inner = looping(task("i"), "i", "output")
    outer = looping(control("join", "o", join=Join("any")), "e", "loop.iteration < 2")
    run = Run(plan(task("e"), task("fast"), inner, outer, "e->fast->o", "e->i->o"))
    run.complete("o[1]:e")
    run.complete("o[1]/i[1]:i", True)
    assert run.open == {"o[1]:fast": "dispatched", "o[1]/i[2]:i": "dispatched"}
    # When it ends
    run.complete("o[1]:fast")
    # Then both frames are gone, and the inner task is closed
    assert (list(run.snapshot.frames), run.open) == (["o[2]"], {"o[2]:e": "dispatched"})
    assert run.result("i").status == "cancelled"


def test_a_loop_of_one_node_goes_round_by_itself() -> None:
    # Given a task that repeats itself
    run = Run(plan(looping(task("a"), "a", "output < 3"), task("z"), "a->z"))
    # When it has gone round three times
    for number in (1, 2, 3):
        run.complete(f"a[{number}]:a", number)
    # Then what is behind is handed the last output
    assert run.payload("z") == 3


def test_a_skipped_entry_skips_the_whole_loop() -> None:
    # Given a branch around a loop in a loop
    inner, outer = looping(task("i"), "e", "true"), looping(task("o"), "e", "true")
    ways = (edge("s->e", "output"), edge("s->z", "!output"), "e->i->o->z")
    run = Run(plan(task("s"), task("e"), inner, outer, task("z"), *ways))
    # When it is not taken
    run.complete("s", False)
    # Then every node of both is skipped, in the frame around them, and the join behind goes on
    assert run.ended == {"s": "completed", "e": "skipped", "i": "skipped", "o": "skipped"}
    assert run.open == {"z": "dispatched"}
    assert run.snapshot.frames == {}


def test_a_pass_whose_last_node_is_skipped_leaves_the_loop() -> None:
    # Given a body whose way to the loop node may be dead
    run = Run(plan(task("e"), looping(task("l"), "e", "true"), task("z"), edge("e->l", "output"), "l->z"))
    # When it is
    run.complete("l[1]:e", False)
    # Then the loop and what is behind it are skipped; nothing hangs
    assert run.ended == {"e": "completed", "l": "skipped", "z": "skipped"}
    assert (run.status, run.snapshot.frames) == ("COMPLETED", {})


def test_a_failure_inside_a_pass_leaves_the_loop_as_failed() -> None:
    # Given a loop in a run that goes on after failures
    ways = ("e->l", "l->z")
    run = Run(plan(task("e"), looping(task("l"), "e", "true"), task("z"), *ways, failure_policy="continue"))
    # When its body fails
    run.fail("l[1]:e")
    # Then what depends on it is skipped for that reason
    assert run.ended == {"e": "failed", "l": "skipped", "z": "skipped"}
    assert run.result("z").reason == "upstream_failed"
    assert (run.status, run.snapshot.frames) == ("FAILED", {})


def test_a_control_node_keeps_its_value_when_its_frame_has_ended() -> None:
    # Given a loop that hands on what a join in it made of two outputs
    ways = ("e->a->j", "e->b->j", "j->l->z")
    nodes = [task(name) for name in "eabz"]
    run = Run(plan(*nodes, control("join", "j"), looping(control("loop", "l"), "e", "false"), *ways))
    run.complete("l[1]:e")
    run.complete("l[1]:a", 1)
    run.complete("l[1]:b", 2)
    # Then what is behind it has the values, though the tokens they came from are gone
    assert run.payload("z") == {"a": 1, "b": 2}
    assert run.output_of("j") == {"a": 1, "b": 2}
