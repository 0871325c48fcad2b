"""The smallest program: its own config declares a whole release of it."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from pulumi.runtime import config

from sluice.core.journey import parse
from sluice.runtimes.process import runtime
from sluice.systems import migrations
from tests.fixtures.engine import Engine
from tests.fixtures.mock import Runtime, World

HERE = Path(__file__).parent.parent / "examples" / "shop"
BACKUP = HERE.parent.parent / "docs" / "components" / "backup.md"


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


@pytest.fixture
def shop() -> Iterator[Engine]:
    """Return the program's stack, never deployed, with the config that it has."""
    engine = Engine(HERE, stack="dev")
    engine.config = yaml.safe_load((HERE / "Pulumi.dev.yaml").read_text())["config"]
    yield engine
    engine.close()


def by_hand() -> str:
    """Return the commands of the documented restore, for the last backup of this stack."""
    text = BACKUP.read_text().partition("### Restore by hand")[2].partition("## The manifest")[0]
    first, swap, _ = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    steps = re.findall(r"^(?:1|3|4|5)\. .*?`((?:jq|\"\$BIN)[^`]*)`", text, re.MULTILINE)
    assert len(steps) == 4
    last = re.sub(
        r"^B=\S+", 'B=$(ls -d "$folder"/shop/* | tail -1)', first.replace("--stack production", "--stack dev"), flags=re.MULTILINE
    )
    return "\n".join(["set -e", last, *steps, swap, '"$BIN/psql" -X -d shop -Atc "select \'items \' || count(*) from orders"'])


@pytest.mark.engine
@pytest.mark.embedded
def test_up_and_a_restore_by_hand(shop: Engine) -> None:
    """The real engine brings it out as it is; and after a migration the documented commands put the backup of before in its place."""
    done = shop.up()
    assert done.ok, done.out
    assert "shop: 0001_orders" in done.out
    assert httpx.get(f"{shop.url}/shop/orders").json() == {"version": "1.0.0", "orders": 0}
    store = {key: shop.outputs()["databases"]["shop"][key] for key in ("host", "port", "dbname")}
    passfile = next((shop.root / "secrets").glob("*.pgpass"))
    with psycopg.connect(**store, user="sluice", passfile=str(passfile)) as connection:
        connection.execute("insert into orders (item) values ('a')")
    (shop.folder / "migrations" / "shop" / "0002_total.sql").write_text("alter table orders add column total int;")
    shop.configure("sluice:release", {**shop.config["sluice:release"], "schema": {"shop": "0002"}})
    moved = shop.up()
    assert moved.ok, moved.out
    again = shop.up()
    assert ("shop: 0002_total" in moved.out, "0002_total\n" in again.out) == (True, False)
    if shutil.which("jq") is None:
        pytest.skip("no jq on PATH: install it, the commands by hand need it")
    ran = subprocess.run(["bash", "-c", by_hand()], cwd=shop.folder, env=shop.env, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "items 1"), ran.stderr
    # The revision of the backup, for which no column was there yet.
    with psycopg.connect(**store, user="sluice", passfile=str(passfile)) as connection:
        assert connection.execute("select name from sluice_history.migration").fetchall() == [("0001_orders",)]
