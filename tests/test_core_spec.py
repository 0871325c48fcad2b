"""A version's name follows from everything that it is."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from sluice.core.spec import Spec, image

WEB = Spec(service="web", version="1.0", argv=["python", "-m", "web"], artifact="/app")
# A change of every field; a field that is not here fails the test that walks them.
CHANGES = {
    "service": "api",
    "version": "1.1",
    "digest": "00ff",
    "argv": ["python", "-m", "other"],
    "prefix": "/web/",
    "database": "main",
    "env": {"COLOUR": "green"},
    "secrets": ["TOKEN"],
    "replicas": 2,
    "connections": 20,
    "needs": ["api@1.0-0000"],
    "memory": 2**20,
    "cpu": 0.5,
    "health": "/ready",
    "ready": 31.0,
    "grace": 11.0,
    "single": True,
}


def test_every_change_is_another_version():
    """A change of any field but the artifact's place gives another name, and no two changes give the same."""
    assert CHANGES.keys() == Spec.model_fields.keys() - {"artifact"}
    changed = [WEB.model_copy(update={field: value}) for field, value in CHANGES.items()]
    assert len({WEB.name, *(one.name for one in changed)}) == len(changed) + 1


def test_the_same_spec_is_the_same_version():
    """The same content at another place, and the order of variables, change nothing."""
    here = Spec(service="web", version="1.0", argv=["a"], artifact="/here", env={"A": "1", "B": "2"})
    there = Spec(service="web", version="1.0", argv=["a"], artifact="/there", env={"B": "2", "A": "1"})
    assert here.name == there.name


def test_name():
    """A name is the service, the version and four digits, and stays what it is from one Sluice to the next."""
    assert re.fullmatch(r"web@1\.0-[0-9a-f]{4}", WEB.name)
    assert WEB.name == "web@1.0-6ca9"


def test_a_default_that_is_said_changes_nothing():
    """What holds anyway may be said or left out: a field that a later Sluice adds must not rename what runs."""
    assert WEB.model_copy(update={"health": "/health", "replicas": 1}).name == WEB.name


def test_text():
    """A spec comes back from its text as it was, from one line that is no JSON by itself."""
    full = WEB.model_copy(update=CHANGES)
    assert Spec.parse(full.text) == full
    assert "\n" not in full.text
    assert not full.text.startswith("{")


def test_an_artifact_by_content_only():
    """A spec is frozen and refuses what it does not know."""
    with pytest.raises(ValidationError):
        Spec.model_validate({**WEB.wire(), "colour": "green"})
    with pytest.raises(ValidationError):
        WEB.version = "2"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("artifact", "expected"),
    [
        ("shop/web@sha256:" + "0a" * 32, True),
        ("/srv/app", False),
        ("shop/web:1.0", False),
        ("@sha256:" + "0a" * 32, False),
        ("shop/web@sha256:" + "0A" * 32, False),
        ("shop/web@sha256:0a", False),
    ],
)
def test_image(artifact: str, expected: bool):
    """Only an image by its whole digest is one: a tag may be another image tomorrow."""
    assert image(artifact) is expected
