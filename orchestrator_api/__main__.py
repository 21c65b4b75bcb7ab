"""The process: `python -m orchestrator_api`."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from orchestrator_api.app import create_app
from orchestrator_api.deps import open_services
from orchestrator_api.fleet_editor import FleetEditor
from orchestrator_api.giving_way import give_way
from orchestrator_api.keys import keys_of
from pointsman.base.errors import PointsmanError, ServerUnavailable
from pointsman.service import Exit, Service
from pointsman.service import main as be_a_process
from pointsman.settings import Settings

log = structlog.get_logger()


class Server(uvicorn.Server):
    """Uvicorn, stopped by the service and not by signals of its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the service."""
        yield


async def run(settings: Settings) -> Exit:
    """Serve until told to stop.

    Raises:
        ServerUnavailable: The port is taken, or a server will never do.
        SettingsError: CFG010, the file of keys cannot be used.
    """
    keys, service = keys_of(settings), Service(settings)
    with listening(settings.api.host, settings.port) as listener:
        async with open_services(service) as services:
            app = create_app(services, keys)
            log.info("api_listening", url=url_of(listener))
            editor = FleetEditor(services)
            return await service.run({"http": lambda: serve(app, listener, service), "fleet": editor.run})


async def serve(app: FastAPI, listener: socket.socket, service: Service) -> None:
    """Answer requests until the service drains; then finish those that were begun. Streams end by themselves."""
    config = uvicorn.Config(
        app,
        http="httptools",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, service.settings.grace_period_ms // 1_000 - 1),
    )
    server = Server(config)

    async def stop() -> None:
        await service.drain.wait()
        server.should_exit = True

    stopping = asyncio.create_task(stop())
    try:
        await server.serve([listener])
    finally:
        stopping.cancel()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens; port 0 takes any that is free.

    Raises:
        ServerUnavailable: SRV053, the port is taken or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as why:
        raise _cannot_listen(host, port, why) from why
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(2_048)
        except OSError as why:
            raise _cannot_listen(host, port, why) from why
        yield listener


def url_of(listener: socket.socket) -> str:
    """Where a socket can be reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _cannot_listen(host: str, port: int, why: OSError) -> ServerUnavailable:
    return ServerUnavailable(
        "SRV053",
        f"the API cannot listen on {host}:{port}: {why.strerror or why}. It was not started. Stop whoever uses the "
        "port, or choose another in PORT.",
    )


def main(environ: Mapping[str, str] | None = None) -> Exit:
    """Be the API; the answer is the exit status."""
    give_way()
    try:
        return be_a_process("api", run, environ)
    except PointsmanError as wrong:
        print(wrong, file=sys.stderr)
        return Exit.BAD_SETTINGS


if __name__ == "__main__":
    sys.exit(main())
