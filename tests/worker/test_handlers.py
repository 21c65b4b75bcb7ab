"""Which function handles a task."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.base.errors import WorkerError
from pointsman.worker import NonRetryable, Task, Worker

NO_NAME = "the node's config has no `handler`; the 'function' worker has send_email, send_sms. Set it to one of them."


def greet(task: Task) -> str:
    return "hello"


async def wave(task: Task) -> str:
    return "waved"


def test_the_config_chooses_among_named_handlers() -> None:
    # Given a worker with two handlers, one of them async and one said to be quick
    worker = Worker("function")
    worker.handler("greet", inline=True)(greet)
    worker.handler("wave")(wave)
    # Then each is found by its name and known by how it is to be run
    assert worker.handlers.find({"handler": "greet"}) == ("greet", greet, "inline")
    assert worker.handlers.find({"handler": "wave", "to": "bob"}) == ("wave", wave, "async")


def test_a_handler_without_a_name_takes_every_task() -> None:
    worker = Worker("scanner")
    worker.handler()(greet)
    for config in (None, {}, {"handler": "whatever"}, ["x"]):
        assert worker.handlers.find(config) == ("", greet, "thread")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"handler": "send_emial"},
            "the 'function' worker has no handler 'send_emial', only send_email, send_sms. Did you mean 'send_email'?",
        ),
        ({"handler": "zzz"}, "the 'function' worker has no handler 'zzz', only send_email, send_sms."),
        ({"to": "bob"}, NO_NAME),
        (None, NO_NAME),
    ],
)
def test_an_unknown_handler_fails_for_good_and_names_what_there_is(config: Any, message: str) -> None:
    worker = Worker("function")
    worker.handler("send_email")(greet)
    worker.handler("send_sms")(greet)
    with pytest.raises(NonRetryable) as failed:
        worker.handlers.find(config)
    assert (failed.value.type, failed.value.message) == ("unknown_handler", message)


def test_handlers_that_contradict_each_other_are_refused() -> None:
    worker = Worker("function")
    worker.handler("greet")(greet)
    for name in ("greet", ""):
        with pytest.raises(WorkerError, match=r"^WRK003 worker 'function': "):
            worker.handler(name)(greet)
    with pytest.raises(WorkerError, match=r"^WRK003 .*'wave' is async"):
        worker.handler("wave", inline=True)(wave)
    alone = Worker("function")
    alone.handler()(greet)
    with pytest.raises(WorkerError, match=r"^WRK003 .* stands beside a handler without a name"):
        alone.handler("greet")(greet)


def test_slips_in_a_declaration_are_told_at_once() -> None:
    with pytest.raises(WorkerError, match=r"^WRK003 .*write @worker.handler\(\), with parentheses"):
        Worker("function").handler(greet)  # type: ignore[arg-type]
    with pytest.raises(WorkerError, match=r"^WRK003 'no spaces' is no type"):
        Worker("no spaces")
    with pytest.raises(WorkerError, match=r"^WRK003 .* concurrency is 0"):
        Worker("function", concurrency=0)
