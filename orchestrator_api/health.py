"""Whether the process lives, whether it can serve, and what it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from orchestrator_api.answers import answer, gives
from orchestrator_api.deps import Api
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
    reasons: dict[str, str]
    """By server, why not: `postgres`, `redis`."""


@router.get("/healthz", summary="Is the process alive?", responses={200: gives(Alive, "It is.")})
async def healthz() -> Response:
    """Says so, whatever the servers behind it do."""
    return answer(Alive("ok"))


@router.get(
    "/readyz",
    summary="Can it serve?",
    responses={
        200: gives(Readiness, "Redis and Postgres answer, and no migration is missing."),
        503: gives(Readiness, "Something does not."),
    },
)
async def readyz(services: Api) -> Response:
    """Asks Redis and Postgres, and whether the schema is this release's."""
    names = {"postgres": lambda: services.records.check(), "redis": lambda: services.live.check()}
    told = await asyncio.gather(*(_reason(check) for check in names.values()))
    reasons = {name: reason for name, reason in zip(names, told, strict=True) if reason}
    if services.drain.is_set():
        reasons["service"] = "it is stopping"
    return answer(Readiness(not reasons, reasons), 503 if reasons else 200)


@router.get(
    "/metrics",
    summary="What it counts",
    responses={200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}}},
)
async def metrics(services: Api) -> Response:
    """The metrics of this process, in Prometheus' text format 0.0.4."""
    return Response(services.metrics.render(), media_type=METRICS_TYPE)


async def _reason(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await check()
    except ServerUnavailable as why:
        return str(why)
    except TimeoutError:
        return f"it has not answered within {PATIENCE_S:g} s"
    return ""
