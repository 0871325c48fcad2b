"""Imports flow one way: core <- systems <- hooks, runtimes <- components; beside them systems <- history <- cli."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# A layer, and the layers that it may import from, itself included.
LAYERS = {
    "core": {"core"},
    "systems": {"core", "systems"},
    "hooks": {"core", "systems", "hooks"},
    "runtimes": {"core", "systems", "runtimes"},
    "components": {"core", "systems", "hooks", "runtimes", "components"},
    "history": {"core", "systems", "history"},
    "cli": {"core", "systems", "history", "cli"},
}
# What a layer may import from packages. Drivers, which talk to a live system, are for systems alone; psutil and protobuf are
# none: hooks/stop.py asks its own process who started it, and answers the engine in the engine's own words.
PACKAGES = {
    "core": {"pydantic", "pglast"},
    "systems": {
        "pydantic",
        "httpx",
        "psycopg",
        "psutil",
        "jsonpath_ng",
        "yaml",
        "alembic",
        "sqlalchemy",
        "jinja2",
        "markupsafe",
        "prometheus_client",
    },
    "hooks": {"pydantic", "pulumi", "psutil", "google"},
    "runtimes": {"pulumi", "pulumi_docker", "pulumi_command"},
    "components": {"pulumi"},
    # The CLI is asked, not the SDK: importing that takes as long as asking.
    "history": {"yaml"},
    "cli": {"typer", "rich"},
}
# What I/O in core would come through; `core` is values and rules.
IMPURE = {"asyncio", "http", "os", "random", "secrets", "shutil", "socket", "subprocess", "tempfile", "threading", "time", "urllib.request"}
# core/clock.py is the machine's time itself, for whoever is given no other.
CLOCK = {"core/clock.py": {"time"}}

Import = tuple[str, str]


def imported(source: str) -> Iterator[str]:
    """Yield the absolute name of every import, those inside functions too; of `from a import b` both a and a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides which layer it is from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(layer: str) -> list[Import]:
    """Return every import of a layer with the file it is in."""
    files = sorted((ROOT / layer).rglob("*.py"))
    return [(path.relative_to(ROOT).as_posix(), name) for path in files for name in imported(path.read_text())]


def wrong(layer: str, found: list[Import]) -> list[str]:
    """Return the imports that a layer may not have."""
    return [f"{file} imports {name}" for file, name in found if not _allowed(layer, name)]


def _allowed(layer: str, name: str) -> bool:
    first, *rest = name.split(".")
    if first == "sluice":
        return bool(rest) and rest[0] in LAYERS[layer]
    return first in sys.stdlib_module_names or first in PACKAGES[layer]


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer: str):
    """A layer imports from those below it, and no package but its own: no pulumi in core and systems, no driver outside systems."""
    found = imports(layer)
    assert found
    assert wrong(layer, found) == []


def test_core_is_pure():
    """Core neither asks for the time nor touches a file, a process or a network; only its clock knows the time."""
    found = [(file, name) for file, name in imports("core") if _impure(name) and _top(name) not in CLOCK.get(file, set())]
    assert found == []


def _impure(name: str) -> bool:
    return any(name == word or name.startswith(f"{word}.") for word in IMPURE)


def _top(name: str) -> str:
    return name.split(".")[0]


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("core", "import pulumi"),
        ("core", "def ask():\n    import httpx"),
        ("core", "from sluice.systems import http"),
        ("systems", "from pulumi import log"),
        ("systems", "from sluice.hooks.gate import Gate"),
        ("hooks", "from sluice.runtimes import port"),
        ("hooks", "def run():\n    import psycopg"),
        ("runtimes", "from sluice.hooks import guard"),
        ("runtimes", "import redis"),
        ("components", "import httpx"),
        ("components", "from examples.redcube import stack"),
        ("history", "import pulumi"),
        ("history", "from sluice.cli import main"),
        ("cli", "from sluice.components import program"),
    ],
)
def test_wrong_imports_are_seen(layer: str, source: str):
    """An import that goes up, or a driver in the wrong place, is told, inside a function too."""
    assert len(wrong(layer, [("file.py", name) for name in imported(source)])) == 1


def test_one_identity():
    """The folders are mapped to `sluice.<folder>`, every package of them, so that a provider's module path is the same for all."""
    mapped = (ROOT / "pyproject.toml").read_text()
    packages = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for layer in LAYERS for path in (ROOT / layer).rglob("*.py")}
    assert packages <= set(re.findall(r'"sluice\.([\w.]+)"', mapped))
