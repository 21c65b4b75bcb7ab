"""Edit tokens as Biscuits: signed by the API, narrowed by whoever holds one, without asking anybody.

The first block says what the API granted. Each later one is a share: checks in Biscuit's Datalog, of the few forms
that `narrow` writes. A block of any other form is refused unread: Biscuit would evaluate whatever program it holds.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from biscuit_auth import (
    AuthorizationError,
    AuthorizerBuilder,
    Biscuit,
    BiscuitBuilder,
    BiscuitValidationError,
    BlockBuilder,
    Check,
    Fact,
    KeyPair,
    PrivateKey,
    PublicKey,
    Rule,
    UnverifiedBiscuit,
)

from pointsman.base.errors import EditRefused
from pointsman.base.ids import Millis, RunId, TokenId
from pointsman.rights.grant import PREFIX, Grant, Limits, Share, Use, is_edit_token

MAX_CHARS: Final = 8_192
MAX_SHARES: Final = 16
_PATIENCE: Final = timedelta(seconds=5)
"""Biscuit's own is a millisecond, which a busy machine takes for nothing. What is evaluated is bounded by its form."""
ROOT: Final = "task"
"""The id of the first share."""
_GRANTED: Final = "found($a, $b, $c, $d, $e, $f, $g, $h) <- granted($a, $b, $c, $d, $e, $f, $g, $h)"
_SHARE: Final = re.compile(
    r'share\("(?P<id>[0-9a-f]{16})"\);\n'
    r"(?:check if types\(\$types\), \{(?P<types>,|\"[\w.-]+\"(?:, \"[\w.-]+\")*)\}\.contains\(\$types\);\n)?"
    r'(?:check if nodes\("(?P=id)", \$nodes\), \$nodes <= (?P<nodes>\d{1,9});\n)?'
    r'(?:check if operations\("(?P=id)", \$operations\), \$operations <= (?P<operations>\d{1,9});\n)?'
    r"(?:check if time\(\$time\), \$time <= (?P<until>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ);\n)?"
)
_KEY: Final = re.compile(r'^public_key\("(ed25519/[0-9a-f]{64})"\);$', re.MULTILINE)


def mint(grant: Grant, key: PrivateKey) -> str:
    """A token that says what `grant` does. Its limits, all of them set, are those of the first share."""
    limits = grant.shares[0].limits
    about = {
        "run": grant.run_id,
        "token": grant.token,
        "attempt": grant.attempt,
        "by": grant.issued_to,
        # As text: this release of the library cannot give a set back.
        "types": " ".join(sorted(limits.types or ())),
        "nodes": limits.nodes,
        "operations": limits.operations,
        "until": _date(limits.until or Millis(0)),
        "key": repr(public_of(key)),
    }
    builder = BiscuitBuilder(
        "granted({run}, {token}, {attempt}, {by}, {types}, {nodes}, {operations}, {until}); public_key({key});"
        "check if editing({run}, {token}, {attempt});",
        about,
    )
    for check in _checks(Share(ROOT, limits)):
        builder.add_check(check)
    return PREFIX + builder.build(key).to_base64()


def read(text: str, key: PublicKey) -> Grant:
    """What a token says.

    Raises:
        EditRefused: API040, it was not signed with the key, was changed since, or holds what we never write.
    """
    biscuit = _opened(text, key)
    shares = [_share(biscuit, place) for place in range(1, biscuit.block_count())]
    granted = _patient(AuthorizerBuilder()).build(biscuit).query(Rule(_GRANTED))
    if len(granted) != 1:
        raise not_ours()  # signed with our key, and for something else
    run, token, attempt, by, types, nodes, operations, until = granted[0].terms
    limits = Limits(frozenset(types.split()), nodes, operations, _millis(until))
    return Grant(RunId(run), TokenId(token), attempt, by, (Share(ROOT, limits), *shares))


def narrow(text: str, limits: Limits) -> str:
    """A token for somebody else: it allows what this one does within `limits`, which are counted for it alone.

    Raises:
        EditRefused: API040, this is no edit token; API047, it has been handed on too often.
    """
    biscuit = _opened(text, key_in(text))
    share = Share(secrets.token_hex(8), limits)
    narrowed = PREFIX + biscuit.append(_block(share)).to_base64()
    if biscuit.block_count() > MAX_SHARES or len(narrowed) > MAX_CHARS:
        raise EditRefused(
            "API047",
            f"the edit token has been handed on too often: it would have more than {MAX_SHARES} shares or "
            f"{MAX_CHARS} characters. No token was made. Hand on one that was narrowed less often.",
        )
    return narrowed


