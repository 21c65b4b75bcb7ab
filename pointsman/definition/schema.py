"""The JSON Schema of the authoring language, as the API publishes it."""

from __future__ import annotations

from typing import Any

from pointsman.definition.model import Definition, JoinForm

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a definition: its form; what only the compiler can know is not in it."""
    schema = Definition.model_json_schema(by_alias=True)
    schema["$defs"]["JoinForm"] = JoinForm.model_json_schema()  # its short forms hide it from pydantic
    return {"$schema": DIALECT, **schema, "title": "Pointsman workflow definition"}
