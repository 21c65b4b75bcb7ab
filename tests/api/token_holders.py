"""A task with an edit token, what it can send with it, and everything that must not have changed when it was denied."""

from __future__ import annotations

from typing import Any

import httpx

from tests.api.room import Room
from tests.api.test_access import bearer
from tests.api.test_problems import told

PLANNED = {
    "name": "planned",
    "nodes": [
        {"id": "begin", "type": "function"},
        {"id": "plan", "type": "agent", "retry": {"max_attempts": 3, "backoff_ms": 0}},
        {"id": "other", "type": "function"},
        {"id": "report", "type": "function"},
    ],
    "edges": [{"from": "begin", "to": "plan"}, {"from": "begin", "to": "other"}, {"from": "plan", "to": "report"}],
}


def adding(name: str, *, behind: str = "plan", before: str | None = "report", **form: Any) -> list[dict[str, Any]]:
    """Operations that add a node between two others."""
    node = {"id": name, "type": "agent", **form}
    targets = [{"from": name, "to": before}] if before else []
    edges = [{"from": behind, "to": name}, *targets]
    return [
        {"op": "add", "path": "/nodes/-", "value": node},
        *({"op": "add", "path": "/edges/-", "value": edge} for edge in edges),
    ]


async def planning(room: Room, **more: Any) -> str:
    """A run whose node `plan` is out."""
    run_id = await room.start(PLANNED, **more)
    await room.journal(run_id, (await room.complete(run_id, "begin")).seq)
    return run_id


async def issued(room: Room, place: str, *, attempt: int = 1, **wanted: Any) -> dict[str, Any]:
    """What the worker of `plan` gets that asks for an edit token; `place` is the run, and the frame behind a colon."""
    run_id, _, frame = place.partition(":")
    answered = await room.post("/edit-tokens", {"job_id": f"{run_id}:{frame}:plan:{attempt}", **wanted})
    assert answered.status_code == 201, answered.text
    return dict(answered.json())


async def token_for(room: Room, run_id: str, **wanted: Any) -> str:
    """The text of an edit token."""
    return str((await issued(room, run_id, **wanted))["token"])


async def send(room: Room, run_id: str, token: str, operations: list[dict[str, Any]], **options: str) -> httpx.Response:
    """Patch a run with an edit token."""
    return await room.post(f"/runs/{run_id}/patch", {"operations": operations}, headers=bearer(token), params=options)


async def stored(room: Room) -> tuple[Any, ...]:
    """Everything there is, but for the audit of refused patches."""
    pool = room.services.records.pool
    tables = await pool.fetch("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    rows = [await pool.fetch(f"SELECT * FROM {table['name']}") for table in tables if table["name"] != "patch_audit"]
    return await room.executor.store.dump(), [sorted(map(repr, found)) for found in rows]


async def refused(room: Room, run_id: str) -> list[dict[str, Any]]:
    """The audit of a run."""
    return list((await room.get(f"/runs/{run_id}/patches")).json()["refused"])


async def assert_denied(room: Room, run_id: str, answered: httpx.Response, status: int, code: str, before: Any) -> None:
    """A denial changed nothing and is written down."""
    assert told(answered) == (status, code), answered.text
    assert await stored(room) == before
    assert (await refused(room, run_id))[-1]["code"] == code
