"""The import contracts cover every package, and each would notice the import it forbids."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from tests.architecture.tree import PROCESSES, PRODUCT, PURE, ROOT, other_files, relative

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS: dict[str, dict[str, Any]] = {
    contract["id"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]
}


FORBIDDEN = {
    "coordinator": ("processes", "supervisor"),
    "supervisor": ("processes", "orchestrator_api"),
    "pointsman.cli": ("processes", "coordinator"),
    "pointsman.base": ("layers", "pointsman.plan"),
    "pointsman.step": ("layers", "pointsman.compile"),
    "pointsman.adapters": ("layers", "pointsman.settings"),
    "pointsman.protocol": ("pure", "redis"),
    "pointsman.edit": ("pure", "asyncio"),
    "pointsman.expr": ("pure", "random"),
    "pointsman.worker": ("workers", "pointsman.step"),
    "pointsman.ports": ("definition", "pointsman.definition"),
    "orchestrator_api": ("wiring", "pointsman.adapters"),
}
"""For a module in each of these packages: an import it must not make, and the contract that says so."""


def skeleton(tree: Path) -> None:
    """Lay out the project's packages without anything in them, and its contracts."""
    shutil.copy(ROOT / "pyproject.toml", tree)
    modules = [ROOT / "pointsman" / f"{name}.py" for name in ("settings", "logging", "metrics", "health", "service")]
    for path in [*other_files("__init__.py", *PRODUCT), *modules]:
        empty = tree / relative(path)
        empty.parent.mkdir(parents=True, exist_ok=True)
        empty.touch()


def lint(tree: Path) -> str:
    """What the import linter says of the tree."""
    command = [sys.executable, "-c", "import importlinter.cli as c; c.lint_imports(no_cache=True, no_logo=True)"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True).stdout


def test_every_package_is_under_the_contracts_and_mypy() -> None:
    # Given every package at the top of the tree that is shipped
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "docs", "bench"}
    # Then whatever checks or ships packages names them all
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == packages
    assert set(PROJECT["tool"]["mypy"]["packages"]) == packages
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == packages


def test_what_decides_is_the_same_everywhere_it_is_listed() -> None:
    assert set(CONTRACTS["pure"]["source_modules"]) == {f"pointsman.{package}" for package in PURE}
    assert {"redis", "asyncpg", "fastapi", "httpx", "structlog", "asyncio"} <= set(
        CONTRACTS["pure"]["forbidden_modules"]
    )


def test_every_package_but_those_named_is_kept_from_the_definition() -> None:
    # Given every package, and those that may see what an author wrote
    packages = {f"pointsman.{path.parent.name}" for path in ROOT.glob("pointsman/*/__init__.py")} | set(PROCESSES)
    authoring = {f"pointsman.{name}" for name in ("base", "definition", "compile", "edit", "cli")} | {
        "orchestrator_api"
    }
    # Then the contract forbids it to all the others
    kept = set(CONTRACTS["definition"]["source_modules"]) - {"pointsman.metrics"}
    assert kept == {package for package in packages - authoring if (ROOT / package.replace(".", "/")).exists()}


def test_every_forbidden_import_breaks_its_own_contract(tmp_path: Path) -> None:
    # Given a tree without imports, which is fine
    skeleton(tmp_path)
    assert "0 broken" in lint(tmp_path)
    # When each package gets a module with an import it must not make
    for package, (_, target) in FORBIDDEN.items():
        (tmp_path / package.replace(".", "/") / "wrong.py").write_text(f"import {target}\n")
    said = lint(tmp_path)
    # Then every contract is broken, and the linter names each of them
    assert f"{len(CONTRACTS)} broken" in said
    assert {contract for contract, _ in FORBIDDEN.values()} == CONTRACTS.keys()
    sections = said.partition("Broken contracts")[2]
    unseen = [package for package, (_, target) in FORBIDDEN.items() if f"{package}.wrong -> {target}" not in sections]
    assert unseen == []
