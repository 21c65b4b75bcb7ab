"""What the reference pages read off the code: log calls, the fields of structs, public signatures."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
PRODUCT: Final = ("pointsman", "coordinator", "supervisor", "orchestrator_api", "agent_runner")
PROTOCOL: Final = tuple(f"pointsman/protocol/{name}.py" for name in ("transition", "state", "output", "signal"))
PUBLIC_EVENTS: Final = "orchestrator_api/event_view.py"
NOT_IN_EVENTS: Final = frozenset({"Sealed", "Dispatch", "Snapshot", "WireSignal", "dispatches", "withdrawn"})
LEVELS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})


class LogCall(NamedTuple):
    """One place that logs. `name` is None where the event is not a literal, which a test forbids."""

    name: str | None
    level: str
    keys: tuple[str, ...]
    file: str
    line: int


def log_calls(product: Iterable[str] = PRODUCT, root: Path = ROOT) -> Iterator[LogCall]:
    """Every call of a logger in the tree: a call of a level on `log`, `_log` or `get_logger()`."""
    for path in sorted(path for package in product for path in (root / package).rglob("*.py")):
        yield from log_calls_in(path.read_text(), path.relative_to(root).as_posix())


def log_calls_in(source: str, file: str) -> Iterator[LogCall]:
    """Every call of a logger in one file."""
    for node in ast.walk(ast.parse(source, file)):
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


def protocol_types() -> tuple[list[ast.ClassDef], list[tuple[str, list[str]]]]:
    """The structs inside an event, the event's own first, and every type that is a choice of words."""
    body = [node for file in PROTOCOL for node in ast.parse((ROOT / file).read_text(), file).body]
    structs = [node for node in body if isinstance(node, ast.ClassDef) and node.name not in NOT_IN_EVENTS]
    return sorted(structs, key=lambda node: node.name != "Transition"), [*_words(body)]


def public_events() -> list[ast.ClassDef]:
    """The structs of an event as the API tells it, the event's own first."""
    body = ast.parse((ROOT / PUBLIC_EVENTS).read_text(), PUBLIC_EVENTS).body
    return sorted((node for node in body if isinstance(node, ast.ClassDef)), key=lambda node: node.name != "RunEvent")


def _words(body: Iterable[ast.stmt]) -> Iterator[tuple[str, list[str]]]:
    for node in body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=words)),
            ):
                yield name, [str(word.value) for word in words if isinstance(word, ast.Constant)]
            case _:
                pass


def field_rows(node: ast.ClassDef) -> Iterator[tuple[str, ...]]:
    for item, following in zip(node.body, [*node.body[1:], None], strict=True):
        if (
            isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and item.target.id not in NOT_IN_EVENTS
        ):
            text = following.value if isinstance(following, ast.Expr) else None
            meaning = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""
            yield f"`{item.target.id}`", f"`{ast.unparse(item.annotation)}`", " ".join(meaning.split())


def public_signatures(name: str, thing: object) -> Iterator[str]:
    """How a public function is called, or how a class is made and each of its public methods called."""
    if not callable(thing):
        yield f"{name}: {type(thing).__name__}"
    elif not inspect.isclass(thing):
        yield f"{name}{_signature(thing)}"
    else:
        yield f"class {name}{_signature(thing)}"
        for method, function in inspect.getmembers(thing, inspect.isfunction):
            if not method.startswith("_"):
                yield f"    {name}.{method}{_signature(function)}"


def _signature(thing: object) -> str:
    text = str(inspect.signature(thing)) if callable(thing) else ""
    # Annotations are text since they are evaluated late; the quotes say nothing to a reader.
    return re.sub(r"(: |-> )(?:ForwardRef\('([^']*)'\)|'([^']*)')", r"\1\2\3", text)
