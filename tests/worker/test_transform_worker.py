"""The `transform` worker: expressions over what a task carries."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.expr import engine
from pointsman.worker import NonRetryable
from pointsman.worker.builtin.transform import transform_worker
from tests.worker.at_work import at_work
from tests.worker.wire_tasks import Shelf, a_task, wire_task

ORDER = {"total": 120, "lines": [{"sku": "a", "price": 100}, {"sku": "b", "price": 20}]}


def transformed(config: Any, **fields: Any) -> Any:
    """The result of a task with this config."""
    handler = transform_worker(engine()).handlers.find(config)
    assert handler.kind == "inline"
    return handler.function(a_task(config=config, **fields))


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("output", ORDER),
        ("output.total * 2", 240),
        ("output.lines.filter(line, line.price > 50).map(line, line.sku)", ["a"]),
        ("ctx.customer.output.tier + '/' + run.id", "gold/run_1"),
    ],
)
def test_one_expression_gives_the_whole_result(expression: str, result: Any) -> None:
    context = {"customer": {"output": {"tier": "gold"}}}
    assert transformed({"expression": expression}, payload=ORDER, context=context) == result


def test_an_expression_for_each_field_gives_an_object() -> None:
    fields = {"total": "output.total", "count": "size(output.lines)"}
    assert transformed({"fields": fields}, payload=ORDER) == {"total": 120, "count": 2}


def test_the_input_is_there_at_the_start_and_the_iteration_in_a_loop() -> None:
    assert transformed({"expression": "input.total"}, payload=ORDER, from_node=None) == 120
    assert transformed({"expression": "loop.iteration"}, frame="polish[3]") == 3


@pytest.mark.parametrize(
    ("config", "error_type", "part"),
    [
        ({}, "transform_config", "either `expression` or `fields`"),
        ({"expression": "1", "fields": {}}, "transform_config", "either `expression` or `fields`"),
        (None, "transform_config", "Expected `object`, got `null`"),
        ({"expresion": "1"}, "transform_config", "unknown field `expresion`"),
        ({"expression": "output.total +"}, "transform_failed", "CEL001"),
        ({"expression": "output.nothing.here"}, "transform_failed", "CEL009"),
        ({"expression": "input.total"}, "transform_failed", "CEL009"),
    ],
)
def test_what_has_no_value_fails_for_good(config: Any, error_type: str, part: str) -> None:
    with pytest.raises(NonRetryable) as failed:
        transformed(config, payload=ORDER)
    assert failed.value.type == error_type
    assert part in failed.value.message


async def test_the_worker_takes_its_tasks_from_the_stream(redis_db: str) -> None:
    async with at_work(redis_db, transform_worker(engine()), blobs=Shelf(order=ORDER)) as work:
        task = wire_task(type="transform", config={"expression": "output.total"}, payload_ref="blob://order")
        await work.streams.give_as_it_is(task)
        assert await work.streams.results(1) == {"run_1": 120}
