"""`pointsman`, and `python -m pointsman.cli`."""

from __future__ import annotations

import io
import sys

from pointsman.cli.app import make_app


def main() -> None:
    """Run the command that the arguments name, and end with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # A terminal that lacks a glyph shows `?` in its place.
    make_app()()


if __name__ == "__main__":
    main()
