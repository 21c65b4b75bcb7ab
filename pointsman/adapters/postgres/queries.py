"""SQL by name: every statement stands in a file of `sql/`, under a line `-- name: …`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

DIRECTORY: Final = Path(__file__).with_name("sql")
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def sql(name: str) -> str:
    """The statement of that name."""
    return statements()[name]


@cache
def statements() -> Mapping[str, str]:
    """Every statement by its name, read when the first one is asked for."""
    found: dict[str, str] = {}
    for file in sorted(DIRECTORY.glob("*.sql")):
        _, *parts = _NAME.split(file.read_text())
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"{file.name}: the name {name} is taken by another statement")
            found[name] = text.strip().removesuffix(";")
    return found
