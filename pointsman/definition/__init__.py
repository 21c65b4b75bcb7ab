"""The authoring language (stage 1): what an author writes, read from JSON or YAML; and patches of it."""

from pointsman.definition.forms import Forms
from pointsman.definition.merge_patch import merge_operations
from pointsman.definition.model import (
    BranchForm,
    BranchRule,
    Definition,
    Edge,
    JoinForm,
    LimitsForm,
    LoopForm,
    Metadata,
    Node,
    RetryForm,
)
from pointsman.definition.parse import (
    Document,
    Media,
    Parsed,
    Source,
    checked,
    parse,
    parse_document,
    read,
    salvage,
)
from pointsman.definition.patch import Operation, apply_patch
from pointsman.definition.positions import Positions
from pointsman.definition.refusal import refused
from pointsman.definition.schema import json_schema

__all__ = [
    "BranchForm",
    "BranchRule",
    "Definition",
    "Document",
    "Edge",
    "Forms",
    "JoinForm",
    "LimitsForm",
    "LoopForm",
    "Media",
    "Metadata",
    "Node",
    "Operation",
    "Parsed",
    "Positions",
    "RetryForm",
    "Source",
    "apply_patch",
    "checked",
    "json_schema",
    "merge_operations",
    "parse",
    "parse_document",
    "read",
    "refused",
    "salvage",
]
