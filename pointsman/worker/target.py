"""From what the user names on the command line to the workers in it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Final

from pointsman.base.errors import WorkerError
from pointsman.settings import Settings
from pointsman.worker.worker import Worker

_FILE: Final = "pointsman_worker_file"
"""What a module that was named by its path is called: its own name may be that of a module it imports."""


def load_workers(target: str, settings: Settings) -> list[Worker]:
    """The workers of a module: a path (`workers/mail.py`) or a dotted name (`shop.workers`).

    Those are every `Worker` at its top level, and what its function `workers(settings)` returns if it has one.

    Raises:
        WorkerError: WRK001 the module cannot be loaded; WRK002 there is no worker in it; WRK003 the workers do not go
            together.
    """
    module = _module(target)
    found = list(dict.fromkeys(value for value in vars(module).values() if isinstance(value, Worker)))
    make = getattr(module, "workers", None)
    if callable(make):
        found += make(settings)
    if not found:
        raise WorkerError(
            "WRK002",
            f"{target} holds no worker: no `Worker(…)` at its top level and no function `workers(settings)`. Nothing "
            "was started.",
        )
    _check(found)
    return found


def _check(workers: Sequence[Worker]) -> None:
    types = [worker.type for worker in workers]
    for worker in workers:
        if types.count(worker.type) > 1:
            raise WorkerError(
                "WRK003",
                f"two workers serve type {worker.type!r} in one process, and each would get half of the other's tasks. "
                "Declare their handlers on one of them.",
            )
        if not worker.handlers:
            raise WorkerError("WRK003", f"worker {worker.type!r} has no handler, so every task of it would fail.")


def _module(target: str) -> ModuleType:
    try:
        return _from_file(Path(target)) if _is_path(target) else _by_name(target)
    except WorkerError:
        raise
    except Exception as wrong:
        raise WorkerError(
            "WRK001",
            f"{target} cannot be loaded: {type(wrong).__name__}: {wrong}. No worker was started.",
        ) from wrong


def _is_path(target: str) -> bool:
    return target.endswith(".py") or "/" in target


def _from_file(path: Path) -> ModuleType:
    """Load a file the way `python FILE` does: its own directory comes first among those that are searched."""
    if not path.is_file():
        raise WorkerError("WRK001", f"{path} is no file. Name a Python file, or a module by its dotted name.")
    sys.path.insert(0, str(path.resolve().parent))
    loader = SourceFileLoader(_FILE, str(path))
    spec = importlib.util.spec_from_loader(_FILE, loader)
    assert spec is not None, "there is a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[_FILE] = module
    loader.exec_module(module)
    return module


def _by_name(name: str) -> ModuleType:
    """Import a module as `python -m` would find it: from the current directory too."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as wrong:
        if wrong.name is None or not f"{name}.".startswith(f"{wrong.name}."):
            raise
        # What was asked for is missing, not something it imports: where this was noticed helps nobody.
        raise WorkerError(
            "WRK001",
            f"there is no module {wrong.name}, looked for in {here} and among what is installed. No worker was "
            "started. Name a Python file, or a module by its dotted name.",
        ) from None
