"""Fixtures for every test."""

from __future__ import annotations

from tests.support.servers import postgres_db, postgres_dsn, redis_db, redis_url

__all__ = ["postgres_db", "postgres_dsn", "redis_db", "redis_url"]
