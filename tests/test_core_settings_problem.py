"""How problems are told."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.settings.problem import HIDDEN, Problem, nearest, shown, sort, unknown


def test_line():
    """A problem begins with its path."""
    assert Problem("sluice:rollout.soak", "is empty").line == "sluice:rollout.soak: is empty"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("a", "'a'"),
        ("a\nb", "'a\\nb'"),
        ("x" * 99, f"'{'x' * 59}…'"),
        (5, "5"),
        (0.5, "0.5"),
        (True, "true"),
        ([], "a list"),
        ({}, "a map"),
    ],
)
def test_shown(value: Any, wanted: str):
    """A value is shown so that it is recognised, in one line."""
    assert shown(value, ["soak"]) == wanted


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("x", ["services", "web", "settings", "A"]), ("x", ["notify", 0, "url"]), ("x", ["flags", "api_token"]), (5, ["flags", "KEY"]),
        ("https://example.org/x", ["window"]), ("x", ["flags", "dbPassword", 0]),
    ],
)  # fmt: skip
def test_hidden(value: Any, place: list[str | int]):
    """What could be a secret is not shown: variables, what is called like one, and whatever looks like a URL."""
    assert shown(value, place) == HIDDEN


def test_sort():
    """In the place of a map, a text is not shown at all: it may be the whole map."""
    assert [sort(value) for value in ('{"PASSWORD": "x"}', [], {}, 5, False)] == ["text", "a list", "a map", "5", "false"]


def test_unknown():
    """An unknown key names the one that is meant, or all there are and how to remove it."""
    known = {"soak": 1, "samples": 2}
    assert unknown("Soaks", known, "sluice:rollout.Soaks") == "unknown key, did you mean 'soak'?"
    assert unknown("zzz", known, "sluice:rollout.a[0].zzz") == (
        "unknown key: known are soak, samples; run: pulumi config rm --path 'sluice:rollout.a[0].zzz'"
    )


def test_nearest():
    """Nothing is suggested that is not alike."""
    assert [nearest(name, {"ladder": 1}) for name in ("laddr", "x")] == ["ladder", None]
