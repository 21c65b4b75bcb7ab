"""Fixtures for every test, and how hard Hypothesis tries."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.support.servers import postgres_db, postgres_dsn, redis_cluster, redis_db, redis_url, refuse_to_share

__all__ = ["postgres_db", "postgres_dsn", "redis_cluster", "redis_db", "redis_url"]

# Tests that want more or fewer examples than the profile ask for a multiple of its number, so that `fuzz` reaches all.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("fuzz", max_examples=10_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Look, before anything runs, whether the servers will do."""
    refuse_to_share(config)
