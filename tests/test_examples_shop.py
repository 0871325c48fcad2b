"""The smallest program: its own config declares a whole release of it."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pulumi.runtime import config

from sluice.core.journey import parse
from sluice.runtimes.process import runtime
from sluice.systems import migrations
from tests.fixtures.engine import Engine
from tests.fixtures.mock import Runtime, World

HERE = Path(__file__).parent.parent / "examples" / "shop"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Give the stack the config that comes with the program, and a runtime with nothing behind it."""
    keys: dict[str, Any] = yaml.safe_load((HERE / "Pulumi.dev.yaml").read_text())["config"]
    config.set_all_config({key: json.dumps(value) for key, value in keys.items()})
    monkeypatch.setattr(runtime, "Process", Runtime)
    yield keys
    config.set_all_config({})


def test_declared(world: World, configured: dict[str, Any]) -> None:
    """One service with its door and its database, the revision that config names, and a sound smoke test."""
    world.run(lambda: runpy.run_path(str(HERE / "__main__.py")) and None)
    (service,) = (one.inputs for one in world.asked if one.type == "test:index:Service")
    assert (service["service"], service["version"]) == ("shop", "1.0.0")
    assert world.outputs["shop"]["endpoints"] == {"shop": "http://door/shop/"}
    assert service["env"]["PGDATABASE"] == "shop"
    (wanted,) = world["shop-expand-run"].inputs["databases"]
    assert wanted["target"] == configured["sluice:release"]["schema"]["shop"] == migrations.read(Path(wanted["folder"]))[-1].id
    (journey,) = parse(world["shop-smoke-journeys"].inputs["journeys"])
    assert journey.name == "orders"


@pytest.mark.engine
@pytest.mark.embedded
def test_up() -> None:
    """The real engine brings it out with the config that it has."""
    engine = Engine(HERE, stack="dev")
    try:
        done = engine.up()
        assert done.ok, done.out
        assert "shop: 0001_orders" in done.out
        assert httpx.get(f"{engine.url}/shop/orders").json() == {"version": "1.0.0", "orders": 0}
    finally:
        engine.close()
