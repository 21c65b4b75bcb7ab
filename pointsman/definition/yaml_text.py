"""Reading YAML 1.2: the core schema, nothing that runs, and nothing that grows.

Built from the parser's events rather than with a loader: so `on:` stays a string, every value has its line, and what
aliases stand for is counted while it is written out.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLWarning
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from pointsman.base.errors import Problem
from pointsman.definition.json_text import key_twice
from pointsman.definition.limits import MAX_DEPTH, MAX_VALUES, too_deep, too_many
from pointsman.definition.positions import Positions, escape
from pointsman.definition.refusal import refused

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,4000}\Z")
_BASED: Final = re.compile(r"0o[0-7]{1,1000}\Z|0x[0-9a-fA-F]{1,1000}\Z")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_INFINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
"""The rules of YAML 1.2.2 §10.3.2."""


def read_yaml(text: str) -> tuple[Any, Positions]:
    """Read one YAML document as JSON values.

    Raises:
        InvalidDefinition: DEF001 not YAML, or not one document; DEF002 a key twice; DEF003 past a limit; DEF004 what
            JSON does not have: a tag, a key that is no scalar, an anchor inside itself, infinity.
    """
    builder = _Builder()
    try:
        for event in _events(text):
            builder.take(event)
    except MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        where = f" at column {mark.column + 1}" if mark else ""
        told = f"the text is not YAML: {wrong.problem or wrong.context}{where}."
        raise refused(Problem("DEF001", "", told, mark.line + 1 if mark else None)) from None
    except YAMLError as wrong:
        told = f"the text is not YAML: {str(wrong).splitlines()[0]}."
        raise refused(Problem("DEF001", "", told)) from None
    if builder.keys_twice:
        raise refused(*builder.keys_twice)
    return builder.document, Positions(lambda: builder.lines)


def _events(text: str) -> Iterator[Event]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", YAMLWarning)
        yield from YAML(typ="safe", pure=True).parse(text)


@dataclass
class _Open:
    """A mapping or sequence that is being built."""

    value: dict[str, Any] | list[Any]
    pointer: str
    anchor: str | None
    size_before: int
    height: int = 1
    """Levels of nesting inside it, itself included."""
    key: str | None = None
    """The key read last, while its value is due."""
    keys: dict[str, int] = field(default_factory=dict)


class _Builder:
    """Makes JSON values of events, without recursion."""

    def __init__(self) -> None:
        self.document: Any = None
        self.lines: dict[str, int] = {}
        self.keys_twice: list[Problem] = []
        self._documents = 0
        self._size = 0
        self._around: list[_Open] = []
        self._anchored: dict[str, tuple[Any, int, int] | None] = {}
        """What each anchor names, how many values that is and how deep; None while it is still being built."""

    def take(self, event: Event) -> None:
        line = event.start_mark.line + 1
        match event:
            case DocumentStartEvent():
                self._begin_document(line)
            case ScalarEvent() if self._wants_key:
                self._take_key(event, line)
            case _ if self._wants_key and not isinstance(event, MappingEndEvent):
                raise refused(Problem("DEF004", self._here, "a key must be a plain or quoted scalar.", line))
            case ScalarEvent():
                self._place(_scalar(event, self._here, line), line, event.anchor)
            case MappingStartEvent() | SequenceStartEvent():
                self._open(event, line)
            case MappingEndEvent() | SequenceEndEvent():
                self._close()
            case AliasEvent():
                self._repeat(event.anchor, line)
            case _:
                pass

    @property
    def _wants_key(self) -> bool:
        return bool(self._around) and isinstance(self._around[-1].value, dict) and self._around[-1].key is None

    @property
    def _here(self) -> str:
        """The pointer of the value that comes next."""
        if not self._around:
            return ""
        top = self._around[-1]
        part = str(len(top.value)) if isinstance(top.value, list) else escape(top.key or "")
        return top.pointer if isinstance(top.value, dict) and top.key is None else f"{top.pointer}/{part}"

    def _begin_document(self, line: int) -> None:
        self._documents += 1
        if self._documents > 1:
            raise refused(Problem("DEF001", "", "the text holds more than one YAML document.", line))

    def _take_key(self, event: ScalarEvent, line: int) -> None:
        top, key = self._around[-1], event.value
        if key == "<<" and event.style is None:
            told = "merge keys (`<<`) are not part of YAML 1.2. Write the fields out, or alias a whole value."
            raise refused(Problem("DEF004", top.pointer, told, line))
        top.key = key
        if key in top.keys:
            self.keys_twice.append(key_twice(self._here, line, top.keys[key]))
        top.keys[key] = line
        self.lines[self._here] = line

    def _open(self, event: MappingStartEvent | SequenceStartEvent, line: int) -> None:
        pointer = self._here
        if len(self._around) >= MAX_DEPTH:
            raise refused(too_deep(pointer))
        _refuse_tag(event, pointer, line)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
        size_before = self._size
        self._place(value, line, None)
        if event.anchor is not None:
            self._anchored[event.anchor] = None
        self._around.append(_Open(value, pointer, event.anchor, size_before))

    def _close(self) -> None:
        closed = self._around.pop()
        self._deepen(closed.height + 1)
        if closed.anchor is not None:
            self._anchored[closed.anchor] = closed.value, self._size - closed.size_before, closed.height

    def _deepen(self, height: int) -> None:
        if self._around:
            self._around[-1].height = max(self._around[-1].height, height)

    def _repeat(self, anchor: str, line: int) -> None:
        if anchor not in self._anchored:
            raise refused(Problem("DEF001", self._here, f"no anchor `&{anchor}` stands before this alias.", line))
        named = self._anchored[anchor]
        if named is None:
            raise refused(Problem("DEF004", self._here, f"`*{anchor}` stands inside what it names.", line))
        value, size, height = named
        if len(self._around) + height > MAX_DEPTH:
            raise refused(too_deep(self._here))
        self._count(size - 1)
        self._deepen(height + 1)
        self._place(_copy(value), line, None)

    def _place(self, value: Any, line: int, anchor: str | None) -> None:
        self._count(1)
        if anchor is not None:
            self._anchored[anchor] = value, 1, 0
        if not self._around:
            self.document, self.lines[""] = value, line
            return
        top = self._around[-1]
        if isinstance(top.value, list):
            self.lines[self._here] = line
            top.value.append(value)
        else:
            top.value[top.key or ""] = value
            top.key = None

    def _count(self, more: int) -> None:
        self._size += more
        if self._size > MAX_VALUES:
            raise refused(too_many(""))


def _copy(value: Any) -> Any:
    """A value of its own for each alias, as if it had been written out."""
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _refuse_tag(event: Any, pointer: str, line: int) -> None:
    if event.ctag is not None:
        raise refused(Problem("DEF004", pointer, f"the tag `{event.tag}` has no meaning here. Remove it.", line))


def _scalar(event: ScalarEvent, pointer: str, line: int) -> Any:
    if event.style is not None:
        _refuse_tag(event, pointer, line)
        return event.value
    _refuse_tag(event, pointer, line)
    text = event.value
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.match(text):
        return int(text)
    if _BASED.match(text):
        return int(text, 0)
    if _INFINITE.match(text):
        raise refused(Problem("DEF004", pointer, f"JSON has no `{text}`. Quote it if it is meant as text.", line))
    return float(text) if _FLOAT.match(text) else text
