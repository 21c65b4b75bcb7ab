"""The patterns as tools of a language model: a name, what it is for, and the JSON Schema of its arguments."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from pointsman.base.reaching import reached
from pointsman.edit.patterns.registry import request_schema

_REFERENCE: Final = re.compile(r'"#/\$defs/(\w+)"')


class Tool(NamedTuple):
    """One pattern; a call of it with `arguments` is the request `{"pattern": name, **arguments}`."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema, draft 2020-12, complete in itself."""


def tools() -> list[Tool]:
    """Every pattern as a tool."""
    schema = request_schema()
    names: dict[str, str] = schema["discriminator"]["mapping"]
    return [_tool(name, pointer.rpartition("/")[2], schema["$defs"]) for name, pointer in names.items()]


def _tool(name: str, model: str, definitions: dict[str, Any]) -> Tool:
    form = definitions[model]
    properties = {field: value for field, value in form["properties"].items() if field != "pattern"}
    required = [field for field in form.get("required", ()) if field != "pattern"]
    parameters = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    used = _used(parameters, definitions)
    if used:
        parameters["$defs"] = {name: definitions[name] for name in sorted(used)}
    return Tool(name, form["description"], parameters)


def _used(schema: dict[str, Any], definitions: dict[str, Any]) -> set[str]:
    """The definitions that a schema refers to, and those they refer to."""

    def references(part: Any) -> list[str]:
        found: list[str] = _REFERENCE.findall(json.dumps(part))
        return found

    return reached(references(schema), lambda name: references(definitions[name]))
