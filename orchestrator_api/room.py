"""Whether there is room for another run: refused before it is accepted, so that what was accepted can end."""

from __future__ import annotations

from orchestrator_api.deps import Services
from pointsman.base.errors import ServerUnavailable
from pointsman.ports.congestion import SOFT_LIMIT


async def must_have_room(services: Services) -> None:
    """Raise `ServerUnavailable` SRV016 while Redis is nearly full. One that is away keeps no run from acceptance."""
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
