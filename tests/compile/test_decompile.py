"""Compile, decompile, compile again: the same plan, the same digest."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from pointsman.compile import compile_source, decompile
from pointsman.plan import encode_plan
from tests.compile.compiling import ENGINE, plan_of
from tests.support.definitions import definitions


@settings(max_examples=200, deadline=None)
@given(definitions(ENGINE, nodes=12, depth=3, references=True, spellings=True))
def test_compiling_a_decompiled_plan_gives_the_plan_again(document: dict[str, Any]) -> None:
    plan = plan_of(document)
    again = plan_of(decompile(plan))
    assert again == plan
    assert encode_plan(again) == encode_plan(plan)


EVERYTHING = """\
name: all of it
version: "1.10"
nodes:
- id: a
  type: my.worker_type-2
  name: First
  config: {deep: [1, 2.5, null, "${input.x}", {"é/~": true}], big: 123456789012345678901234567890}
  retry: {max_attempts: 1, backoff_ms: 5, backoff_multiplier: 3, max_backoff_ms: 50, jitter: 0.5,
          retry_on: [busy], no_retry_on: [denied]}
  timeout_ms: 1000
  deadline_ms: 2000
  max_deliveries: 2
  failure_policy: park
  metadata: {colour: red}
- {id: b, type: conditional, route: all, failure_policy: continue}
- {id: w, type: wait, wait: "ctx.a.output.x * 10", context: []}
- id: l
  type: f
  join: 2
  context: [a, w]
  loop: {condition: output.x < loop.iteration, max_iterations: 7, loop_back_to: l, timeout_path: z}
- {id: z, type: parallel, join: any}
edges:
- {from: a, to: b}
- {from: a, to: l, id: late, on: timeout}
- {from: b, to: w, when: output.x}
- {from: b, to: l, id: side}
- {from: w, to: l}
- {from: l, to: z}
- {from: l, to: z, id: out, leave: break}
- {from: l, to: z, id: broken, on: error}
metadata:
  output: ctx.z.output
  failure_policy: continue
  limits: {max_nodes: 9, max_tokens: 99, max_loop_iterations: 99, max_duration_ms: 60000}
  owner: {team: x}
"""

DECOMPILED = {
    "name": "all of it",
    "nodes": [
        {
            "id": "a",
            "type": "my.worker_type-2",
            "config": {
                "deep": [1, 2.5, None, "${input.x}", {"é/~": True}],
                "big": 123456789012345678901234567890,
            },
            "retry": {
                "max_attempts": 1,
                "backoff_ms": 5,
                "backoff_multiplier": 3.0,
                "max_backoff_ms": 50,
                "jitter": 0.5,
                "retry_on": ["busy"],
                "no_retry_on": ["denied"],
            },
            "timeout_ms": 1000,
            "deadline_ms": 2000,
            "max_deliveries": 2,
            "failure_policy": "park",
            "metadata": {"name": "First", "colour": "red"},
        },
        {"id": "b", "type": "conditional", "route": "all", "failure_policy": "continue"},
        {"id": "w", "type": "wait", "wait": "ctx.a.output.x * 10"},
        {
            "id": "l",
            "type": "f",
            "context": ["a", "w"],
            "join": {"mode": "n", "count": 2},
            "loop": {"condition": "output.x < loop.iteration", "max_iterations": 7, "loop_back_to": "l"},
        },
        {"id": "z", "type": "parallel", "join": "any"},
    ],
    "edges": [
        {"from": "a", "to": "b"},
        {"from": "a", "to": "l", "id": "late", "on": "timeout"},
        {"from": "b", "to": "w", "when": "output.x"},
        {"from": "b", "to": "l", "id": "side"},
        {"from": "w", "to": "l"},
        {"from": "l", "to": "z", "leave": "timeout"},
        {"from": "l", "to": "z", "id": "out", "leave": "break"},
        {"from": "l", "to": "z", "id": "broken", "on": "error"},
    ],
    "metadata": {
        "version": "1.10",
        "owner": {"team": "x"},
        "output": "ctx.z.output",
        "failure_policy": "continue",
        "limits": {"max_nodes": 9, "max_tokens": 99, "max_loop_iterations": 99, "max_duration_ms": 60000},
    },
}


def test_everything_a_definition_can_say_survives_decompiling() -> None:
    # Given a definition that says everything that differs from the defaults
    plan = plan_of(EVERYTHING)
    # When it is decompiled, then the document says the same, all ways as edges
    document = decompile(plan)
    assert plan_of(document) == plan
    assert document == DECOMPILED


def test_defaults_written_out_make_the_same_digest_as_none() -> None:
    # Given one workflow with nothing but what it needs, and with every default written out
    short = "nodes: [{id: a, type: f, retry: {}}]\n"
    long = """\
        name: unnamed
        nodes:
        - id: a
          type: f
          config: null
          context: []
          join: all
          route: first
          retry: {max_attempts: 3, backoff_ms: 1000, backoff_multiplier: 2, max_backoff_ms: 300000, jitter: 0}
          max_deliveries: 5
          metadata: {}
        edges: []
        metadata:
          failure_policy: fail_fast
          limits: {max_nodes: 10000, max_tokens: 100000, max_loop_iterations: 10000, max_duration_ms: null}
        """
    assert encode_plan(plan_of(short)) == encode_plan(plan_of(long))


def test_the_name_it_is_stored_under_counts_before_its_own() -> None:
    text = "name: mine\nnodes: [{id: a, type: f}]\n"
    assert compile_source(text, ENGINE)[1].plan.name == "mine"
    assert compile_source(text, ENGINE, name="theirs")[1].plan.name == "theirs"
    assert compile_source("nodes: [{id: a, type: f}]\nmetadata: {name: inner}\n", ENGINE)[1].plan.name == "inner"
