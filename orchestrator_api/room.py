"""Whether there is room for another run: refused before it is accepted, so that what was accepted can end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from pointsman.base.clock import monotonic
from pointsman.base.errors import RequestRefused, ServerUnavailable
from pointsman.ports.congestion import SOFT_LIMIT

if TYPE_CHECKING:
    from orchestrator_api.deps import Services

_COUNT_EVERY_S: Final = 1.0


async def must_have_room(services: Services, tenant: str) -> None:
    """Make sure that another run of a tenant may be accepted.

    Raises:
        ServerUnavailable: SRV016, Redis is nearly full. One that is away keeps no run from being accepted.
        RequestRefused: API083, as many of the tenant's runs wait as may.
    """
    await _in_redis(services)
    most = services.settings.api.max_queued_runs
    if await services.waiting.of(tenant) >= most:
        raise RequestRefused(
            "API083",
            f"{most} runs of `{tenant}` wait to be started already, as many as may; the run was not accepted. Try "
            "again once some have started, or raise POINTSMAN_API_MAX_QUEUED_RUNS.",
        )


class Waiting:
    """How many runs of each tenant wait, counted at most once a second, with those accepted here since."""

    def __init__(self, count: Callable[[str], Awaitable[int]]) -> None:
        self._count = count
        self._known: dict[str, tuple[float, int]] = {}

    async def of(self, tenant: str) -> int:
        """How many wait, this one not among them."""
        counted_at, known = self._known.get(tenant, (float("-inf"), 0))
        if monotonic() - counted_at > _COUNT_EVERY_S:
            counted_at, known = monotonic(), await self._count(tenant)
        self._known[tenant] = counted_at, known + 1
        return known


async def _in_redis(services: Services) -> None:
    try:
        share = await services.live.congestion.memory()
    except ServerUnavailable:
        return
    if share > SOFT_LIMIT:
        raise ServerUnavailable(
            "SRV016",
            f"Redis uses {share:.0%} of its maxmemory, and the rest is for the runs that have begun; the run was not "
            "accepted. Try again in a while, or give Redis more memory.",
        )
