"""docs/state.md and docs/outputs.md name what is stored, as the code has it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from sluice.core.contract import FIRST, NAMES, OUTPUTS, Terms
from sluice.core.ladder import Cohort
from sluice.core.lease import Hold, Lease
from sluice.core.record import Built, Record
from sluice.core.spec import Spec
from sluice.core.split import Route, Share
from sluice.core.value import Value

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "state.md").read_text()
STORED = {
    "record": Record,
    "service in a record": Built,
    "spec": Spec,
    "share": Share,
    "route": Route,
    "cohort": Cohort,
    "lease": Lease,
    "hold": Hold,
}


def providers() -> Iterator[tuple[str, str, str]]:
    """Yield module, class and resource type of every provider: each module with resources has one of each, in one order."""
    for path in sorted([*(ROOT / "hooks").rglob("*.py"), *(ROOT / "runtimes").rglob("*.py")]):
        classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        words = [{word.arg: ast.literal_eval(word.value) for word in node.keywords} for node in classes]
        module = ".".join(["sluice", *path.relative_to(ROOT).with_suffix("").parts])
        for said in [one for one in words if "module" in one]:
            provider = next(node.name for node in classes if node.name == f"{said['name']}Provider")
            yield module, provider, f"{said['module']}:{said['name']}"


def test_providers():
    """Every provider's module, class and type is on the page, and no other."""
    rows = re.findall(r"^\| `(sluice\.[\w.]+)` \| `(\w+)` \| `([\w:]+)` \|$", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(providers())


@pytest.mark.parametrize("what", STORED)
def test_keys(what: str):
    """The keys of what is stored are on the page, in the order of the code."""
    kind: type[Value] = STORED[what]
    row = re.search(rf"^\| {what} \| (.*) \|$", PAGE, re.MULTILINE)
    assert row
    assert re.findall(r"`(\w+)`", row[1]) == [field.alias or name for name, field in kind.model_fields.items()]


def test_children():
    """Every child that a component names is on the page."""
    names = {name for path in (ROOT / "components").rglob("*.py") for name in _children(path.read_text())}
    assert len(names) > 10
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def _children(source: str) -> Iterator[str]:
    """Yield the names of children: a first argument that is a text with the parent's name in it."""
    for found in re.findall(r'\(\s*f"\{(?:self\.|on\.)?(?:spec\.)?name\}-([^"]*)"', source):
        if found not in ("{role}", "{phase}"):
            yield "<name>-" + re.sub(r"\{\w+\}", "<flag>", found)
    yield from (f"<name>-{word}" for word in re.findall(r'\b_(?:walk|migrate|put)\((?:on, )?"([\w-]+)"', source))


def test_outputs():
    """The contract's outputs and its number are on the page of outputs."""
    page = (ROOT / "docs" / "outputs.md").read_text()
    table = page.split("`live` has")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(NAMES)
    assert f"the number of what this stack promises: {FIRST}," in page
    live = page.split("`live` has")[1].split("`marks` has")[0]
    assert _names(live) == {field.alias or name for name, field in Record.model_fields.items()}
    assert {name for name in OUTPUTS if name.startswith("live.")} == {f"live.{name}" for name in _names(live) - {"marks"}}
    marks = page.split("`marks` has")[1].split("Whoever")[0]
    assert {f"marks.{name}" for name in re.findall(r"`(\w+)`", " ".join(re.findall(r"^- ([^:]*):", marks, re.MULTILINE)))} == {
        name for name in OUTPUTS if name.startswith("marks.")
    }
    assert _names(page.split("`terms` has")[1].split("**What")[0]) == {field.name for field in fields(Terms)}


def _names(table: str) -> set[str]:
    """Return the names in the first column."""
    return set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE))))
