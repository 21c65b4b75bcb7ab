"""The Lua scripts of `lua/`, each named by its digest."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

_INSTALLED: Final = Path(__file__).with_name("lua")
_CHECKOUT: Final = Path(__file__).parents[3] / "lua"
_INCLUDE: Final = re.compile(r"^-- include: (\S+)$", re.MULTILINE)


class Script(NamedTuple):
    """One script as Redis runs it."""

    name: str
    body: str
    sha: str


@cache
def script(name: str) -> Script:
    """Read a script, the parts it includes put in."""
    folder = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    text = (folder / f"{name}.lua").read_text()
    body = _INCLUDE.sub(lambda match: (folder / match[1]).read_text(), text)
    return Script(name, body, hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest())
