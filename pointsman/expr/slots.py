"""The places in the bindings that an expression reads.

`output.score` is looked up here, not in an engine. The engine sees one variable with a number in it, so only what is
read is converted (converting an output of 1,000 items takes cel-cpp 0.5 ms), and a missing key has the same message
whichever engine runs. What cannot be read is left unbound, which both engines treat as an error like any other:
`false && output.missing > 1` is false.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from pointsman.expr.values import NotJson, describe, weigh

Kind: TypeAlias = Literal["value", "has", "size", "range"]
Path: TypeAlias = tuple[str | int, ...]


class _Missing:
    """What `Slot.read` returns where there is nothing to read."""


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Slot:
    """One path into the bindings, and what is wanted of it: the value, whether it is there, its size, or its items."""

    name: str
    kind: Kind
    path: Path
    uses: int
    """How often the expression mentions it."""

    @property
    def label(self) -> str:
        """The path as an author would write it."""
        return {"has": "has({})", "size": "size({})"}.get(self.kind, "{}").format(shown(self.path))

    def read(self, bindings: Mapping[str, Any]) -> Any:
        """What the engine gets for it, or MISSING."""
        match self.kind:
            case "value":
                return follow(bindings, self.path)
            case "has":
                parent = follow(bindings, self.path[:-1])
                return self.path[-1] in parent if isinstance(parent, Mapping) else MISSING
            case "size":
                value = follow(bindings, self.path)
                return len(value) if isinstance(value, (str, list, dict)) else MISSING
            case "range":
                value = follow(bindings, self.path)
                return sorted(value) if isinstance(value, dict) else value if isinstance(value, list) else MISSING

    def explain(self, bindings: Mapping[str, Any]) -> str:
        """Why it cannot be read."""
        path = self.path[:-1] if self.kind == "has" else self.path
        value: Any = bindings
        for depth, key in enumerate(path):
            below = follow(value, (key,))
            if below is MISSING:
                return _explain_step(self.path[:depth], value, key)
            value = below
        return self._explain_value(value)

    def _explain_value(self, value: Any) -> str:
        if self.kind != "value":
            wanted = {"has": "fields", "size": "a size", "range": "items to go through"}[self.kind]
            owner = self.path[:-1] if self.kind == "has" else self.path
            return f"`{shown(owner)}` is {describe(value)}, which has no {wanted.removeprefix('a ')}"
        try:
            weigh(value)
        except NotJson as error:
            return f"`{shown(self.path)}` holds {error}"
        return f"`{shown(self.path)}` could not be read"


def follow(value: Any, path: Path) -> Any:
    """The value at the end of `path`, or MISSING."""
    try:
        for key in path:
            if type(key) is int and type(value) is not list:
                return MISSING
            value = value[key]
    except (KeyError, IndexError, TypeError):
        return MISSING
    return value


def shown(path: Path) -> str:
    """The path as an author would write it."""
    text = str(path[0]) if path else ""
    for key in path[1:]:
        plain = isinstance(key, str) and key.isidentifier() and key.isascii()
        text += f".{key}" if plain else f"[{key}]" if isinstance(key, int) else f'["{key}"]'
    return text


def _explain_step(done: Path, value: Any, key: str | int) -> str:
    if not done:
        return f"`{key}` is not set here"
    if isinstance(key, int):
        reason = f"has {len(value)} items" if isinstance(value, list) else f"is {describe(value)}, not a list"
        return f"there is no `{shown((*done, key))}`: `{shown(done)}` {reason}"
    if isinstance(value, Mapping):
        return f"`{shown(done)}` has no key `{key}`"
    return f"`{shown(done)}` is {describe(value)}, so it has no `{key}`"
