"""Shares of partitions: fair, agreed on without a word, and nothing moves that need not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.execute.shares import Change, are_at_rest, newest, shares

NAMES = ["a:1", "a:2", "b:1", "c:9", "d:4"]
MEMBERS = st.sets(st.sampled_from(NAMES), min_size=1)
Holders = dict[int, str | None]


def holdings(names: list[str]) -> st.SearchStrategy[Holders]:
    """Any state that partitions may be in, those held by processes that are no members among them."""
    holder = st.one_of(st.none(), st.sampled_from(names))
    return st.lists(holder, min_size=1, max_size=24).map(lambda all_of: dict(enumerate(all_of)))


def act(me: str, change: Change, holders: Holders) -> None:
    """Do what one process was told, as Redis lets it: a taken partition cannot be taken, a foreign one not released."""
    for number in change.take:
        if holders[number] is None:
            holders[number] = me
    for number in change.release:
        if holders[number] == me:
            holders[number] = None


def settle(members: set[str], holders: Holders, rounds: int = 8) -> Holders:
    """Where it ends when every member looks and acts in turn."""
    for _ in range(rounds):
        for name in sorted(members):
            act(name, shares(name, members, holders), holders)
    return holders


def counts(members: set[str], holders: Holders) -> list[int]:
    """How many partitions each member holds, the largest share first."""
    return sorted((list(holders.values()).count(name) for name in members), reverse=True)


def fair(members: set[str], partitions: int) -> list[int]:
    """The shares that all shall end with, the largest first."""
    each, odd = divmod(partitions, len(members))
    return [each + 1] * odd + [each] * (len(members) - odd)


def test_two_share_sixteen_and_a_third_gets_its_part() -> None:
    # Given sixteen partitions that one process holds
    holders: Holders = dict.fromkeys(range(16), "a:1")
    # When a second one comes
    change = shares("a:1", {"a:1", "b:1"}, holders)
    # Then it may have the upper half, as soon as that is free
    assert change == Change([], list(range(8, 16)))
    assert shares("b:1", {"a:1", "b:1"}, holders) == Change([], [])
    settled = settle({"a:1", "b:1"}, holders)
    assert settled == {number: "a:1" if number < 8 else "b:1" for number in range(16)}
    # And a third takes a part of each
    assert counts({"a:1", "b:1", "c:9"}, settle({"a:1", "b:1", "c:9"}, settled)) == [6, 5, 5]


def test_those_that_begin_together_take_different_partitions() -> None:
    # Given two processes that see all partitions free, at the same instant
    holders: Holders = dict.fromkeys(range(5))
    # When each decides
    one, other = (shares(name, {"a:1", "b:1"}, holders) for name in ("a:1", "b:1"))
    # Then no partition is wanted twice, and none is left
    assert (one, other) == (Change([0, 1, 2], []), Change([3, 4], []))


@given(MEMBERS, holdings(NAMES), st.sampled_from(NAMES))
def test_nobody_takes_what_another_holds_or_releases_it(members: set[str], holders: Holders, me: str) -> None:
    # When a process decides, whatever the state
    change = shares(me, members, holders)
    # Then it takes only what is free, releases only its own, and never does both
    assert all(holders[number] is None for number in change.take)
    assert all(holders[number] == me for number in change.release)
    assert not (change.take and change.release)


@given(MEMBERS, holdings(NAMES))
def test_who_is_no_member_gives_up_all_it_holds(members: set[str], holders: Holders) -> None:
    # When a process decides that is none of those that are to serve
    change = shares("old", members, holders | {30: "old", 31: "old"})
    # Then it holds nothing any more
    assert change == Change([], [30, 31])


def test_only_members_of_the_newest_release_are_to_serve() -> None:
    members = {"a:1": (1, 1), "b:1": (2, 1), "c:9": (1, 2), "d:4": (2, 1)}
    assert newest(members) == {"b:1", "d:4"}
    assert newest({"a:1": (1, 9)}) == {"a:1"}


@given(MEMBERS, holdings(NAMES))
def test_members_with_one_view_want_no_partition_twice(members: set[str], holders: Holders) -> None:
    # When all members decide on the same view
    taken = [number for name in members for number in shares(name, members, holders).take]
    # Then they do not meet
    assert len(taken) == len(set(taken))


@given(MEMBERS, holdings(NAMES))
def test_partitions_are_at_rest_when_no_member_would_act(members: set[str], holders: Holders) -> None:
    # Given any state
    changes = [shares(name, members, holders) for name in members]
    nobody_acts = all(change == Change([], []) for change in changes)
    # Then it is at rest where nobody acts, unless all that is not shared out is held by those that are gone
    if are_at_rest(members, holders):
        assert nobody_acts
    elif nobody_acts:
        assert any(holder is not None and holder not in members for holder in holders.values())


@given(MEMBERS, st.data())
def test_members_come_to_fair_shares_from_any_state(members: set[str], data: st.DataObject) -> None:
    # Given partitions held by members, or by nobody
    holders = data.draw(holdings(sorted(members)))
    # When they look and act in turn
    settled = settle(members, holders)
    # Then each has its share, and stays with it
    assert counts(members, settled) == fair(members, len(settled))
    assert are_at_rest(members, settled)


@given(MEMBERS, st.data())
def test_members_that_acted_on_older_views_come_to_fair_shares(members: set[str], data: st.DataObject) -> None:
    # Given members that act for a while on what they saw at another time, a dead one's partitions becoming free
    holders = data.draw(holdings(NAMES))
    views = [dict(holders)]
    for _ in range(data.draw(st.integers(0, 12))):
        name, view = data.draw(st.sampled_from(sorted(members))), data.draw(st.sampled_from(views))
        act(name, shares(name, members, view), holders)
        views.append(dict(holders))
    live: Holders = {number: holder if holder in members else None for number, holder in holders.items()}
    # When they see what is, then all of it is served, and fairly
    assert counts(members, settle(members, live)) == fair(members, len(live))


@given(MEMBERS, st.integers(1, 24), st.sampled_from(NAMES))
def test_a_member_that_comes_gets_its_share_and_no_more_moves(members: set[str], count: int, new: str) -> None:
    # Given members at rest, and one that is none of them yet
    members = members - {new} or {"z:1"}
    before = settle(members, dict.fromkeys(range(count)))
    # When it comes
    after = settle(members | {new}, dict(before))
    # Then only what it has now changed hands
    assert all(after[number] in (before[number], new) for number in before)
    assert counts(members | {new}, after) == fair(members | {new}, count)


@given(st.sets(st.sampled_from(NAMES), min_size=2), st.integers(1, 24), st.data())
def test_when_a_member_goes_only_what_it_held_moves(members: set[str], count: int, data: st.DataObject) -> None:
    # Given members at rest, one of which dies
    before = settle(members, dict.fromkeys(range(count)))
    gone = data.draw(st.sampled_from(sorted(members)))
    left: Holders = {number: None if holder == gone else holder for number, holder in before.items()}
    # When the others look
    after = settle(members - {gone}, dict(left))
    # Then they serve it, and keep what they had
    assert counts(members - {gone}, after) == fair(members - {gone}, count)
    assert all(after[number] == holder for number, holder in left.items() if holder is not None)
