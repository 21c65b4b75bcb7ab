"""What the campaign starts: definitions by chance, each of them one that the compiler takes."""

from __future__ import annotations

from collections import Counter
from random import Random

from pointsman.compile import compile_source
from tests.chaos.definitions import SPARE, any_definition
from tests.chaos.edits import Edited, any_edit
from tests.support.driven import cel


def test_every_definition_by_chance_compiles_and_has_what_faults_are_for() -> None:
    # Given many of them
    plans = [compile_source(any_definition(Random(seed)), cel(), name="test")[1].plan for seed in range(150)]
    # Then all compile, none is short, and there is some of everything
    assert min(len(plan.nodes) for plan in plans) >= 10
    assert {node.kind for plan in plans for node in plan.nodes} == {"task", "parallel", "wait"}
    assert {node.join.mode for plan in plans for node in plan.nodes} == {"all", "any"}
    assert {edge.on for plan in plans for edge in plan.edges} == {"success", "error"}
    regions = [region for plan in plans for region in plan.regions]
    assert {region.parent is None for region in regions} == {True, False}
    assert all(node.retry.max_attempts > 50 for plan in plans for node in plan.nodes if node.kind == "task")
    assert any(node.timeout_ms for plan in plans for node in plan.nodes)


def test_the_same_seed_makes_the_same_definition() -> None:
    assert any_definition(Random(1)) == any_definition(Random(1))
    assert any_definition(Random(1)) != any_definition(Random(2))


def test_edits_by_chance_add_remove_and_change_nodes() -> None:
    # Given a run as its editors know it, and many edits of it, all taken
    run, chance = Edited(any_definition(Random(1))), Random(2)
    counted: Counter[str] = Counter()
    for number in range(60):
        planned = any_edit(chance, run, f"e{number}", 10)
        counted.update(f"{operation['op']} {operation['path'].split('/')[1]}" for operation in planned.operations)
        planned.taken(run)
        assert not set(planned.removes) & run.leaves.keys()
    # Then there was some of everything, and the branch that every run begins with is gone
    assert counted.keys() == {"add nodes", "add edges", "remove nodes", "remove edges"}
    assert SPARE not in run.leaves
