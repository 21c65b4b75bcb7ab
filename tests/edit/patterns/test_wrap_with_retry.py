"""Wrap with retry: failed attempts are repeated."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, graph, node, operations, refused
from tests.support.random_edits import compiled

RETRY = {"max_attempts": 3, "backoff_ms": 50}


def test_each_node_gets_the_policy_as_it_is_written() -> None:
    document = graph("a->b", node("b", retry={"max_attempts": 1}))
    assert operations(document, "wrap_with_retry", nodes=["a", "b"], retry=RETRY) == [
        {"op": "add", "path": "/nodes/a/retry", "value": RETRY},
        {"op": "replace", "path": "/nodes/b/retry", "value": RETRY},
    ]


def test_nodes_that_no_worker_executes_are_told() -> None:
    document = graph("a->b", node("b", "join"))
    assert refused(document, "wrap_with_retry", nodes=["a", "b"], retry=RETRY) == (
        "EDT048 /nodes/1 no worker executes `b` of type `join`: it has no attempts to repeat."
    )


def test_a_run_tries_a_node_again_that_is_still_to_come() -> None:
    document = graph("a->b")
    run = begun(document)
    run.edit(compiled(after(document, "wrap_with_retry", nodes="b", retry=RETRY)))
    run.complete("a")
    run.fail("b")
    assert run.open == {"b": "backing_off"}
