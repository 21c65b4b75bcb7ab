"""What the shell does is the same on every store."""

from tests.conformance.conftest import world

__all__ = ["world"]
