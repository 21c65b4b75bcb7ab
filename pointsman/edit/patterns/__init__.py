"""Adaptation patterns: changes to a graph that people mean, each one call, made of RFC 6902 operations.

After Weber, Reichert and Rinderle-Ma, *Change patterns and change support features* (2008). Of its fourteen adaptation
patterns all are here but two: to extract a subprocess and to inline one mean nothing where no node stands for a
definition of its own.
"""

from pointsman.edit.patterns.form import Pattern
from pointsman.edit.patterns.registry import PatternRequest, apply_pattern, read_request, request_schema
from pointsman.edit.patterns.tools import Tool, tools

__all__ = ["Pattern", "PatternRequest", "Tool", "apply_pattern", "read_request", "request_schema", "tools"]
