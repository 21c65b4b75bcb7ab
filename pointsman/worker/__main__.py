"""`python -m pointsman.worker TARGET`."""

from __future__ import annotations

import sys

from pointsman.worker.running import run

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m pointsman.worker FILE.py | package.module")
    sys.exit(run(sys.argv[1]))
