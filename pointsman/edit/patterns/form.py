"""The form of requests: what the patterns have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, Self, TypeAlias

from pydantic import BaseModel, Field, GetCoreSchemaHandler, WithJsonSchema, model_validator
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from pointsman.definition import Document, Edge, Node, Operation, RetryForm
from pointsman.definition.model import Names, Part, Text
from pointsman.edit.patterns.rewrite import Rewrite


class _LikeA:
    """Makes a field be checked as a part of a definition, and kept as it was written."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        checked = handler.generate_schema(self._model)
        return core_schema.no_info_wrap_validator_function(
            _kept, checked, serialization=core_schema.simple_ser_schema("any")
        )


def _kept(value: Any, check: Callable[[Any], object]) -> Any:
    check(value)
    return value


NodeForm: TypeAlias = Annotated[dict[str, Any], _LikeA(Node)]
EdgeForm: TypeAlias = Annotated[dict[str, Any], _LikeA(Edge)]
RetryPolicy: TypeAlias = Annotated[dict[str, Any], _LikeA(RetryForm)]
Nodes: TypeAlias = Annotated[
    Names,
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            ]
        }
    ),
]
"""The id of a node, or several."""


class Pattern(Part):
    """One change to a definition's graph. Field names a JSON request by `pattern`."""

    @abstractmethod
    def rewrite(self, work: Rewrite) -> None:
        """Make the change.

        Raises:
            EditRefused: EDT041 to EDT048, it cannot be applied to this definition.
        """

    def operations(self, document: Document) -> list[Operation]:
        """The RFC 6902 operations that the pattern becomes on a definition that compiles.

        Raises:
            EditRefused: EDT041 to EDT048, it cannot be applied to this definition.
        """
        work = Rewrite(document)
        self.rewrite(work)
        work.finish()
        return work.operations


class FragmentForm(Part):
    """New nodes and the edges between them; those that nothing leads to begin it, those that lead nowhere end it."""

    nodes: list[NodeForm] = Field(min_length=1, description="The new nodes, as in a definition.")
    edges: list[EdgeForm] = Field(default=[], description="The edges between them, as in a definition.")


class Bringing(Pattern):
    """A pattern that brings new nodes: exactly one of `node` and `fragment`."""

    node: NodeForm | None = Field(default=None, description="One new node, as in a definition.")
    fragment: FragmentForm | None = Field(default=None, description="Several new nodes, in place of `node`.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.node is None) == (self.fragment is None):
            raise PydanticCustomError("wanted", "{what}", {"what": "a request with either `node` or `fragment`"})
        return self


class Placed(Pattern):
    """A pattern that puts nodes somewhere: on the edge between two nodes, at the start, or at the end."""

    source: Text | None = Field(
        default=None, alias="from", description="The node they come after. Without it: at the start, before `to`."
    )
    target: Text | None = Field(
        default=None, alias="to", description="The node they come before. Without it: at the end, behind `from`."
    )
    edge: Text | None = Field(default=None, description="The id of the edge, where several lead from `from` to `to`.")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.source is None and self.target is None:
            raise PydanticCustomError("wanted", "{what}", {"what": "a request with `from`, `to` or both"})
        return self
