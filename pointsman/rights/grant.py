"""What an edit token says: for which task it was issued, and what each of its holders may do at most."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from pointsman.base.ids import Millis, NodeId, RunId, TokenId, split_token

PREFIX: Final = "pointsman_edit_"
"""What every edit token begins with, so that it is known for one wherever it shows up."""
CONTROL: Final = frozenset({"conditional", "join", "parallel", "wait"})
"""Node types that cost nothing and repeat nothing: every token may add them."""
_TEXT: Final = re.compile(rf"\b{PREFIX}[\w=-]+")
_BY: Final = re.compile(r"edit token ([^ ]+) \(")
_HELD: Final = "~"
"""Stands in no run, frame or node id."""


class Limits(msgspec.Struct, frozen=True):
    """The most that is allowed; None: no more limited than what it was made from."""

    types: frozenset[str] | None = None
    nodes: int | None = None
    """Added over the token's whole life, those that were removed again included."""
    operations: int | None = None
    """Of all its patches together."""
    until: Millis | None = None


class Share(msgspec.Struct, frozen=True):
    """What one holder handed on to the next, with limits that count for the next and all behind it."""

    id: str
    limits: Limits


class Grant(msgspec.Struct, frozen=True):
    """A token, read. Its first share is that of the task itself."""

    run_id: RunId
    token: TokenId
    """The activation it was issued for; counts are kept by it, whatever number of tokens is asked for."""
    attempt: int
    issued_to: str
    """The name of the key it was asked for with."""
    shares: tuple[Share, ...]

    @property
    def node(self) -> NodeId:
        """The node that issues the edits."""
        return split_token(self.token)[1]

    @property
    def holders(self) -> tuple[str, ...]:
        """The name of each share, as patches remember it: a name begins with that of the one before."""
        names = [str(self.token)]
        for share in self.shares[1:]:
            names.append(f"{names[-1]}{_HELD}{share.id}")
        return tuple(names)

    @property
    def by(self) -> str:
        """Who patches, as history keeps it. No key's name has a space in it, so nobody else is called so."""
        return f"edit token {self.holders[-1]} (attempt {self.attempt}, {self.issued_to})"

    @property
    def until(self) -> Millis | None:
        """When it expires, whatever becomes of the task."""
        return min((share.limits.until for share in self.shares if share.limits.until is not None), default=None)

    @property
    def types(self) -> frozenset[str]:
        """The node types that every share allows."""
        allowed = [share.limits.types for share in self.shares if share.limits.types is not None]
        return frozenset[str].intersection(*allowed) if allowed else frozenset()


class Spent(msgspec.Struct, frozen=True):
    """What a holder, and those it handed its token on to, have used."""

    nodes: int = 0
    operations: int = 0


class Use(msgspec.Struct, frozen=True):
    """What a patch would use of a token."""

    types: frozenset[str]
    """Of the nodes that it adds or changes."""
    spent: tuple[Spent, ...]
    """What would be used in all, for each share."""


def is_edit_token(credential: str) -> bool:
    """Whether a credential is meant as an edit token."""
    return credential.startswith(PREFIX)


def holder_of(by: str) -> str | None:
    """The holder that a patch was sent by; None where no edit token was used."""
    found = _BY.match(by)
    return found[1] if found else None


def is_held_by(holder: str, name: str) -> bool:
    """Whether a holder is `name`, or somebody it handed its token on to."""
    return holder == name or holder.startswith(f"{name}{_HELD}")


def without_edit_tokens(text: str, instead: str) -> str:
    """A text with every edit token in it replaced."""
    return _TEXT.sub(instead, text) if PREFIX in text else text
