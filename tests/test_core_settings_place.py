"""Where a stack runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluice.core.errors import ConfigError
from sluice.core.settings.place import Place, parse_place
from sluice.core.settings.tree import RUNTIME, keys

MISSING = (
    "sluice:runtime.image: is missing: containers run in it; docs/runtimes/docker.md has its three lines;"
    " then: pulumi config set --path sluice:runtime.image IMAGE"
)


@pytest.mark.parametrize(
    ("told", "place"),
    [
        (None, Place()),
        ({}, Place()),
        ({"kind": "process"}, Place()),
        ({"kind": "docker", "image": "sluice:1"}, Place(kind="docker", image="sluice:1")),
        ({"kind": "docker", "image": "a", "postgres": "b"}, Place(kind="docker", image="a", postgres="b")),
        ({"kind": "docker", "image": "a", "largest": "1.5GB"}, Place(kind="docker", image="a", largest=1_500_000_000)),
        ({"kind": "docker", "image": "a", "address": "10.0.0.5"}, Place(kind="docker", image="a", address="10.0.0.5")),
    ],
)
def test_good(told: Any, place: Place):
    """Without a word a stack runs as processes; with one, as it says."""
    assert parse_place(None if told is None else json.dumps(told)) == place


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("docker", ["sluice:runtime: is not a map of keys: run: pulumi config set --path sluice:runtime.kind docker"]),
        ('"docker"', ["sluice:runtime: text is not a map of keys"]),
        ('{"kind": "podman"}', ["sluice:runtime.kind: 'podman' is none of 'process', 'docker'"]),
        ('{"kind": "docker"}', [MISSING]),
        ('{"kind": "docker", "image": ""}', ["sluice:runtime.image: '' is not a line of text"]),
        (
            '{"kind": "docker", "image": "a", "largest": "500mb"}',
            ["sluice:runtime.largest: '500mb' is not a size of at most 1000TB: write '500MB', '1.5GB', '512MiB', or a number of bytes"],
        ),
        ('{"kind": "docker", "image": "a", "largest": 0}', ["sluice:runtime.largest: 0 is not above 0"]),
        ('{"kind": "docker", "image": "a", "postgres": [18]}', ["sluice:runtime.postgres: a list is not a line of text"]),
        (
            '{"image": "a", "postgres": "b", "largest": 7, "address": "c"}',
            [
                f"sluice:runtime.{name}: is for kind docker: remove it, or set the kind"
                for name in ("image", "postgres", "largest", "address")
            ],
        ),
        ('{"kind": "docker", "image": "a", "address": [5]}', ["sluice:runtime.address: a list is not a line of text"]),
        (
            '{"kind": "docker", "address": "far.example.org"}',
            [
                MISSING,
                "sluice:runtime.address: 'far.example.org' is not an address as 10.0.0.5: the engine publishes on addresses, not on names",
            ],
        ),
        (
            '{"kind": "docker", "image": "a", "address": "0.0.0.0"}',
            [
                "sluice:runtime.address: '0.0.0.0' is every address of that machine, and databases would be open to whoever reaches one:"
                " name one that few others reach"
            ],
        ),
        (
            '{"kind": "docker", "image": "a", "host": "b"}',
            [
                "sluice:runtime.host: unknown key: known are kind, image, postgres, largest, address;"
                " run: pulumi config rm --path sluice:runtime.host"
            ],
        ),
    ],
)
def test_bad(text: str, says: list[str]):
    """All that is wrong is told at once, each after its path."""
    with pytest.raises(ConfigError) as error:
        parse_place(text)
    assert error.value.problems == says


def test_told():
    """Every key has a bad case here."""
    cases = str(test_bad.pytestmark)  # type: ignore[attr-defined]
    assert [key.path for key in keys(RUNTIME, Place) if f"{key.path}:" not in cases] == []
