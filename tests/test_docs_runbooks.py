"""docs/runbooks.md has every line of the runbooks, and what it says about each can be checked."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "runbooks.md"
RUNBOOKS = ("000", "001", "002", "003", "004")
# An anchor is what identifies a line; the rest of it stays in the runbook.
WORDS = 8
PERSON, LATER = "a person's task", "comes with: "
# Their lines are a table of contents, or the head of a table: nothing that is to be done.
SKIPPED = ("Table of Contents",)


def lines(text: str) -> Iterator[str]:
    """Yield a runbook's headings, list items, bold lines, rows of tables, and the comments between its commands, as anchors."""
    code, skipped, table = False, False, False
    for line, following in pairwise([*text.splitlines(), ""]):
        if line.lstrip().startswith("```"):
            code = not code
            continue
        if line.startswith("#") and not code:
            skipped = line.lstrip("# ") in SKIPPED
        head = not table and re.match(r"\|[-:| ]+\|$", following) is not None
        table = line.startswith("|")
        if skipped or head or not _counts(line, code=code):
            continue
        yield anchor(line)


def _counts(line: str, *, code: bool) -> bool:
    if code:
        return line.lstrip().startswith("# ")
    return re.match(r"#+ |\s*(- |\d+\. )|\*\*|\|(?![-:| ]+\|$)", line) is not None


def anchor(line: str) -> str:
    """Return the first words of a line, without marks and links."""
    heading = re.match(r"#{2,} ", line)
    cells = " ".join(part.strip() for part in line.strip().strip("|").split("|"))
    cells = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", cells)
    plain = re.sub(r"[*`]|^\s*(#+ |- (\[ \] )?|\d+\. )|[^\x20-\x7e]", "", cells)
    words = plain.replace("\\", "").split()[:WORDS]
    return (heading[0] if heading else "") + " ".join(words)


def section(runbook: str) -> str:
    """Return the part of the page that is about one runbook."""
    found = re.search(rf"^## {runbook}\b.*?(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"docs/runbooks.md has no section '## {runbook}'"
    return found[0]


def rows(runbook: str) -> list[tuple[str, str, str]]:
    """Return the rows of a section's tables: the anchor, what does it, the tests that show it."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section(runbook).splitlines() if line.startswith("| ")]
    assert all(len(row) == 3 for row in cells), [row for row in cells if len(row) != 3]
    return [(row[0], row[1], row[2]) for row in cells if row != ["line", "what does it", "shown by"]]


def known() -> set[str]:
    """Return every test of this suite as file::function."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        found |= {f"{path.name}::{node.name}" for node in nodes if isinstance(node, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_every_line(runbook: str):
    """The page has each line of a runbook, in its order, and no other."""
    expected = (ROOT / "tests" / "data" / f"runbook-{runbook}.txt").read_text().splitlines()
    assert [row[0] for row in rows(runbook)] == expected


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_every_line_is_answered(runbook: str):
    """Each line is done by something that a test shows, or is a person's task, or says with which feature it comes."""
    for line, what, shown in rows(runbook):
        if what.startswith((PERSON, LATER)):
            assert shown == "", line
        else:
            assert what, line
            assert shown, line


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_tests_exist(runbook: str):
    """Every test that the page names is there."""
    named = {test for *_, shown in rows(runbook) for test in re.findall(r"`([^`]+)`", shown)}
    assert named - known() == set()


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_the_list_is_the_runbook(runbook: str):
    """The list of lines that the page is held to is the runbook's own."""
    place = Path(os.environ.get("SLUICE_RUNBOOKS") or ROOT.parent / "shared" / "runbooks")
    found = list(place.glob(f"{runbook}_*"))
    if not found:
        pytest.skip(f"'{place}' has no runbook {runbook}: put it there, or set SLUICE_RUNBOOKS; its list in tests/data is what there is")
    assert list(lines(found[0].read_text())) == (ROOT / "tests" / "data" / f"runbook-{runbook}.txt").read_text().splitlines()


def test_lines():
    """Headings keep their level, a table's head is none of its rows, contents are skipped, and code counts by its comments."""
    listed = "# Top\n## Table of Contents\n1. [A](#a)\n## A\n- [ ] do **it**\n1. one\n   - two\n**P0**\n"
    text = listed + "| h | i |\n|:--|---|\n| x | y |\n- [p](q) r\n```sh\n# 1. say\nsay\n```\n"
    assert list(lines(text)) == ["Top", "## A", "do it", "one", "two", "P0", "x y", "p r", "1. say"]
