"""Whether the process lives, whether it can serve, and what it counts."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from orchestrator_api.answers import answer, gives
from orchestrator_api.deps import Api, Services
from pointsman.base.errors import ServerUnavailable
from pointsman.health import METRICS_TYPE

router = APIRouter(tags=["health"])

PATIENCE_S: Final = 3.0


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class Readiness(msgspec.Struct, frozen=True):
    """Whether the process can serve."""

    ready: bool
    """With some partitions of many closed it can: what concerns the runs of those is answered with 503."""
    reasons: dict[str, str]
    """By server, why not, or not all of it: `postgres`, `redis`."""


@router.get("/healthz", summary="Is the process alive?", responses={200: gives(Alive, "It is.")})
async def healthz() -> Response:
    """Says so, whatever the servers behind it do."""
    return answer(Alive("ok"))


@router.get(
    "/readyz",
    summary="Can it serve?",
    responses={
        200: gives(Readiness, "Postgres and Redis, one partition of it at least, answer; no migration is missing."),
        503: gives(Readiness, "Something does not."),
    },
)
async def readyz(services: Api) -> Response:
    """Asks Redis and Postgres, and whether the schema is this release's."""
    postgres, redis = await asyncio.gather(_postgres(services), _redis(services))
    service = "it is stopping" if services.drain.is_set() else ""
    told = {"postgres": postgres, "redis": redis.reason, "service": service}
    is_ready = redis.serves_some and not (postgres or service)
    reasons = {name: reason for name, reason in told.items() if reason}
    return answer(Readiness(is_ready, reasons), 200 if is_ready else 503)


@router.get(
    "/metrics",
    summary="What it counts",
    responses={200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}}},
)
async def metrics(services: Api) -> Response:
    """The metrics of this process, in Prometheus' text format 0.0.4."""
    return Response(services.metrics.render(), media_type=METRICS_TYPE)


class _Redis(NamedTuple):
    reason: str
    serves_some: bool


async def _redis(services: Services) -> _Redis:
    try:
        live = services.live
    except ServerUnavailable as why:
        return _Redis(str(why), False)
    closed, count = await live.closed(), len(live.partitions.all)
    if not closed or count == 1:
        return _Redis("".join(closed.values()), not closed)
    first, numbers = next(iter(closed.values())), ", ".join(map(str, closed))
    return _Redis(f"{first} (partition{'s' * (len(closed) > 1)} {numbers} of {count})", len(closed) < count)


async def _postgres(services: Services) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await services.records.check()
    except ServerUnavailable as why:
        return str(why)
    except TimeoutError:
        return f"it has not answered within {PATIENCE_S:g} s"
    return ""
