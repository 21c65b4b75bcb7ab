"""The contract: whatever is sent, the API answers as its OpenAPI document says, and never with a failure of its own."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.room import CHAIN, HELLO
from tests.api.test_process import api
from tests.support.processes import started
from tests.support.waiting import eventually

EXAMPLES = 4
"""Of each kind, valid and not, for each operation."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    allow_header_conformance,
]
KNOWN: dict[str, list[Any]] = {
    "run_id": ["open", "paused", "over", "nowhere"],
    "name": ["hello", "nothing"],
    "version": [1, 2],
    "tag": ["prod", "canary"],
}
"""Values for paths that lead somewhere, or almost."""


async def test_every_operation_keeps_to_its_description(database: str, redis_db: str, tmp_path: Path) -> None:
    # Given an API with runs in every state, and a supervisor
    environment = {"DATABASE_URL": database, "REDIS_URL": redis_db, "PORT": "0", "POINTSMAN_DATA_DIR": str(tmp_path)}
    async with api(**environment) as (_, client), started("supervisor", **environment):
        await furnish(client)
        # When each operation is called with what its description allows, and with what it does not
        schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        # Then every answer is one that is described
        await asyncio.to_thread(lambda: [call(operation) for operation in operations])
    assert len(operations) >= 20


async def furnish(client: httpx.AsyncClient) -> None:
    """Make what `KNOWN` names."""

    async def ready() -> bool:
        return (await client.get("/readyz")).status_code == 200

    await eventually(ready)
    await client.post("/api/v1/workflows", json=HELLO)
    await client.put("/api/v1/workflows/hello/tags/prod", json={"version": 1})
    for name in ("open", "paused", "over"):
        await client.post("/api/v1/runs", json={"definition": CHAIN, "run_id": name})
    await client.post("/api/v1/runs/paused/pause")

    async def over() -> bool:
        # A start that came too early is made good by the supervisor; until then there is nothing to cancel.
        await client.post("/api/v1/runs/over/cancel")
        return bool((await client.get("/api/v1/runs?status=CANCELLED")).json()["runs"])

    await eventually(over)


def call(operation: Any) -> None:
    """Call one operation with many requests, right ones and wrong ones."""
    _call(operation, GenerationMode.POSITIVE)
    # Where nothing can be wrong, no wrong request can be made.
    with suppress(Unsatisfiable):
        _call(operation, GenerationMode.NEGATIVE)


def _call(operation: Any, mode: GenerationMode) -> None:
    @examples(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), known=st.data())
    def checked(case: Any, known: Any) -> None:
        for name in (case.path_parameters or {}).keys() & KNOWN.keys():
            if mode is GenerationMode.POSITIVE:
                case.path_parameters[name] = known.draw(st.sampled_from(KNOWN[name]))
        case.call_and_validate(checks=CHECKS)

    checked()
