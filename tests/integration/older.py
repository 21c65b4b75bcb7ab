"""A process of a release that knows less: `python -m tests.integration.older <process> plan|protocol`."""

from __future__ import annotations

import runpy
import sys

from pointsman.plan import canonical
from pointsman.protocol import version


def main(process: str, lacks: str) -> None:
    """Be `process`, not knowing the newest format of plans, or the newest version of runs and events."""
    if lacks == "plan":
        canonical.PLAN_FORMAT = 0
    else:
        version.PROTOCOL = 0  # type: ignore[misc]
    runpy.run_module(process, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
