"""Images that are no larger than they may be, on a real engine."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.errors import RuntimeFailed
from sluice.runtimes.docker.size import SizeProvider
from tests.fixtures import image
from tests.fixtures.docker import engine
from tests.fixtures.stack import tracebacks

__all__ = ["engine", "tracebacks"]
pytestmark = pytest.mark.embedded


def props(most: int) -> dict[str, Any]:
    return {"name": "web@1.0-3fa2", "image": image.sluice(), "identity": "sha256:1", "most": most}


def test_small(engine: None):
    """One that is small enough passes, and nothing of it is a difference until it is another one, or may have another size."""
    made = SizeProvider().create(props(10**12))
    assert made.outs == props(10**12)
    assert SizeProvider().diff("web", made.outs, props(10**12)).changes is False
    assert SizeProvider().diff("web", made.outs, {**props(10**12), "identity": "sha256:2"}).changes is True
    assert SizeProvider().diff("web", made.outs, props(10**11)).changes is True


def test_large(engine: None):
    """One that is too large is refused in one line that says whose it is."""
    with pytest.raises(RuntimeFailed) as error:
        SizeProvider().create(props(1))
    assert str(error.value).startswith(f"'web@1.0-3fa2' was not started: image '{image.sluice()}' has ")
    assert "\n" not in str(error.value)


def test_any(engine: None):
    """What has served may have any size."""
    SizeProvider().create({**props(0), "image": "sluice-test/none"})
