"""From text to a definition, with every problem of its form at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from pointsman.base.errors import Problem
from pointsman.definition.faults import problem_of, shown, without
from pointsman.definition.forms import Forms
from pointsman.definition.json_text import read_json
from pointsman.definition.limits import MAX_JSON_BYTES, MAX_YAML_BYTES, beyond_json
from pointsman.definition.model import Definition
from pointsman.definition.positions import Positions
from pointsman.definition.refusal import refused
from pointsman.definition.yaml_text import read_yaml

Media = Literal["json", "yaml", "auto"]
Document = dict[str, Any]

_ROUNDS = 3
"""Taking out a faulty value can bring others to light, but hardly twice."""


@dataclass(frozen=True, slots=True)
class Source:
    """A document as it was read: JSON values, and where each of them stands in the text, if there was one."""

    document: Any
    positions: Positions


@dataclass(frozen=True, slots=True)
class Parsed:
    """A definition whose form is right: the document as written, its reading, and its lines."""

    document: Document
    definition: Definition
    positions: Positions


def read(text: str | bytes, media: Media = "auto") -> Source:
    """Read JSON or YAML. `auto` takes what begins with a brace or bracket for JSON and everything else for YAML.

    Raises:
        InvalidDefinition: DEF001 to DEF004, the text cannot be read as a document.
    """
    text = _decoded(text)
    if media == "auto":
        media = "json" if text.lstrip()[:1] in ("{", "[") else "yaml"
    allowed = MAX_JSON_BYTES if media == "json" else MAX_YAML_BYTES
    if len(text.encode(errors="surrogatepass")) > allowed:
        told = f"the text is larger than the {allowed:,} bytes allowed for {media.upper()}; it was not read."
        raise refused(Problem("DEF003", "", told))
    if not text.strip():
        raise refused(Problem("DEF001", "", "the text is empty; it should hold a definition."))
    document, positions = read_json(text) if media == "json" else read_yaml(text)
    return checked(document, positions)


def checked(document: Any, positions: Positions) -> Source:
    """Take a document that was read, or made, elsewhere.

    Raises:
        InvalidDefinition: DEF003, DEF004, it holds more, or other things, than a definition's JSON may.
    """
    problems = [positions.locate(problem, document) for problem in beyond_json(document)]
    if problems:
        raise refused(*problems)
    return Source(document, positions)


def parse(text: str | bytes, media: Media = "auto") -> Parsed:
    """Read a definition from text.

    Raises:
        InvalidDefinition: With every problem of its form.
    """
    return _parsed(read(text, media))


def parse_document(document: Any) -> Parsed:
    """Read a definition from JSON values, which are kept and not copied.

    Raises:
        InvalidDefinition: With every problem of its form.
    """
    return _parsed(checked(document, Positions()))


def _parsed(source: Source) -> Parsed:
    parsed, problems = salvage(source)
    if problems or parsed is None:
        raise refused(*problems)
    return parsed


def salvage(source: Source, forms: Forms | None = None) -> tuple[Parsed | None, tuple[Problem, ...]]:
    """Find every problem of form, and keep what can be read without the faulty places.

    What is kept serves to find problems of other kinds in the same pass. None where nothing can be kept. With `forms`,
    what was read before is not read again.
    """
    read_form = Definition.model_validate if forms is None else forms.read
    document, problems = source.document, list[Problem]()
    if not isinstance(document, dict):
        told = f"a definition is an object with `nodes` and `edges`; this is {shown(document)}."
        return None, (Problem("DEF005", "", told, source.positions.line("")),)
    kept = _lifted(document)
    for _ in range(_ROUNDS):
        try:
            return Parsed(document, read_form(kept), source.positions), tuple(problems)
        except ValidationError as wrong:
            errors = wrong.errors(include_url=False)
            problems += (source.positions.locate(problem_of(kept, error), document) for error in errors)
            kept = without(kept, errors)
    return None, tuple(problems)


def _lifted(document: Document) -> Document:
    """The document with loops that stand in the `config` of a node of type `loop` where others stand."""
    nodes = document.get("nodes")
    return {**document, "nodes": [_lifted_node(node) for node in nodes]} if isinstance(nodes, list) else document


def _lifted_node(node: Any) -> Any:
    if not isinstance(node, dict) or node.get("type") != "loop" or "loop" in node:
        return node
    config = node.get("config")
    if not isinstance(config, dict) or "loop_back_to" not in config:
        return node
    return {key: value for key, value in node.items() if key != "config"} | {"loop": config}


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = text.count(b"\n", 0, wrong.start) + 1
        raise refused(Problem("DEF001", "", f"the text is not UTF-8: {wrong.reason}.", line)) from None
