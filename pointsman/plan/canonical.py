"""One spelling for each plan, so that its digest names it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any, TypeVar

import msgspec

from pointsman.base.errors import PointsmanError
from pointsman.base.ids import Digest
from pointsman.base.memo import Memo
from pointsman.plan.model import Edge, Node, Plan

PLAN_FORMAT = 1
_DECODER = msgspec.json.Decoder(Plan)
_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_ENCODER = msgspec.json.Encoder(order="sorted")


class PlanUnreadable(PointsmanError):
    """A stored plan of a format this release does not know; leave it to a release that does."""


def encode_plan(plan: Plan) -> bytes:
    """The canonical JSON of a plan: keys sorted, defaults left out, UTF-8."""
    return _joined(plan, _encoded, _encoded)


class PlanWriter:
    """`encode_plan` for plans that have most of their nodes and edges in common: each is encoded once."""

    def __init__(self, most: int = 20_000) -> None:
        self._node = Memo[Node, bytes](_encoded, most)
        self._edge: Callable[[Edge], bytes] = lru_cache(most)(_encoded)

    def __call__(self, plan: Plan) -> bytes:
        """The canonical JSON of a plan."""
        return _joined(plan, self._node, self._edge)


def _joined(plan: Plan, node: Callable[[Node], bytes], edge: Callable[[Edge], bytes]) -> bytes:
    """The JSON of a plan around that of its parts."""
    around: Any = _with_shared_defaults(msgspec.structs.replace(plan, nodes=(), edges=()))
    inside = {"nodes": _listed(map(node, plan.nodes))}
    if plan.edges:
        inside["edges"] = _listed(map(edge, plan.edges))
    return _ENCODER.encode(msgspec.structs.replace(around, **inside))


def _listed(parts: Iterable[bytes]) -> msgspec.Raw:
    return msgspec.Raw(b"[" + b",".join(parts) + b"]")


def _encoded(part: Node | Edge) -> bytes:
    return _ENCODER.encode(_with_shared_defaults(part))


def plan_digest(encoded: bytes) -> Digest:
    """The SHA-256 of a plan's canonical JSON, 64 hexadecimal digits."""
    return Digest(hashlib.sha256(encoded).hexdigest())


def decode_plan(encoded: bytes) -> Plan:
    """Read a plan back from its canonical JSON."""
    try:
        plan = _DECODER.decode(encoded)
    except msgspec.ValidationError as wrong:
        raise PlanUnreadable("RUN001", f"a stored plan cannot be read by this release: {wrong}") from wrong
    if plan.format > PLAN_FORMAT:
        raise PlanUnreadable(
            "RUN001",
            f"a stored plan has format {plan.format}, this release knows up to {PLAN_FORMAT}; it was left alone. "
            "Let a newer coordinator take the run, or upgrade this one.",
        )
    return plan


def _with_shared_defaults(value: _Struct) -> _Struct:
    """The same with the default itself wherever a field equals it: msgspec leaves a default out by identity."""
    settled = {}
    for (name, default), held in zip(_defaults(type(value)), msgspec.structs.astuple(value), strict=True):
        if held is not default and (made := _settled(held, default)) is not held:
            settled[name] = made
    return msgspec.structs.replace(value, **settled) if settled else value


def _settled(value: Any, default: Any) -> Any:
    kind = type(value)
    if kind is type(default) and value == default:
        return default
    if kind is str or kind is int:
        return value
    if isinstance(value, msgspec.Struct):
        return _with_shared_defaults(value)
    if isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
        return tuple(map(_with_shared_defaults, value))
    return value


@cache
def _defaults(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.default) for field in msgspec.structs.fields(kind))
