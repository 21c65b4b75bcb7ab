from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from pointsman.base.errors import ServerUnavailable
from pointsman.health import METRICS_TYPE, Health, health_server
from pointsman.metrics import Metrics
from tests.support.processes import free_port


@asynccontextmanager
async def served(health: Health, metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    async with (
        health_server(health, metrics, "127.0.0.1", port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        yield client


async def test_a_process_is_ready_until_something_speaks_against_it() -> None:
    health = Health()
    async with served(health, Metrics()) as client:
        assert (await client.get("/readyz")).json() == {"ready": True, "reasons": {}}
        health.unready("journal", "SRV040 Postgres is gone")
        answer = await client.get("/readyz?verbose")
        assert answer.status_code == 503
        assert answer.json() == {"ready": False, "reasons": {"journal": "SRV040 Postgres is gone"}}
        # It is alive all the same
        assert (await client.get("/healthz")).status_code == 200
        health.ready("journal")
        assert (await client.get("/readyz")).status_code == 200


async def test_metrics_are_served_as_prometheus_reads_them() -> None:
    metrics = Metrics()
    metrics.transitions.inc(7)
    async with served(Health(), metrics) as client:
        answer = await client.get("/metrics")
        assert answer.headers["content-type"] == METRICS_TYPE
        assert "pointsman_transitions_total 7.0" in answer.text
        assert (await client.head("/metrics")).text == ""


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/healthz", 405)])
async def test_anything_else_is_answered_as_http_asks(method: str, path: str, status: int) -> None:
    async with served(Health(), Metrics()) as client:
        assert (await client.request(method, path)).status_code == status


@pytest.mark.parametrize("sent", [b"", b"GET", b"\xff\xfe\r\n\r\n", b"x" * 20_000])
async def test_who_does_not_speak_http_harms_nobody(sent: bytes) -> None:
    port = free_port()
    async with health_server(Health(), Metrics(), "127.0.0.1", port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.write_eof()
        await reader.read()
        writer.close()
        async with httpx.AsyncClient() as client:
            assert json.loads((await client.get(f"http://127.0.0.1:{port}/healthz")).text) == {"status": "ok"}


async def test_port_zero_opens_no_port() -> None:
    async with health_server(Health(), Metrics(), "256.0.0.1", 0):
        pass


async def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ServerUnavailable, match=rf"SRV050 cannot listen on 127.0.0.1:{port}"):
            async with health_server(Health(), Metrics(), "127.0.0.1", port):
                pass
