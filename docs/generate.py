"""Writes the reference pages that follow from the code: `make docs`. A test says that they are up to date."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from types import UnionType
from typing import Annotated, Final, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from docs.command_page import command_page
from docs.definition_page import definition_page
from docs.live_editing_page import live_editing_page
from docs.patterns_page import patterns_page
from docs.reading import ROOT, field_rows, log_calls, protocol_types, public_events, public_signatures
from pointsman.base.codes import CODES
from pointsman.metrics import Metrics
from pointsman.settings import Settings, Variable, variables

SURFACES: Final = ("pointsman", "pointsman.worker")
REFERENCE: Final = ROOT / "docs" / "reference"
GENERATED: Final = "<!-- Written by `make docs`; change the code it names, not this page. -->"

SECTIONS: Final = {
    "DEF": "Reading a definition",
    "CMP": "Compiling a definition",
    "CEL": "Expressions",
    "CFG": "Settings",
    "ARC": "Archived runs",
    "SRV": "Servers",
    "SIG": "Signals set aside",
    "RUN": "Runs",
    "EDT": "Edits of a running run",
    "API": "HTTP requests",
    "WRK": "Workers",
}


def settings_page() -> str:
    """Each environment variable, by process, with kind, default and meaning."""
    lines = _opening(
        "Settings",
        "`pointsman/settings.py`",
        "Settings are environment variables; an empty one counts as unset. All are checked, also against each other, "
        "before a process starts; each thing wrong is one line on standard error, with its [code](errors.md#settings).",
    )
    for group, members in groupby(variables(), key=lambda variable: variable.group):
        model = Settings.model_fields[group].annotation if group else None
        lines += ["", f"## {group or 'All processes'}", ""]
        lines += [*([model.__doc__, ""] if model and model.__doc__ else [])]
        lines += _table(("variable", "value", "default", "meaning"), (_setting_row(member) for member in members))
    return _text(lines)


def errors_page() -> str:
    """Each error code: meaning, result, remedy, HTTP status."""
    lines = _opening(
        "Errors",
        "`pointsman/base/codes.py`",
        "Every error carries a code that never changes its meaning. HTTP answers are problems as of RFC 9457 with the "
        "code in `code`.",
    )
    for prefix, title in SECTIONS.items():
        codes = sorted(code for code in CODES if code.startswith(prefix))
        if codes:
            lines += ["", f"## {title}"]
        for code in codes:
            page = CODES[code]
            lines += ["", f"### {code}: {page.title}", "", page.meaning, "", f"**What happened:** {page.result}", ""]
            lines += [f"**What to do:** {page.remedy}"]
            lines += ["", f"**HTTP status:** {page.http}"] if page.http else []
    return _text(lines)


def metrics_page() -> str:
    """Each metric with its kind and labels."""
    declared = Metrics().declared
    lines = _opening("Metrics", "`pointsman/metrics.py`", "In Prometheus' text format at `/metrics` of each process.")
    rows = ((f"`{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.help) for m in declared)
    return _text([*lines, "", *_table(("metric", "kind", "labels", "meaning"), rows)])


def logs_page() -> str:
    """Each name of a log event, with its level, its keys and the files it comes from."""
    lines = _opening(
        "Log events",
        "every call of a logger",
        "The key `event` of a log line holds one of these names; `level`, `process` and `timestamp` are in every line.",
    )
    calls = sorted((call for call in log_calls() if call.name is not None), key=lambda call: call.name or "")
    rows = []
    for name, same in groupby(calls, key=lambda call: call.name):
        alike = list(same)
        keys = sorted({key for call in alike for key in call.keys})
        rows.append(
            (f"`{name}`", _listed(c.level for c in alike), _codes(keys), _codes(sorted({c.file for c in alike})))
        )
    return _text([*lines, "", *_table(("event", "level", "keys", "logged in"), rows)])


def events_page() -> str:
    """The fields of an event, which is a transition's encoding, and of everything inside one."""
    lines = _opening(
        "Events",
        "`pointsman/protocol/`",
        "One event a transition, as JSON; fields with their default are left out. Folding a run's events in order of "
        "`seq` gives its state. Times are Unix milliseconds.",
    )
    structs, words = protocol_types()
    for node in structs:
        lines += ["", f"## {node.name}", "", ast.get_docstring(node) or "", ""]
        lines += _table(("field", "type", "meaning"), field_rows(node))
    lines += ["", "## Words", "", *_table(("type", "values"), ((f"`{name}`", _codes(said)) for name, said in words))]
    lines += ["", "## Over HTTP", "", "`GET /api/v1/runs/{run_id}/events` tells each event in a shorter form:"]
    for node in public_events():
        lines += ["", f"### {node.name}", "", ast.get_docstring(node) or "", ""]
        lines += _table(("field", "type", "meaning"), field_rows(node))
    return _text(lines)


def _setting_row(variable: Variable) -> tuple[str, ...]:
    default = variable.field.default
    shown = "" if default in (None, PydanticUndefined, ()) else f"`{default}`"
    return f"`{variable.name}`", _kind(variable.field), shown, variable.field.description or ""


def _kind(field: FieldInfo) -> str:
    kind, bounds = field.annotation, list(field.metadata)
    while get_origin(kind) in (Annotated, Union, UnionType):
        first, *others = get_args(kind)
        bounds += [item for other in others for item in getattr(other, "metadata", [other])]
        kind = first
    if get_origin(kind) is Literal:
        return _codes(get_args(kind))
    names = {int: "integer", str: "text", Path: "path", SecretStr: "secret"}
    low, high = (next((getattr(item, end) for item in bounds if hasattr(item, end)), None) for end in ("ge", "le"))
    limits = f" {low} to {high}" if high is not None else f" from {low}" if low is not None else ""
    return names.get(kind, "list") + limits if isinstance(kind, type) else f"list{limits}"


def _opening(title: str, source: str, text: str) -> list[str]:
    return [
        GENERATED,
        f"# {title}",
        "",
        text,
        "",
        f"Written from `{source}`." if "/" in source else f"Found in {source}.",
    ]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    cells = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(set(words)))


def _codes(words: Iterable[object]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def python_page() -> str:
    """What may be imported, pinned with its types: a change here is a change for those who build on it."""
    lines = _opening(
        "Python", "`__all__` of " + _codes(SURFACES), "Only these names are public. All else may change without notice."
    )
    modules = [module for module in map(importlib.import_module, SURFACES) if hasattr(module, "__all__")]
    for module in modules:
        lines += ["", f"## {module.__name__}", "", module.__doc__ or ""]
        for name in sorted(module.__all__):
            thing = getattr(module, name)
            lines += ["", f"### {name}", "", (inspect.getdoc(thing) or "").partition("\n")[0], ""]
            lines += ["```python", *public_signatures(name, thing), "```"]
    return _text(lines) if modules else ""


PAGES: Final = {
    "cli.md": command_page,
    "definition.md": lambda: definition_page(ROOT),
    "../concepts/live-editing.md": lambda: live_editing_page(GENERATED),
    "patterns.md": lambda: patterns_page(GENERATED),
    "settings.md": settings_page,
    "errors.md": errors_page,
    "metrics.md": metrics_page,
    "logs.md": logs_page,
    "events.md": events_page,
    "python.md": python_page,
}
"""Every generated page of `docs/reference/`, and what writes it; an empty text means that there is no such page."""


def main() -> None:
    """Write every page and say which ones changed."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, render in PAGES.items():
        path, text = (REFERENCE / name).resolve(), render()
        if text and (not path.exists() or path.read_text() != text):
            path.write_text(text)
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
