"""The authoring language: what a definition may say, field by field.

Only the form of each value is checked here; what the values mean together is the compiler's business. Besides our own
spelling, that of the system this one replaces is read: `condition` for `when`, `branch`, `next_nodes`, and the fields
of a loop inside the `config` of a node of type `loop`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from pointsman.plan import FailurePolicy, Leave, On, Route

CONTROL_TYPES: Final = ("conditional", "loop", "parallel", "join", "wait")
"""The types that run inside the coordinator; every other type names the workers that serve it."""

_CEL_SCHEMA: Final = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "properties": {"type": {"const": "cel"}, "expression": {"type": "string", "minLength": 1}},
            "required": ["type", "expression"],
            "additionalProperties": False,
        },
    ]
}


def _wanted(what: str, value: object) -> PydanticCustomError:
    return PydanticCustomError("wanted", "{what}", {"what": what, "value": value})


def _cel(value: object) -> object:
    """Take an expression out of `{"type": "cel", "expression": …}`."""
    if isinstance(value, dict) and value.keys() == {"type", "expression"} and value["type"] == "cel":
        value = value["expression"]
    if not isinstance(value, str) or not value.strip():
        raise _wanted('a CEL expression, as text or as {"type": "cel", "expression": …}', value)
    return value.strip()


def _wait(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise _wanted("a number of milliseconds from 0, or a CEL expression that gives one", value)
        return value
    return _cel(value)


def _join(value: object) -> object:
    """Write out `all`, `any` and a bare number."""
    if value in ("all", "any"):
        return {"mode": value}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"mode": "n", "count": value}
    if not isinstance(value, dict):
        raise _wanted("`all`, `any`, a number, or an object with `mode` and `count`", value)
    return value


def _version(value: object) -> object:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (str, int))):
        raise _wanted('text (`"1.10"`) or a whole number', value)
    return value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _list(description: str) -> Any:
    """A field that is an empty list unless given. Made anew each time: pydantic's copying of a default is slow."""
    return Field(default_factory=list, json_schema_extra={"default": []}, description=description)


_NAMES_SCHEMA: Final = {
    "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}]
}
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]
Cel: TypeAlias = Annotated[str, BeforeValidator(_cel), WithJsonSchema(_CEL_SCHEMA)]
Names: TypeAlias = Annotated[list[Text], BeforeValidator(_listed), WithJsonSchema(_NAMES_SCHEMA)]
Version: TypeAlias = Annotated[str | int | None, BeforeValidator(_version)]
WorkerType: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Millis: TypeAlias = Annotated[int, Field(ge=1, le=315_360_000_000)]


class Part(BaseModel):
    """What every part of a definition has in common: unknown fields are refused, values are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RetryForm(Part):
    """How a failed attempt is repeated."""

    max_attempts: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=3, description="Attempts in all, the first included."
    )
    backoff_ms: Annotated[int, Field(ge=0, le=86_400_000)] = Field(
        default=1_000, description="Pause before the second attempt."
    )
    backoff_multiplier: Annotated[float, Field(ge=1, le=100)] = Field(
        default=2.0, description="What each further pause is multiplied by."
    )
    max_backoff_ms: Annotated[int, Field(ge=0, le=604_800_000)] = Field(
        default=300_000, description="No pause is longer than this."
    )
    jitter: Annotated[float, Field(ge=0, le=1)] = Field(default=0.0, description="Share of a pause that varies.")
    retry_on: list[Text] = _list("Error types that are repeated; none named means all.")
    no_retry_on: list[Text] = _list("Error types that are never repeated.")


class JoinForm(Part):
    """When a node with several in-edges begins. `all`, `any` and a bare number are short for it."""

    mode: Literal["all", "any", "n"] = Field(
        default="all",
        description="`all`: once every in-edge has resolved and one is live; `any`: at the first live one; "
        "`n`: at the one that makes `count`.",
    )
    count: Count | None = Field(default=None, description="For `n`: how many live edges it takes.")


class LoopForm(Part):
    """The node closes a loop: when it ends, the loop either goes round again or is left."""

    condition: Cel = Field(description="True: go round again, while passes are left.")
    max_iterations: Annotated[int, Field(ge=1, le=1_000_000)] = Field(description="Passes at most.")
    loop_back_to: Text = Field(description="The node each pass begins with; it may be this node itself.")
    break_path: Names = Field(default=[], description="Nodes that follow when the condition is false.")
    timeout_path: Names = Field(
        default=[],
        description="Nodes that follow when it is still true after the last pass. Without any, the node then "
        "fails with `loop_exhausted`.",
    )


class BranchRule(Part):
    """One way out of a branch."""

    condition: Cel = Field(description="Taken if this is the first rule that is true.")
    next: Names | None = Field(default=None, description="Nodes that follow.")
    next_nodes: Names | None = Field(default=None, description="Another spelling of `next`.")


class BranchForm(Part):
    """Conditions on a node's out-edges, written at the node. The compiler makes edges with `when` of them."""

    rules: list[BranchRule] = Field(min_length=1, description="Tried in the order written.")
    default: Names = Field(default=[], description="Nodes that follow when no rule is true.")


