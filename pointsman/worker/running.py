"""A process that runs workers, from the command line to its exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping

from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.redis.partitions import Partitions
from pointsman.base.errors import WorkerError
from pointsman.service import Exit, Service, main
from pointsman.settings import Settings, secrets
from pointsman.worker.secrets import Secrets
from pointsman.worker.shift import Shift
from pointsman.worker.target import load_workers


def run(target: str, environ: Mapping[str, str] | None = None) -> Exit:
    """Run the workers that `target` names until SIGTERM; the exit code.

    Args:
        target: `pointsman.worker.target.load_workers` says what it may be.
        environ: In place of the process environment.
    """

    async def work(settings: Settings) -> Exit:
        return await work_until_drained(target, settings, Secrets(secrets(environ)))

    try:
        return main("worker", work, environ)
    except WorkerError as wrong:
        if wrong.__cause__ is not None:
            traceback.print_exception(wrong.__cause__)
        print(wrong, file=sys.stderr)
        return Exit.BAD_SETTINGS


async def work_until_drained(target: str, settings: Settings, secrets: Secrets) -> Exit:
    """Run workers on this event loop.

    Raises:
        ServerUnavailable: Redis or the blob store cannot be used.
        WorkerError: The target cannot.
    """
    workers = load_workers(target, settings)
    blobs = open_blobs(settings.blob_store_url)
    partitions = await Partitions.open(settings.redis_dsn, settings.partitions)
    try:
        service = Service(settings, settings.worker.metrics_port)
        service.warn(partitions.warnings)
        shift = Shift(workers, service, partitions, blobs, secrets)
        await shift.begin()
        return await service.run(shift.loops())
    finally:
        await partitions.aclose()
