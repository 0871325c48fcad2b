"""Links and file names in the documentation lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links(page: Path):
    """Every link to a file of the repository finds it, with its heading."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        name, _, heading = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), target
        assert not heading or heading in anchors(found), target


def test_decisions():
    """Every decision is in the index, with its title, in order, and numbers are not skipped."""
    folder = ROOT / "docs" / "decisions"
    files = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    listed = re.findall(r"^\| \[(\d{4})\]\((.*)\) \| (.*) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert [(number, name) for number, name, _ in listed] == [(path.name[:4], path.name) for path in files]
    assert [int(number) for number, *_ in listed] == list(range(1, len(files) + 1))
    titles = [path.read_text().splitlines()[0].partition(" ")[2] for path in files]
    assert [re.sub(r"^\d+\.? ", "", title) for title in titles] == [title for *_, title in listed]
