"""The compiler (stage 2): a definition becomes a plan, or every problem of it is told. Pure."""

from pointsman.compile.compiler import Compiled, compile_definition, compile_source
from pointsman.compile.decompile import decompile
from pointsman.compile.known import Known

__all__ = ["Compiled", "Known", "compile_definition", "compile_source", "decompile"]
