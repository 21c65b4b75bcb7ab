"""Fixtures for every test, and how hard Hypothesis tries."""

from __future__ import annotations

import os
from typing import get_args

import pytest
from hypothesis import settings

from tests.support.servers import postgres_db, postgres_dsn, redis_cluster, redis_db, redis_url, refuse_to_share
from tests.support.topology import Topology

__all__ = ["postgres_db", "postgres_dsn", "redis_cluster", "redis_db", "redis_url"]

# Tests that want more or fewer examples than the profile ask for a multiple of its number, so that `fuzz` reaches all.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("fuzz", max_examples=10_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let whoever runs the tests choose the Redis of those that can run on either kind."""
    told = "what Redis is for tests that run on either kind; by default one server, for those marked on_both each"
    parser.addoption("--topology", choices=get_args(Topology), help=told)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a `topology` on the one chosen."""
    if "topology" in metafunc.fixturenames:
        metafunc.parametrize("topology", _chosen(metafunc), indirect=True, scope="package")


def _chosen(metafunc: pytest.Metafunc) -> tuple[Topology, ...]:
    """Where a test runs. Without any place it is skipped."""
    chosen, marked = metafunc.config.getoption("topology"), metafunc.definition.get_closest_marker
    if marked("on_cluster"):
        return ("cluster",) if chosen != "one" else ()
    if chosen:
        return (chosen,)
    return get_args(Topology) if marked("on_both") else ("one",)


@pytest.fixture(scope="package")
def topology(request: pytest.FixtureRequest) -> Topology:
    """What Redis is for this test."""
    chosen: Topology = request.param
    return chosen


def pytest_configure(config: pytest.Config) -> None:
    """Look, before anything runs, whether the servers will do."""
    refuse_to_share(config)
