"""Programs by digest: those used last are kept, as far as there is room for their nodes."""

from __future__ import annotations

from msgspec.structs import replace

from pointsman.base.ids import Digest
from pointsman.execute import Programs
from pointsman.plan import encode_plan
from tests.support import plans
from tests.support.driven import head_of

THREE_NODES = plans.plan(plans.task("a"), plans.task("b"), plans.task("c"), "a->b->c")


class Shelf:
    """The same plan under every digest, and which were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def plan(self, digest: Digest) -> bytes | None:
        """Its canonical JSON."""
        self.asked.append(digest)
        return encode_plan(THREE_NODES)


async def asked_for(programs: Programs, names: str) -> None:
    for name in names:
        await programs.of(replace(head_of(THREE_NODES), plan=Digest(name)))


async def test_programs_used_longest_ago_give_way_to_others() -> None:
    # Given room for seven nodes: two programs of three
    shelf = Shelf()
    programs = Programs(shelf, most_nodes=7)
    # When three are used by turns
    await asked_for(programs, "ababcbca")
    # Then the one that had to give way is read again when it is wanted
    assert "".join(shelf.asked) == "abca"


async def test_a_program_too_large_for_the_room_is_kept_alone() -> None:
    shelf = Shelf()
    programs = Programs(shelf, most_nodes=2)
    await asked_for(programs, "aaba")
    assert "".join(shelf.asked) == "aba"
