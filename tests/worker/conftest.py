"""What tests of workers share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _short_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drain waits for the read that is on its way: let that not be a second for each test."""
    monkeypatch.setattr("pointsman.worker.reader.BLOCK_MS", 20)
