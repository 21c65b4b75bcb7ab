"""A plan made ready: edges indexed, regions placed, expressions compiled once."""

from __future__ import annotations

from pointsman.base.ids import FrameId, NodeId
from pointsman.step.program import Program, ancestor
from tests.support.driven import cel
from tests.support.plans import edge, looping, plan, task


def test_a_node_knows_its_edges_in_written_order_and_its_regions() -> None:
    # Given two loops that begin at one node
    inner, outer = looping(task("i"), "e", "true"), looping(task("o"), "e", "true")
    ways = (edge("o->z", "true"), "s->e->i->o", edge("o->y"))
    program = Program(plan(task("s"), task("e"), inner, outer, task("z"), task("y"), *ways), cel())
    # Then each is where it belongs
    entry, last = program.sites[NodeId("e")], program.sites[NodeId("o")]
    assert (entry.enters, entry.climb, entry.closes) == (("o", "i"), 2, None)
    assert (last.enters, last.closes and last.closes.id) == ((), "o")
    assert [edge.id for edge in last.out] == ["o->z", "o->y"]
    assert [site.node.id for site in program.starts] == ["s"]
    assert [site.node.id for site in program.ends] == ["z", "y"]


def test_an_expression_is_compiled_once_for_a_program() -> None:
    program = Program(plan(task("a", config="${input.n}")), cel())
    assert program.expression("1 + 1 == 2") is program.expression("1 + 1 == 2")
    site = program.sites[NodeId("a")]
    assert program.template(site) is program.template(site)


def test_an_ancestor_is_found_by_counting_frames() -> None:
    path = FrameId("a[1]/b[2]/c[3]")
    assert [ancestor(path, climb) for climb in range(4)] == [path, "a[1]/b[2]", "a[1]", ""]
