"""Everything emitted or read is catalogued, the catalogues are up to date, and nothing in them is dead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

import pytest

from docs.generate import PAGES, REFERENCE
from docs.reading import LEVELS, LogCall, log_calls, log_calls_in, public_signatures
from pointsman.base.crashpoints import CRASH_POINTS
from pointsman.metrics import Metrics
from pointsman.settings import variables
from tests.architecture.tree import Source, assert_holds, assert_none, dotted, is_wired, product, sample, strings

EVENT = re.compile(r"[a-z]+(?:_[a-z0-9]+)*\Z")
WORDS_FOR = {"run": "run_id", "runid": "run_id", "node_id": "node", "token_id": "token", "err": "error", "exc": "error"}
DECLARED_IN = ("pointsman/settings.py", "pointsman/metrics.py", "pointsman/base/crashpoints.py")


def unfit_log_calls(calls: Iterable[LogCall]) -> list[str]:
    found = []
    for call in calls:
        place = f"{call.file}:{call.line}"
        if call.name is None:
            found.append(f"{place}: the event's name is not a literal")
        elif not EVENT.match(call.name):
            found.append(f"{place}: {call.name!r} is not a name in snake_case")
        found += [f"{place}: the key {key} is spelled {WORDS_FOR[key]}" for key in call.keys if key in WORDS_FOR]
    return found


def loggers_of_other_names(source: Source) -> Iterator[str]:
    """Loggers that the catalogue would not find: those neither called `log` nor used on the spot."""
    found = set()
    for node in source.nodes:
        match node:
            case ast.Assign(targets=[target], value=value) if dotted(target).rpartition(".")[2] in ("log", "_log"):
                found.add(id(value))
            case ast.Attribute(value=value, attr=level) if level in LEVELS:
                found.add(id(value))
            case _:
                pass
    for node in source.nodes:
        is_made = isinstance(node, ast.Call) and dotted(node.func) in ("structlog.get_logger", "logging.getLogger")
        if is_made and id(node) not in found and source.path != "pointsman/logging.py":
            yield source.at(node, "a logger is called `log`")


def attributes_used() -> set[str]:
    """Every attribute and string in what is shipped, but for where settings, metrics and crash points are declared."""
    sources = [source for source in product() if source.path not in DECLARED_IN]
    read = {node.attr for source in sources for node in source.nodes if isinstance(node, ast.Attribute)}
    return read | {text for source in sources for _, text in strings(source)}


@pytest.mark.parametrize("name", PAGES)
def test_every_generated_page_is_up_to_date(name: str) -> None:
    page = REFERENCE / name
    written = page.read_text() if page.exists() else ""
    assert written == PAGES[name](), "run `make docs`"


def test_every_log_event_has_a_literal_name() -> None:
    assert_none(unfit_log_calls(log_calls()))


def test_every_logger_is_found_by_the_catalogue() -> None:
    assert_holds(loggers_of_other_names, product())


def test_every_metric_setting_and_crash_point_is_used() -> None:
    if not is_wired():
        pytest.skip("the processes do not exist yet")
    used = attributes_used()
    metrics = {name for name, value in vars(Metrics()).items() if name not in ("registry", "declared")}
    assert_none(f"nothing counts metrics.{name}" for name in sorted(metrics - used))
    assert_none(f"nothing reads {v.name}" for v in variables() if not {v.attribute, *ALIASES.get(v.name, ())} & used)
    assert_none(f"nothing can crash at {point}" for point in CRASH_POINTS if point not in used)


ALIASES = {
    "REDIS_HOST": {"redis_dsn"},
    "REDIS_PORT": {"redis_dsn"},
    "REDIS_PASSWORD": {"redis_dsn"},
    "REDIS_URL": {"redis_dsn"},
    "DATABASE_URL": {"database_dsn"},
    "POINTSMAN_BLOB_URL": {"blob_store_url"},
    "LOG_LEVEL": {"configure"},
    "POINTSMAN_LOG_FORMAT": {"configure"},
}
"""Variables that others read put together, under the name of what they are put together to."""


def test_the_public_surface_is_pinned_with_its_types() -> None:
    assert [*public_signatures("LogCall", LogCall)] == [
        "class LogCall(name: str | None, level: str, keys: tuple[str, ...], file: str, line: int)"
    ]
    assert [*public_signatures("calls", log_calls_in)] == ["calls(source: str, file: str) -> Iterator[LogCall]"]


def test_a_log_call_out_of_line_would_be_found() -> None:
    text = "log.info(f'run {x}', run=x)\nself._log.debug('Batch Applied')\nlog.error('server_lost', exc_info=True)\n"
    assert unfit_log_calls(log_calls_in(text, "sample.py")) == [
        "sample.py:1: the event's name is not a literal",
        "sample.py:1: the key run is spelled run_id",
        "sample.py:2: 'Batch Applied' is not a name in snake_case",
    ]


def test_a_logger_of_another_name_would_be_found() -> None:
    text = "log = structlog.get_logger()\nlogger = structlog.get_logger()\nstructlog.get_logger().info('x_done')"
    assert list(loggers_of_other_names(sample(text))) == ["sample.py:2: a logger is called `log`"]
