"""`pointsman`, and `python -m pointsman.cli`."""

from __future__ import annotations

from pointsman.cli.app import make_app


def main() -> None:
    """Run the command that the arguments name, and end with its exit code."""
    make_app()()


if __name__ == "__main__":
    main()
