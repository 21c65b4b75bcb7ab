"""What happened in a run: its events in pages, or as a stream that goes on as they become durable."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orchestrator_api.answers import answer, component
from orchestrator_api.deps import Api, Services
from orchestrator_api.draining import until
from orchestrator_api.event_view import RunEvent, event_of
from orchestrator_api.paths import Limit, RunPath
from orchestrator_api.reading import found
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import RunId
from pointsman.ports.journal import JournalEvent
from pointsman.protocol.state import FINAL
from pointsman.protocol.transition import decode_event

router = APIRouter(prefix="/api/v1/runs", tags=["events"])

STREAM: Final = "text/event-stream"
HEARTBEAT_S: Final = 15.0
_HEARTBEAT: Final = b": still here\n\n"
_STREAM_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_LAST_SEQ: Final = 2**63 - 1


class EventPage(msgspec.Struct, frozen=True):
    """Events of a run, oldest first."""

    events: tuple[RunEvent, ...]
    next_after_seq: int | None
    """`after_seq` for the next page; null where there were no more events when this was answered."""


@router.get(
    "/{run_id}/events",
    summary="What happened",
    responses={
        200: {
            "description": "Events, oldest first; each is durable. With `Accept: text/event-stream` they are sent as "
            "they come, until the run's final one; `id` is the event's seq.",
            "content": {
                "application/json": {"schema": component(EventPage)},
                STREAM: {"schema": {"type": "string"}},
            },
        },
        204: {"description": "A stream was asked for, and its last event had been received: do not reconnect."},
    },
)
async def get_events(
    run_id: RunPath,
    request: Request,
    services: Api,
    after_seq: Annotated[int, Query(ge=0, le=_LAST_SEQ, description="Only events behind this seq.")] = 0,
    limit: Limit = 100,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=_LAST_SEQ, description="As `after_seq`, sent by clients that reconnect.")
    ] = None,
) -> Response:
    """The events of a run in pages, or as a stream."""
    if STREAM in request.headers.get("accept", ""):
        return await _stream(services, run_id, last_event_id if last_event_id is not None else after_seq)
    await found(services, run_id)
    events = await services.records.journal.events(run_id, after_seq, limit + 1)
    following = events[limit - 1].seq if len(events) > limit else None
    return answer(EventPage(tuple(map(_shown, events[:limit])), following))


async def _stream(services: Services, run_id: RunId, after_seq: int) -> Response:
    row = await found(services, run_id)
    if row.status in FINAL and row.seq <= after_seq:
        return Response(status_code=204)
    return StreamingResponse(_told(services, run_id, after_seq), media_type=STREAM, headers=_STREAM_HEADERS)


async def _told(services: Services, run_id: RunId, after_seq: int) -> AsyncIterator[bytes]:
    """The stream's text. It ends when the run does, when the process drains, or when Postgres is lost; clients then
    come back with the id of the last event they have."""
    services.metrics.event_streams.inc()
    try:
        followed = services.records.watch.follow(run_id, after_seq, idle_seconds=HEARTBEAT_S)
        async with aclosing(until(followed, services.drain)) as batches:
            async for batch in batches:
                yield b"".join(map(_entry, batch)) or _HEARTBEAT
    except ServerUnavailable:
        return
    finally:
        services.metrics.event_streams.dec()


def _entry(event: JournalEvent) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (event.seq, msgspec.json.encode(_shown(event)))


def _shown(event: JournalEvent) -> RunEvent:
    return event_of(decode_event(event.body))
