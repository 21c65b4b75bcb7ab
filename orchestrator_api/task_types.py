"""Task types: what waits on each stream, and whether anybody serves it."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from orchestrator_api.answers import answer, gives
from orchestrator_api.deps import Api

router = APIRouter(prefix="/api/v1/task-types", tags=["task types"])


class TaskType(msgspec.Struct, frozen=True):
    """The unfinished tasks of one type."""

    type: str
    tasks: int
    """Those that are not done."""
    waiting: int
    """Those among them that no worker has taken yet."""
    served: bool
    """Whether a worker made with the SDK is alive for it, or any other holds one of its tasks."""


class TaskTypes(msgspec.Struct, frozen=True):
    """Every type that there was ever a task or a worker for, by name."""

    types: tuple[TaskType, ...]


@router.get("", summary="List task types", responses={200: gives(TaskTypes, "Every type there ever was.")})
async def list_task_types(services: Api) -> Response:
    """What waits for workers, and which types nobody serves."""
    found = await services.live.backlog.tasks()
    return answer(TaskTypes(tuple(TaskType(one.type, one.entries, one.unread, one.is_served) for one in found)))
