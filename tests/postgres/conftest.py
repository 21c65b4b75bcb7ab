"""Fixtures of the Postgres adapter's tests."""

from __future__ import annotations

from tests.support.databases import database, migrated_template, pool

__all__ = ["database", "migrated_template", "pool"]