def holds(text: str, key: PublicKey, grant: Grant, use: Use, now: Millis) -> bool:
    """Whether Biscuit itself, evaluating every check in the token, allows this use of it."""
    builder = AuthorizerBuilder("allow if true;")
    for fact in _facts(grant, use, now):
        builder.add_fact(fact)
    try:
        _patient(builder).build(_opened(text, key)).authorize()
    except AuthorizationError:
        return False
    return True


def public_of(key: PrivateKey) -> PublicKey:
    """The key that shows that a token was signed with `key`."""
    return KeyPair.from_private_key(key).public_key


def key_in(text: str) -> PublicKey:
    """The key that a token says it can be checked with: enough to narrow it, no proof of anything. Raises as `read`."""
    try:
        found = _KEY.search(UnverifiedBiscuit.from_base64(text.removeprefix(PREFIX)).block_source(0))
    except BiscuitValidationError:
        raise not_ours() from None
    if not is_edit_token(text) or found is None:
        raise not_ours()
    return PublicKey(found[1])


def not_ours() -> EditRefused:
    """The refusal of a credential that is no edit token of this API."""
    return EditRefused(
        "API040",
        "the credential is not an edit token that this API has issued, or it was changed since; nothing was done. Ask "
        "for one with POST /api/v1/edit-tokens.",
    )


def _opened(text: str, key: PublicKey) -> Biscuit:
    if not is_edit_token(text) or len(text) > MAX_CHARS:
        raise not_ours()
    try:
        biscuit = Biscuit.from_base64(text.removeprefix(PREFIX), key)
    except BiscuitValidationError:
        raise not_ours() from None
    if biscuit.block_count() > 1 + MAX_SHARES:
        raise not_ours()
    return biscuit


def _share(biscuit: Biscuit, place: int) -> Share:
    """A later block, read off its source: what it means is no wider, since quotes inside its strings are not shown."""
    found = _SHARE.fullmatch(biscuit.block_source(place))
    if found is None or biscuit.block_external_key(place) is not None:
        raise not_ours()
    types, nodes, operations, until = found.group("types", "nodes", "operations", "until")
    limits = Limits(
        frozenset(re.findall(r"[\w.-]+", types)) if types is not None else None,
        int(nodes) if nodes is not None else None,
        int(operations) if operations is not None else None,
        _millis(datetime.fromisoformat(until)) if until is not None else None,
    )
    return Share(found["id"], limits)


def _block(share: Share) -> BlockBuilder:
    block = BlockBuilder("share({id})", {"id": share.id})
    for check in _checks(share):
        block.add_check(check)
    return block


def _checks(share: Share) -> Iterator[Check]:
    limits = share.limits
    if limits.types is not None:
        yield Check("check if types($types), {allowed}.contains($types)", {"allowed": set(limits.types)})
    if limits.nodes is not None:
        yield Check("check if nodes({id}, $nodes), $nodes <= {most}", {"id": share.id, "most": limits.nodes})
    if limits.operations is not None:
        about = {"id": share.id, "most": limits.operations}
        yield Check("check if operations({id}, $operations), $operations <= {most}", about)
    if limits.until is not None:
        yield Check("check if time($time), $time <= {until}", {"until": _date(limits.until)})


def _facts(grant: Grant, use: Use, now: Millis) -> Iterator[Fact]:
    """What a use is, for the checks to look at."""
    editing = {"run": grant.run_id, "token": grant.token, "attempt": grant.attempt}
    yield Fact("editing({run}, {token}, {attempt})", editing)
    yield Fact("types({types})", {"types": set(use.types)})
    yield Fact("time({now})", {"now": _date(now)})
    for share, spent in zip(grant.shares, use.spent, strict=True):
        yield Fact("nodes({id}, {spent})", {"id": share.id, "spent": spent.nodes})
        yield Fact("operations({id}, {spent})", {"id": share.id, "spent": spent.operations})


def _patient(builder: AuthorizerBuilder) -> AuthorizerBuilder:
    limits = builder.limits()  # type: ignore[attr-defined]  # its stubs lack both
    limits.max_time = _PATIENCE
    builder.set_limits(limits)  # type: ignore[attr-defined]
    return builder


def _date(at: Millis) -> datetime:
    return datetime.fromtimestamp(at // 1_000, UTC)


def _millis(date: datetime) -> Millis:
    return Millis(int(date.timestamp()) * 1_000)
