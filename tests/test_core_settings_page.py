"""The settings' page of documentation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sluice.core.settings import page
from sluice.core.settings.release import Release
from sluice.core.settings.rollout import Rollout
from sluice.core.settings.rule import RULES
from sluice.core.settings.tree import RELEASE, ROLLOUT, keys

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
KEYS = [*keys(RELEASE, Release), *keys(ROLLOUT, Rollout)]


def test_current():
    """The page says what the code says; to renew it: python -m sluice.core.settings > docs/settings.md."""
    said = subprocess.run([sys.executable, "-m", "sluice.core.settings"], capture_output=True, text=True, check=True).stdout
    assert PAGE.read_text() == said == page.page()


def test_described():
    """Every key has a sentence, and what it takes."""
    assert [key.path for key in KEYS if not key.field.description] == []
    rows = [line for line in page.page().splitlines() if line.startswith("| `")]
    assert all(row.split(" | ")[1].strip() for row in rows)


def test_whole():
    """Every key is on the page, and every rule between keys."""
    text = page.page()
    assert [key.path for key in KEYS if f"| `{key.path.split('.', 1)[1]}` |" not in text] == []
    assert [rule.name for rule in RULES if str(rule.check.__doc__) not in text] == []
