"""Writes the reference pages that follow from the code: `make docs`. A test says that they are up to date."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from types import UnionType
from typing import Annotated, Final, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pointsman.base.codes import CODES
from pointsman.metrics import Metrics
from pointsman.settings import Settings, Variable, variables

ROOT: Final = Path(__file__).resolve().parent.parent
REFERENCE: Final = ROOT / "docs" / "reference"
PRODUCT: Final = ("pointsman", "coordinator", "supervisor", "orchestrator_api", "agent_runner")
GENERATED: Final = "<!-- Written by `make docs`; change the code it names, not this page. -->"

SECTIONS: Final = {
    "DEF": "Reading a definition",
    "CMP": "Compiling a definition",
    "CEL": "Expressions",
    "CFG": "Settings",
    "SRV": "Servers",
    "SIG": "Signals set aside",
    "RUN": "Runs",
    "EDT": "Edits of a running run",
    "API": "HTTP requests",
    "WRK": "Workers",
}
PROTOCOL: Final = tuple(f"pointsman/protocol/{name}.py" for name in ("transition", "state", "output", "signal"))
NOT_IN_EVENTS: Final = frozenset({"Sealed", "Dispatch", "Snapshot", "WireSignal", "dispatches", "withdrawn"})
LEVELS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})


class LogCall(NamedTuple):
    """One place that logs. `name` is None where the event is not a literal, which a test forbids."""

    name: str | None
    level: str
    keys: tuple[str, ...]
    file: str
    line: int


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
    body = [node for file in PROTOCOL for node in ast.parse((ROOT / file).read_text()).body]
    classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name not in NOT_IN_EVENTS]
    for node in sorted(classes, key=lambda node: node.name != "Transition"):
        lines += ["", f"## {node.name}", "", ast.get_docstring(node) or "", ""]
        lines += _table(("field", "type", "meaning"), _field_rows(node))
    lines += ["", "## Words", "", *_table(("type", "values"), _word_rows(body))]
    return _text(lines)


def log_calls(product: Iterable[str] = PRODUCT, root: Path = ROOT) -> Iterator[LogCall]:
    """Every call of a logger in the tree: a call of a level on `log`, `_log` or `get_logger()`."""
    for path in sorted(path for package in product for path in (root / package).rglob("*.py")):
        yield from log_calls_in(path.read_text(), path.relative_to(root).as_posix())


def log_calls_in(source: str, file: str) -> Iterator[LogCall]:
    """Every call of a logger in one file."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr=level, value=receiver)) if level in LEVELS and _is_logger(receiver):
                first = node.args[0] if node.args else None
                name = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
                keys = tuple(word.arg for word in node.keywords if word.arg and word.arg != "exc_info")
                yield LogCall(name, level, keys, file, node.lineno)
            case _:
                pass


def _is_logger(receiver: ast.expr) -> bool:
    match receiver:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in ("log", "_log")
        case ast.Call(func=ast.Attribute(attr="get_logger")):
            return True
        case _:
            return False


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


def _field_rows(node: ast.ClassDef) -> Iterator[tuple[str, ...]]:
    for item, following in zip(node.body, [*node.body[1:], None], strict=True):
        if (
            isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and item.target.id not in NOT_IN_EVENTS
        ):
            text = following.value if isinstance(following, ast.Expr) else None
            meaning = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""
            yield f"`{item.target.id}`", f"`{ast.unparse(item.annotation)}`", " ".join(meaning.split())


def _word_rows(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ...]]:
    for node in body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=words)),
            ):
                yield f"`{name}`", _codes(word.value for word in words if isinstance(word, ast.Constant))
            case _:
                pass


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


PAGES: Final = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "metrics.md": metrics_page,
    "logs.md": logs_page,
    "events.md": events_page,
}
"""Every generated page of `docs/reference/`, and what writes it."""


def main() -> None:
    """Write every page and say which ones changed."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, render in PAGES.items():
        path, text = REFERENCE / name, render()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
