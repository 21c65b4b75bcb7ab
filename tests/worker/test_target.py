"""From a name on the command line to workers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.base.errors import WorkerError
from pointsman.settings import Settings
from pointsman.worker.target import load_workers

ONE = """
from pointsman.worker import Worker
mail = Worker("mail")
same = mail

@mail.handler()
def send(task): return None
"""


@pytest.fixture(autouse=True)
def _unchanged_imports() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def types(target: str) -> list[str]:
    return [worker.type for worker in load_workers(target, Settings())]


def test_a_file_is_loaded_with_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, "neighbour.py", ONE)
    file = write(tmp_path, "workers.py", "from neighbour import mail\n")
    assert types(str(file)) == ["mail"]


def test_a_file_may_be_called_like_a_library(tmp_path: Path) -> None:
    file = write(tmp_path, "logging.py", ONE + "\nimport json, structlog\n")
    assert types(str(file)) == ["mail"]


def test_a_dotted_name_is_found_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "shop", "workers.py", ONE)
    write(tmp_path / "shop", "__init__.py", "")
    monkeypatch.chdir(tmp_path)
    assert types("shop.workers") == ["mail"]


def test_a_module_may_make_its_workers_from_the_settings(tmp_path: Path) -> None:
    text = ONE + "\ndef workers(settings):\n    w = Worker('grace')\n    w.handler()(send)\n    return [w]\n"
    assert types(str(write(tmp_path, "made.py", text))) == ["mail", "grace"]


def test_the_builtin_workers_are_a_module_like_any_other() -> None:
    assert types("pointsman.worker.builtin") == ["http", "transform"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", r"^WRK002 .*holds no worker"),
        ("1 / 0\n", r"^WRK001 .* cannot be loaded: ZeroDivisionError: division by zero\."),
        ("import no_such_library\n", r"^WRK001 .* cannot be loaded: ModuleNotFoundError: No module named"),
        ("def (\n", r"^WRK001 .* cannot be loaded: SyntaxError"),
        (
            ONE + "\nagain = Worker('mail')\nagain.handler()(send)\n",
            r"^WRK003 two workers serve type 'mail' in one process",
        ),
        (ONE + "\nidle = Worker('idle')\n", r"^WRK003 worker 'idle' has no handler"),
    ],
)
def test_a_module_without_usable_workers_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, "bad.py", text)
    with pytest.raises(WorkerError, match=message):
        types(str(file))


def test_a_target_that_is_not_there_is_refused() -> None:
    with pytest.raises(WorkerError, match=r"^WRK001 no/such/file.py is no file"):
        types("no/such/file.py")


def test_a_module_that_is_not_there_is_told_in_one_line_without_a_traceback() -> None:
    for name, missing in (("no.such.module", "no"), ("json.no_such", "json.no_such")):
        with pytest.raises(WorkerError, match=rf"^WRK001 there is no module {missing}, looked for in ") as caught:
            load_workers(name, Settings())
        assert caught.value.__cause__ is None
