"""The example of a stack that relies on another: its own config declares a whole release of it."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import config

from sluice.core.contract import terms
from sluice.core.journey import parse
from sluice.runtimes.process import runtime
from tests.fixtures.mock import Runtime, World

HERE = Path(__file__).parent.parent / "examples" / "consumer"
STAGING = "organization/sluice/staging"
DOORS = {"content-service": "/api/content/", "user-service": "/api/auth/"}


@pytest.fixture
def redcube(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Return what redcube's stack tells; the example has its own config, and a runtime with nothing behind it."""
    keys: dict[str, Any] = yaml.safe_load((HERE / "Pulumi.dev.yaml").read_text())["config"]
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in keys.items()}
    # The mocks' project is called `shop`, and config without a name is the project's.
    config.set_all_config({key.replace("digest:", "shop:"): text for key, text in texts.items()})
    monkeypatch.setattr(runtime, "Process", Runtime)
    told = {
        "terms": terms(1, doors=DOORS, databases=["postgres", "redcube_users"], deprecated={}).text,
        "endpoints": {"content-service": "http://door/api/content/"},
        "live": {"id": "1.1.0-a", "version": "1.1.0", "schema": {"redcube_users": "0001"}},
    }
    world.stacks = {STAGING: told}
    yield told
    config.set_all_config({})


def declare(world: World) -> None:
    world.run(lambda: runpy.run_path(str(HERE / "__main__.py")) and None)


def test_declared(world: World, redcube: dict[str, Any]):
    """One service, which is given redcube's address as its stack tells it; preflight asks there whether it is well."""
    declare(world)
    (service,) = (one.inputs for one in world.asked if one.type == "test:index:Service")
    assert (service["service"], service["env"]["CONTENT"]) == ("digest", "http://door/api/content/")
    (check,) = world["digest-preflight"].inputs["checks"]
    assert (check["name"], check["of"]) == ("redcube: content-service's health", {"url": "http://door/api/content/health"})
    (journey,) = parse(world["digest-smoke-journeys"].inputs["journeys"])
    assert journey.name == "digest"


def test_another_redcube(world: World, redcube: dict[str, Any]):
    """A redcube of version 2, whose schema nobody has named, is refused with both, before anything is declared."""
    redcube["live"] = {"id": "2.0.0-a", "version": "2.0.0"}
    with pytest.raises(pulumi.RunError) as caught:
        declare(world)
    assert str(caught.value).splitlines() == [
        f"redcube: '{STAGING}' is at version 2.0.0: wanted is >=1.0.0, <2",
        f"redcube: '{STAGING}' has 'redcube_users' at no revision that its release names: wanted is >=0001",
    ]
    assert not [name for name in world.names if name.startswith("digest-")]
