"""What a database has around it."""

from __future__ import annotations

import pytest

from sluice.core.backup.around import listed


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("search_path", '"$user", public', '"$user", public'),
        ("search_path", '""', "''"),
        ("search_path", '"a, b", c', '"a, b", c'),
        ("work_mem", "4MB", ""),
    ],
)
def test_listed(name: str, value: str, said: str):
    """A list of names stays the list that the server has written; anything else is one text."""
    assert listed(name, value) == said
