"""`python -m pointsman.worker TARGET`."""

from __future__ import annotations

import sys

from pointsman.service import Exit
from pointsman.worker.running import run

if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python -m pointsman.worker FILE.py | package.module", file=sys.stderr)
        sys.exit(Exit.BAD_SETTINGS)
    sys.exit(run(sys.argv[1]))