class Node(Part):
    """A step."""

    id: Text = Field(description="Letters, digits, `_` and `-`, at most 64.")
    type: WorkerType = Field(
        description="`conditional`, `loop`, `parallel`, `join` and `wait` are control types; any other names the "
        "workers that execute the node: `function`, `http`, `transform`, `agent`, your own."
    )
    name: str | None = Field(default=None, description="What people call it; kept as `metadata.name`.")
    config: Any = Field(
        default=None,
        description="What the worker is told. `${ }` in its strings is resolved when the node is dispatched.",
    )
    context: list[Text] = _list("Earlier nodes whose outputs the worker is handed.")
    join: Annotated[
        JoinForm | None,
        BeforeValidator(lambda value: None if value is None else _join(value)),
        WithJsonSchema(
            {
                "anyOf": [
                    {"enum": ["all", "any"]},
                    {"type": "integer", "minimum": 1},
                    # Written out: a reference would lead nowhere, since nothing else here has this form.
                    JoinForm.model_json_schema(),
                    {"type": "null"},
                ]
            }
        ),
    ] = Field(default=None, description="When it begins, where several edges lead to it; `all` unless said otherwise.")
    route: Route = Field(
        default="first",
        description="`first`: of the out-edges with `when`, those of the first true condition are taken, and those "
        "without only if none is true. `all`: every true one, and all without.",
    )
    retry: RetryForm | None = Field(default=None, description="Without it, a failed attempt is final.")
    timeout_ms: Millis | None = Field(default=None, description="Limit of one attempt, from its dispatch.")
    deadline_ms: Millis | None = Field(
        default=None, description="Limit of all attempts together, from the first activation."
    )
    max_deliveries: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=5, description="Workers that may be lost over one activation."
    )
    failure_policy: FailurePolicy | None = Field(
        default=None, description="What an unhandled failure of this node does; the definition's unless given."
    )
    loop: LoopForm | None = Field(default=None, description="Any node may close a loop.")
    branch: BranchForm | None = Field(default=None, description="Conditions on its out-edges.")
    wait: Annotated[
        int | str | None,
        BeforeValidator(lambda value: None if value is None else _wait(value)),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, *_CEL_SCHEMA["anyOf"], {"type": "null"}]}),
    ] = Field(default=None, description="For type `wait`: milliseconds, or a CEL expression that gives them.")
    metadata: dict[str, Any] | None = Field(default=None, description="Anything; workers are handed it.")


class Edge(Part):
    """A way from one node to the next."""

    source: Text = Field(alias="from", description="The node it comes from.")
    target: Text = Field(alias="to", description="The node it leads to.")
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.>-]{1,140}$")] | None = Field(
        default=None, description="`from->to` unless given; a second edge between the same nodes needs one."
    )
    when: Cel | None = Field(default=None, description="CEL; the edge is taken only where this is true.")
    condition: Cel | None = Field(default=None, description="Another spelling of `when`.")
    on: On = Field(
        default="success", description="How the node must end for the edge to count: `success`, `error`, or `timeout`."
    )
    leave: Leave | None = Field(
        default=None,
        description="Out of a node that closes a loop: by which path it leaves, `break` unless given. `break_path` "
        "and `timeout_path` say the same at the node.",
    )


class LimitsForm(Part):
    """Limits of one run; going past one fails it."""

    max_nodes: Count = Field(default=10_000, description="Nodes of the definition, patches included.")
    max_tokens: Count = Field(default=100_000, description="Activations, every pass counted.")
    max_loop_iterations: Count = Field(default=10_000, description="Passes of all loops together.")
    max_duration_ms: Millis | None = Field(default=None, description="Time from the start of the run.")


class Metadata(Part):
    """What concerns the definition as a whole. Further fields are kept as they are."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: Text | None = Field(default=None, description="The same as `name` of the definition.")
    version: Version = Field(default=None, description="The same as `version` of the definition.")
    output: Cel | None = Field(
        default=None, description="CEL for the run's output; without it, a map of the outputs of its end nodes."
    )
    failure_policy: FailurePolicy = Field(
        default="fail_fast",
        description="What an unhandled failure does. `fail_fast`: the run stops, FAILED; `continue`: what does not "
        "depend on it is finished first; `park`: the node waits for somebody to redrive or skip it.",
    )
    limits: LimitsForm = Field(default=LimitsForm(), description="Limits of one run.")


class Definition(Part):
    """A workflow: nodes and the edges between them."""

    name: Text | None = Field(default=None, description="The workflow's name.")
    version: Version = Field(default=None, description="The author's own version; kept as `metadata.version`.")
    nodes: list[Node] = Field(description="The steps. Those without in-edges start with the run.")
    edges: list[Edge] = Field(
        default=[], description="The ways between them. Their order is the order branches are tried in."
    )
    metadata: Metadata = Field(default=Metadata(), description="What concerns the definition as a whole.")
