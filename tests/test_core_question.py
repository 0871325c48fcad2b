"""Questions and their parameters."""

from __future__ import annotations

import pytest

from sluice.core.question import Question, expect, problems

KNOWN = {"web.status": Question(("url",), ("method",)), "web.body": Question(("url", "path"))}


def test_good():
    """What is known and complete has no problems."""
    assert problems("web.status", {"url": "http://a", "method": "GET"}, KNOWN) == []


def test_unknown_question():
    """An unknown question is told with all the known ones."""
    assert problems("web.stat", {}, KNOWN) == ["unknown question 'web.stat': known are web.status, web.body"]


def test_all_problems():
    """Strange and missing parameters are told all at once; None is missing."""
    with pytest.raises(ValueError, match=r"'web\.body'") as caught:
        expect("web.body", {"ulr": "http://a", "path": None}, KNOWN)
    assert str(caught.value) == "'web.body' takes no 'ulr': known are url, path; 'web.body' needs 'url'; 'web.body' needs 'path'"
