"""Each component has a page that names its arguments and says the same things about it."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from sluice import components
from sluice.components.base import Component

DOCS = Path(__file__).parent.parent / "docs" / "components"
CLASSES = {name: kind for name in components.__all__ if isinstance(kind := getattr(components, name), type) and issubclass(kind, Component)}
PAGES = {"SmokeTest": "smoke"}
ARGS = {"Service": components.ServiceArgs, "Release": components.ReleaseArgs}
CHAPTERS = ("Creates", "Waits for", "On failure", "Going back", "Arguments", "Outputs")


def page(name: str) -> str:
    return (DOCS / f"{PAGES.get(name, name.lower())}.md").read_text()


def rows(text: str) -> list[str]:
    """Return the names in the first column of the tables of arguments."""
    arguments = text.partition("\n## Arguments\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", arguments, re.MULTILINE)


@pytest.mark.parametrize("name", CLASSES)
def test_arguments(name: str):
    """The page has every argument of the constructor, and of its arguments' own class, in their order; a Service's name is its spec's."""
    own = [argument for argument in inspect.signature(CLASSES[name].__init__).parameters if argument != "self"]
    given = [field.name for field in fields(ARGS[name])] if name in ARGS else []
    assert rows(page(name)) == own + given


@pytest.mark.parametrize("name", CLASSES)
def test_chapters(name: str):
    """The page says what is created, waited for, and what happens on failure; how to go back; arguments and outputs."""
    chapters = [chapter for chapter in re.findall(r"^## (.*)$", page(name), re.MULTILINE) if chapter in CHAPTERS]
    assert chapters == list(CHAPTERS)


def test_pages():
    """There is a page for each component and no other, and the index has them all."""
    expected = {PAGES.get(name, name.lower()) for name in CLASSES}
    assert {path.stem for path in DOCS.glob("*.md")} == expected | {"README"}
    assert set(re.findall(r"\((\w+)\.md\)", (DOCS / "README.md").read_text())) == expected
