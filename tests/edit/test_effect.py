"""The effect of an edit, told from its transition."""

from __future__ import annotations

from pointsman.base.ids import Digest, EdgeId
from pointsman.edit import OnRunning
from pointsman.edit.effect import Effect, Waiting, effect_of, plan_hash
from pointsman.plan import Edge, Node, Plan
from pointsman.step import Program
from tests.support.driven import cel, token
from tests.support.edited import EditedRun
from tests.support.plans import control, edge, looping, plan, task

LINE: tuple[Node | str, ...] = (task("a"), task("b"), "a->b")


def effect(run: EditedRun, wanted: Plan, on_running: OnRunning = "refuse") -> Effect:
    """What an edit would do; the run stays as it is."""
    return effect_of(run.program, Program(wanted, cel()), run.snapshot, run.weigh(wanted, on_running))


def started(*parts: Node | Edge | str, run_input: object = None) -> EditedRun:
    return EditedRun(plan(*parts), run_input)


def test_what_is_added_behind_the_past_is_fired_and_what_is_to_come_is_not() -> None:
    run = started(*LINE)
    run.complete("a")
    # A task, a control node that passes on at once, a task behind that, and one behind what is still running
    wanted = plan(*LINE, task("n"), control("parallel", "p"), task("m"), task("later"), "a->n", "a->p->m", "b->later")
    assert effect(run, wanted) == Effect(
        fired={token("m"): "dispatched", token("n"): "dispatched", token("p"): "completed"}
    )


def test_what_is_added_while_the_run_is_paused_would_be_held() -> None:
    run = started(*LINE)
    run.pause()
    assert effect(run, plan(*LINE, task("n"))) == Effect(fired={token("n"): "held"})


def test_a_running_node_that_goes_is_cancelled_and_what_followed_it_fires() -> None:
    run = started(task("a"), task("b"), task("c"), "a->b->c")
    run.complete("a")
    assert effect(run, plan(task("a"), task("c"), "a->c"), "cancel") == Effect(
        fired={token("c"): "dispatched"}, cancelled=(token("b"),)
    )


def test_a_running_node_with_another_config_is_restarted() -> None:
    run = started(*LINE)
    changed = plan(task("a", config={"x": 1}), task("b"), "a->b")
    assert effect(run, changed, "restart") == Effect(restarted=(token("a"),))


def test_what_is_behind_a_branch_not_taken_is_skipped() -> None:
    parts = (control("conditional", "c"), task("yes"), task("no"), edge("c->yes", "input.x > 0"), edge("c->no"))
    run = started(*parts, run_input={"x": 1})
    assert effect(run, plan(*parts, task("n"), "no->n")) == Effect(skipped=(token("n"),))


def test_a_join_that_waits_for_other_edges_says_for_which() -> None:
    parts = (task("a"), task("b"), task("j"), "a->j", "b->j")
    run = started(*parts)
    run.complete("a")
    assert effect(run, plan(*parts, task("c"), "c->j")) == Effect(
        fired={token("c"): "dispatched"},
        waiting={token("j"): Waiting((EdgeId("b->j"),), (EdgeId("b->j"), EdgeId("c->j")))},
    )


def test_a_join_that_need_not_wait_any_more_fires() -> None:
    run = started(task("a"), task("b"), task("j"), "a->j", "b->j")
    run.complete("a")
    assert effect(run, plan(task("a"), task("b"), task("j"), "a->j")) == Effect(
        fired={token("j"): "dispatched"}, waiting={token("j"): Waiting((EdgeId("b->j"),), ())}
    )


def test_a_skip_that_is_taken_back_is_told() -> None:
    # Given a branch not taken
    parts = (task("a"), task("b"), control("conditional", "c"), task("yes"), task("no"), "a->c")
    run = started(*parts, edge("c->yes", "output.x > 0"), edge("c->no"))
    run.complete("a", {"x": 1})
    # When another way leads to it, from a node that is still running
    wanted = plan(*parts, edge("c->yes", "output.x > 0"), edge("c->no"), "b->no")
    # Then it may come yet
    assert effect(run, wanted) == Effect(undone=(token("no"),), waiting={token("no"): Waiting((), (EdgeId("b->no"),))})


def test_an_edit_that_ends_the_run_says_how() -> None:
    run = started(*LINE)
    run.complete("a")
    assert effect(run, plan(task("a")), "cancel") == Effect(cancelled=(token("b"),), status="COMPLETED")


def test_tokens_in_loops_are_named_with_their_frame() -> None:
    parts = (task("a"), looping(task("b"), "a", "output.x < 3"), "a->b")
    run = started(*parts)
    run.complete("b[1]:a")
    assert effect(run, plan(*parts, task("n"), "a->n", "n->b"), "cancel") == Effect(
        fired={token("b[1]:n"): "dispatched"},
        cancelled=(token("b[1]:b"),),
        waiting={token("b[1]:b"): Waiting((), (EdgeId("n->b"),))},
    )


def test_an_edit_of_the_future_has_no_effect_yet() -> None:
    run = started(*LINE)
    assert effect(run, plan(*LINE, task("n"), "b->n")).is_empty


def test_the_hash_names_plan_and_effect_and_nothing_else() -> None:
    one, other = Digest("1" * 64), Digest("2" * 64)
    fired, reordered = Effect(fired={token("a"): "held", token("b"): "held"}), {token("b"): "held", token("a"): "held"}
    assert plan_hash(one, fired) == plan_hash(one, Effect(fired=reordered))
    others = [plan_hash(other, fired), plan_hash(one, Effect()), plan_hash(one, Effect(cancelled=(token("a"),)))]
    assert len({plan_hash(one, fired), *others}) == 4
