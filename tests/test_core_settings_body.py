"""What a notice posts in a team's own shape."""

from __future__ import annotations

import json

import pytest

from sluice.core.settings.body import filled, unfit


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"a": "${text}"}', ""),
        ('["${release} on ${stack}: ${state}", {"b": ["${moment}", "${next}"]}]', ""),
        ("${text}", "is no JSON (Expecting value: line 1 column 1 (char 0))"),
        ('{"a": "${secret} ${}"}', "has '${secret}', '${}': known are text, release, stack, state, moment, next"),
    ],
)
def test_unfit(body: str, why: str):
    """A body is JSON, and has no word that no notice has."""
    assert unfit(body) == why


def test_filled():
    """A word stays a text whatever is in it: it adds no key and ends no string; one that is not there is empty."""
    words = {"text": '", "admin": "yes', "state": "${text}"}
    made = filled('{"text": "${text}", "state": "is ${state}${next}", "n": 1, "l": ["${text}"]}', words)
    assert made == {"text": words["text"], "state": "is ${text}", "n": 1, "l": [words["text"]]}
    assert json.loads(json.dumps(made)) == made
