"""Edit tokens as Biscuits: what is read is what was granted, and only what we write is read."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from biscuit_auth import Biscuit, BiscuitBuilder, BlockBuilder, KeyPair, PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.base.errors import EditRefused
from pointsman.base.ids import Millis, RunId, TokenId
from pointsman.rights.biscuit import MAX_SHARES, ROOT, holds, key_in, mint, narrow, public_of, read
from pointsman.rights.grant import PREFIX, Grant, Limits, Share, Spent, Use
from tests.rights.tokens import AMPLE, UNTIL, a_grant, limited

KEYS = KeyPair()
PRIVATE, PUBLIC = KEYS.private_key, KEYS.public_key
NOW = Millis(UNTIL - 1_000)


def with_block(text: str, source: str) -> str:
    """The token with any block behind it."""
    biscuit = Biscuit.from_base64(text.removeprefix(PREFIX), PUBLIC)
    return PREFIX + biscuit.append(BlockBuilder(source)).to_base64()


def use(*spent: tuple[int, int], types: str = "function") -> Use:
    return Use(frozenset(types.split()), tuple(Spent(*used) for used in spent))


@pytest.mark.parametrize(
    "grant",
    [
        a_grant(),
        a_grant("plan", limited(types=frozenset(), nodes=0, operations=0)),
        Grant(RunId("r.1-x"), TokenId("polish[2]/items[14]:p-1_x"), 12, 'a"n\\n', (Share(ROOT, AMPLE),)),
    ],
)
def test_what_was_granted_is_what_is_read(grant: Grant) -> None:
    assert read(mint(grant, PRIVATE), PUBLIC) == grant


def test_a_token_tells_whom_it_is_held_by() -> None:
    grant = a_grant("plan", AMPLE, Share("a" * 16, Limits()), Share("b" * 16, Limits()), attempt=2)
    assert grant.by == f"edit token :plan~{'a' * 16}~{'b' * 16} (attempt 2, ann)"


@pytest.mark.parametrize(
    "limits",
    [
        Limits(),
        Limits(types=frozenset({"agent", "my.type-1"})),
        Limits(types=frozenset()),
        Limits(nodes=0),
        Limits(operations=7, until=Millis(1_700_000_000_000)),
        Limits(frozenset({"http"}), 1, 2, Millis(0)),
    ],
)
def test_a_narrowed_token_says_what_it_was_narrowed_to(limits: Limits) -> None:
    text = narrow(mint(a_grant(), PRIVATE), limits)
    root, share = read(text, PUBLIC).shares
    assert (root, share.limits) == (Share(ROOT, AMPLE), limits)
    # And nobody needs to be asked for it: the key to check it with is in it
    assert repr(key_in(text)) == repr(PUBLIC)


def test_no_two_narrowed_tokens_share_what_they_may_use() -> None:
    text = mint(a_grant(), PRIVATE)
    ids = {read(narrow(text, Limits(nodes=1)), PUBLIC).shares[1].id for _ in range(50)}
    assert len(ids) == 50


def test_a_token_is_handed_on_so_often_and_not_oftener() -> None:
    text = mint(a_grant(), PRIVATE)
    for _ in range(MAX_SHARES):
        text = narrow(text, Limits(nodes=1))
    assert len(read(text, PUBLIC).shares) == 1 + MAX_SHARES
    with pytest.raises(EditRefused, match="API047"):
        narrow(text, Limits(nodes=1))
    # Nor by other means than ours
    longer = with_block(text, f'share("{"a" * 16}");')
    with pytest.raises(EditRefused, match="API040"):
        read(longer, PUBLIC)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "true(1);",
        "check if true;",
        "check if nodes($n), $n <= 1;",
        'share("a");',
        f'share("{"a" * 16}"); share("{"b" * 16}");',
        f'share("{"a" * 16}"); check if nodes("{"b" * 16}", $nodes), $nodes <= 1;',
        f'share("{"a" * 16}"); check if nodes("{"a" * 16}", $nodes), $nodes <= 1 or true;',
        f'share("{"a" * 16}"); check if nodes("task", $nodes), $nodes <= 1;',
        f'share("{"a" * 16}"); granted("r", "t", 1, "b", "", 1, 1, 2030-01-01T00:00:00Z);',
        f'share("{"a" * 16}"); a($x) <- b($x);',
        f'share("{"a" * 16}"); check all nodes("{"a" * 16}", $nodes), $nodes <= 1;',
        f'share("{"a" * 16}"); check if [1, 2, 3].all($x -> [1, 2, 3].all($y -> $x < 9 && $y < 9));',
    ],
)
def test_a_block_that_we_do_not_write_is_not_read(source: str) -> None:
    text = with_block(mint(a_grant(), PRIVATE), source)
    with pytest.raises(EditRefused, match="API040"):
        read(text, PUBLIC)


def test_a_block_signed_by_a_third_party_is_not_read() -> None:
    # Given a share of our form, signed by somebody else
    biscuit = Biscuit.from_base64(mint(a_grant(), PRIVATE).removeprefix(PREFIX), PUBLIC)
    third = KeyPair()
    block = biscuit.third_party_request().create_block(third.private_key, BlockBuilder(f'share("{"a" * 16}");'))
    text = PREFIX + biscuit.append_third_party(third.public_key, block).to_base64()
    with pytest.raises(EditRefused, match="API040"):
        read(text, PUBLIC)


def _other_key(text: str) -> str:
    return mint(a_grant(), KeyPair().private_key)


def _other_biscuit(text: str) -> str:
    return PREFIX + BiscuitBuilder("user(1);").build(PRIVATE).to_base64()


def _last_block_gone(text: str) -> str:
    # What a holder of a narrowed token would like to do: go back to the one it was made from
    longer = bytearray(base64.urlsafe_b64decode(narrow(text, Limits(nodes=0)).removeprefix(PREFIX)))
    shorter = base64.urlsafe_b64decode(text.removeprefix(PREFIX))
    proof = longer[-36:]
    return PREFIX + base64.urlsafe_b64encode(shorter[:-36] + bytes(proof)).decode()


@pytest.mark.parametrize("change", [_other_key, _last_block_gone])
def test_a_token_that_was_put_together_otherwise_is_refused(change: Callable[[str], str]) -> None:
    with pytest.raises(EditRefused, match="API040"):
        read(change(mint(a_grant(), PRIVATE)), PUBLIC)


def test_a_biscuit_of_ours_for_something_else_is_no_edit_token() -> None:
    text = _other_biscuit("")
    with pytest.raises(EditRefused, match="API040"):
        read(text, PUBLIC)
    with pytest.raises(EditRefused, match="API040"):
        narrow(text, Limits())


def read_or_refused(text: str) -> Grant | str:
    try:
        return read(text, PUBLIC)
    except EditRefused as why:
        return why.code


@settings(max_examples=300)
@given(st.data())
def test_whatever_is_sent_is_read_or_refused(data: st.DataObject) -> None:
    # Given a token with some of its bytes changed, or no token at all
    whole = base64.urlsafe_b64decode(WHOLE.removeprefix(PREFIX))
    body = data.draw(st.one_of(st.binary(max_size=300), st.just(whole)))
    if body and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(body) - 1))
        body = body[:place] + bytes([data.draw(st.integers(0, 255))]) + body[place + 1 :]
    text = PREFIX + base64.urlsafe_b64encode(body).decode()
    # Then it is the token, or refused as none
    assert read_or_refused(text) in (read(WHOLE, PUBLIC), "API040")


@given(st.text(max_size=200))
def test_text_that_is_no_token_is_refused(text: str) -> None:
    for credential in (text, PREFIX + text):
        with pytest.raises(EditRefused, match="API040"):
            read(credential, PUBLIC)
        with pytest.raises(EditRefused, match="API040"):
            key_in(credential)


@pytest.mark.parametrize(
    ("used", "now", "verdict"),
    [
        (use((10, 100), (1, 100)), NOW, True),
        (use((11, 100), (1, 100)), NOW, False),
        (use((10, 101), (1, 100)), NOW, False),
        (use((10, 100), (2, 100)), NOW, False),
        (use((0, 0), (0, 0), types=""), NOW, True),
        (use((0, 0), (0, 0), types="function http"), NOW, False),
        (use((0, 0), (0, 0), types="agent"), NOW, False),
        (use((0, 0), (0, 0)), UNTIL, True),
        (use((0, 0), (0, 0)), Millis(UNTIL + 1_000), False),
    ],
)
def test_biscuit_judges_each_use_by_every_block(used: Use, now: Millis, verdict: bool) -> None:
    text = narrow(mint(a_grant(), PRIVATE), Limits(types=frozenset({"function", "agent"}), nodes=1))
    assert holds(text, PUBLIC, read(text, PUBLIC), used, now) is verdict


def test_biscuit_holds_a_token_to_its_task_and_run() -> None:
    grant = a_grant()
    text = mint(grant, PRIVATE)
    for other in (
        replace(grant, run_id=RunId("run_2")),
        replace(grant, token=TokenId(":x")),
        replace(grant, attempt=2),
    ):
        assert not holds(text, PUBLIC, other, use((0, 0)), NOW)
    assert holds(text, PUBLIC, grant, use((0, 0)), NOW)


def test_a_block_that_only_looks_narrower_is_caught_by_biscuit() -> None:
    # Given a share whose one type has a quote in it, which looks like two types when it is printed
    source = "share({id}); check if types($types), {allowed}.contains($types)"
    block = BlockBuilder(source, {"id": "a" * 16, "allowed": {'function", "http'}})
    biscuit = Biscuit.from_base64(mint(a_grant(), PRIVATE).removeprefix(PREFIX), PUBLIC)
    text = PREFIX + biscuit.append(block).to_base64()
    grant = read(text, PUBLIC)
    assert grant.types == {"function", "http"}
    # Then Biscuit itself does not take it for two
    assert not holds(text, PUBLIC, grant, use((0, 0), (0, 0)), NOW)


def test_a_key_is_known_by_what_it_signs() -> None:
    again = PrivateKey(repr(PRIVATE))
    assert repr(public_of(again)) == repr(PUBLIC)
    assert read(mint(a_grant(), again), PUBLIC) == a_grant()


WHOLE = narrow(mint(a_grant(), PRIVATE), Limits(nodes=1))
