"""The `transform` worker: CEL over what the node before gave."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.base.errors import ExpressionError
from pointsman.base.ids import split_pass, split_token
from pointsman.expr import Engine, Expression
from pointsman.worker.errors import NonRetryable
from pointsman.worker.task import Task
from pointsman.worker.worker import Worker


class TransformConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `config` of a node of type `transform`: one expression, or one for each field of the result."""

    expression: str | None = None
    fields: dict[str, str] | None = None


def transform_worker(engine: Engine) -> Worker:
    """A worker for nodes of type `transform`."""
    worker = Worker("transform")

    @worker.handler(inline=True)
    def evaluate(task: Task) -> Any:
        config = _config(task)
        if config.expression is not None:
            return _value(engine, config.expression, task)
        return {name: _value(engine, source, task) for name, source in (config.fields or {}).items()}

    return worker


def _config(task: Task) -> TransformConfig:
    try:
        config = msgspec.convert(task.config, TransformConfig)
    except msgspec.ValidationError as wrong:
        told = f"the config of a `transform` node is not as it must be: {wrong}"
        raise NonRetryable(told, type="transform_config") from None
    if (config.expression is None) == (config.fields is None):
        told = "the config of a `transform` node has either `expression` or `fields`"
        raise NonRetryable(told, type="transform_config")
    return config


def _value(engine: Engine, source: str, task: Task) -> Any:
    try:
        expression = engine.compile(source)
        return expression.evaluate(_bindings(expression, task))
    except ExpressionError as wrong:
        raise NonRetryable(str(wrong), type="transform_failed") from None


def _bindings(expression: Expression, task: Task) -> dict[str, Any]:
    """The variables of a condition, as far as a task carries them. `output` is that of the node before: the payload."""
    values: dict[str, Any] = {"ctx": task.context, "run": {"id": task.run_id}}
    frame, _ = split_token(task.id)
    if frame:
        values["loop"] = {"iteration": split_pass(frame)[1]}
    if "output" in expression.references.variables:
        values["output"] = task.payload
    if "input" in expression.references.variables and task.from_node is None:
        values["input"] = task.payload
    return values
