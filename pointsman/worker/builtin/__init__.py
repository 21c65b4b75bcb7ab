"""The workers that come with Pointsman, for nodes of type `http` and `transform`."""

from __future__ import annotations

from pointsman.expr import engine
from pointsman.settings import Settings
from pointsman.worker.builtin.http import http_worker
from pointsman.worker.builtin.transform import transform_worker
from pointsman.worker.worker import Worker


def workers(settings: Settings) -> list[Worker]:
    """All of them."""
    return [
        http_worker(settings.http.allow),
        transform_worker(engine(None if settings.cel_engine == "auto" else settings.cel_engine)),
    ]
