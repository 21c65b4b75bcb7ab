"""What tests may expect of the shared servers, and of waiting."""

from __future__ import annotations

import asyncpg
import pytest
import redis

from tests.support.waiting import eventually, eventually_sync


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_finds_redis_empty(redis_db: str, turn: int) -> None:
    with redis.Redis.from_url(redis_db) as client:
        assert sorted(client.keys("*")) == [b"epoch", b"wf.server", b"wf.signals"]
        client.set(f"left by turn {turn}", 1)


@pytest.mark.parametrize("turn", [1, 2])
async def test_every_test_has_a_database_to_itself(postgres_db: str, turn: int) -> None:
    connection = await asyncpg.connect(postgres_db)
    await connection.execute("CREATE TABLE mine (id int)")
    assert await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname LIKE 'test\\_%'") == 1
    await connection.close()


async def test_waiting_ends_with_the_first_true_answer() -> None:
    answers, later = iter([0, 0, 3, 4]), iter([None, "yes"])

    async def ask() -> str | None:
        return next(later)

    assert await eventually(lambda: next(answers)) == 3
    assert await eventually(ask) == "yes"
    assert eventually_sync(lambda: next(answers)) == 4


async def test_waiting_in_vain_tells_what_the_check_said() -> None:
    def never() -> bool:
        raise ValueError("the reason")

    with pytest.raises(AssertionError, match="never was not true within 0 s") as failure:
        await eventually(never, timeout=0)
    assert repr(failure.value.__cause__) == "ValueError('the reason')"
    with pytest.raises(AssertionError, match="never was not true within 0 s"):
        eventually_sync(never, timeout=0)
