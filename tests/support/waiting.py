"""Waiting for a named condition of another process. The only test code that may sleep."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

_TIMEOUT = 30.0
"""Long for a machine that does other things too: what comes is not waited for any longer for it."""
_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.05


@overload
async def eventually(check: Callable[[], Awaitable[T | None]], timeout: float = _TIMEOUT) -> T: ...
@overload
async def eventually(check: Callable[[], T | None], timeout: float = _TIMEOUT) -> T: ...
async def eventually(check: Callable[[], Any], timeout: float = _TIMEOUT) -> Any:
    """Return the first true answer of `check`, a plain or an async function; fail when none comes in time.

    A check may use `assert` or raise: that counts as "not yet", and the last such error explains the failure.
    """
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while True:
        answer, error = await _ask(check)
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(_complaint(check, timeout, answer)) from error
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def eventually_sync(check: Callable[[], T | None], timeout: float = _TIMEOUT) -> T:
    """`eventually`, for tests that have no event loop."""
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while True:
        answer, error = _ask_sync(check)
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(_complaint(check, timeout, answer)) from error
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


async def _ask(check: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        answer = check()
        return (await answer if inspect.isawaitable(answer) else answer), None
    except Exception as error:
        return None, error


def _ask_sync(check: Callable[[], T | None]) -> tuple[T | None, Exception | None]:
    try:
        return check(), None
    except Exception as error:
        return None, error


async def let_pass(seconds: float) -> None:
    """Let time pass. For loads and schedules, which are made of time; a test that waits for something asks whether it
    has come."""
    await asyncio.sleep(seconds)


def _complaint(check: Callable[..., object], timeout: float, answer: object) -> str:
    name = getattr(check, "__qualname__", repr(check))
    return f"{name} was not true within {timeout:.0f} s; its last answer: {answer!r}"
