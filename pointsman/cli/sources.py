"""Reading what an author wrote: definition files, compiled on the spot, and JSON given on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from pointsman.compile import Compiled, compile_source
from pointsman.definition import Parsed
from pointsman.expr import engine
from pointsman.plan import Plan
from pointsman.settings import Settings

FileArgument: TypeAlias = Annotated[
    Path, typer.Argument(metavar="FILE", help="A definition in YAML or JSON; `-` reads it from standard input.")
]


def compiled(file: Path, settings: Settings) -> tuple[Parsed, Compiled]:
    """Read and compile a definition, as the API would.

    Raises:
        InvalidDefinition: With every problem found, each with its line.
    """
    return _compiled(read_bytes(file), settings)


def plan_of(document: dict[str, Any], settings: Settings) -> Plan:
    """The plan of a definition that the API told."""
    return _compiled(document, settings)[1].plan


def read_bytes(file: Path) -> bytes:
    """What a file holds, or standard input for `-`."""
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}.") from None


def _compiled(source: bytes | dict[str, Any], settings: Settings) -> tuple[Parsed, Compiled]:
    chosen = None if settings.cel_engine == "auto" else settings.cel_engine
    return compile_source(source, engine(chosen))


def json_value(text: str, option: str) -> Any:
    """The JSON in an option's value, or in the file that it names with `@`."""
    told = text
    if text.startswith("@"):
        told = read_bytes(Path(text[1:])).decode(errors="replace")
    try:
        return json.loads(told)
    except ValueError as error:
        where = text if text.startswith("@") else "its value"
        raise typer.BadParameter(f"{where} is not JSON: {error}.", param_hint=option) from None
