"""CEL: expressions and `${ }` templates, compiled, checked and evaluated under limits.

The language, and where it differs from CEL's specification, is written down in `docs/concepts/expressions.md`.
"""

from __future__ import annotations

from pointsman.expr.engines import Engine, engine
from pointsman.expr.expression import Expression
from pointsman.expr.limits import Limits
from pointsman.expr.references import References
from pointsman.expr.template import Mixed, Template, compile_template

__all__ = ["Engine", "Expression", "Limits", "Mixed", "References", "Template", "compile_template", "engine"]
