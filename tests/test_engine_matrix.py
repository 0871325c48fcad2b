"""Every row of the decision matrix, each by a real failure of a release that `sluice` brings out."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sluice.cli import ends
from tests.fixtures.engine import Ask, Engine, Load, Result
from tests.fixtures.matrix import DEAD, QUICK, SICK, SLOW, UNSOLD, applied, ask, last, matrix, migration, want
from tests.fixtures.sluice import sluice, told

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
FLAGS = {"SALE": True}


@pytest.fixture(scope="module")
def shop() -> Iterator[Engine]:
    """1.0 is live at revision 0001, with a row, a flag, and a block that all ways back must bring again, byte for byte."""
    with matrix(deadlines={"health": "3s", "smoke": "3s"}, checks=QUICK, patience="20s") as engine:
        for path in (engine.folder / "migrations" / "shop").glob("000[2-9]*"):
            path.unlink()
        engine.configure("sluice:release", {"version": "1.0", "schema": {"shop": "0001"}, "flags": FLAGS})
        first = engine.up()
        assert first.ok, first.out
        ask(engine, "insert into orders (item) values ('boat')")
        yield engine


@pytest.fixture(autouse=True)
def whole(shop: Engine) -> Iterator[None]:
    """Whatever a row has done: afterwards 1.0 is live and configured with its very block and flag, and an update changes nothing."""
    before = last(shop)
    yield
    assert (shop.live, last(shop), shop.serving()) == ("1.0", before, {"1.0"})
    assert json.loads(next(shop.root.glob("**/flags.json")).read_text()) == FLAGS
    assert applied(shop) == ["0001_orders"]
    assert shop.up("--expect-no-changes").ok


def release(engine: Engine, *words: str, revision: str = "0001", **settings: str) -> Result:
    """Bring out 1.1 with settings that make it fail, and with another flag."""
    want(engine, "1.0", revision, **settings)
    engine.configure("sluice:release", {**engine.config["sluice:release"], "flags": {"SALE": False, "NEW": True}})
    return sluice(engine, "release", "1.1", "--yes", *words)


def test_migration(shop: Engine):
    """A migration that fails has undone itself, here on the copy that it was rehearsed on: config goes back by itself."""
    migration(shop, "0002_country.sql", "alter table orders add column country char(2) not null;")
    migration(shop, "0002_country.down.sql", "alter table orders drop column country;")
    done = release(shop, revision="0002")
    assert "because a migration failed: P1, go back within 15 minutes" in done.out
    assert (done.code, "is live again, after" in done.out) == (ends.REVERTED, True)


def test_artifact(shop: Engine):
    """A service that is not there is nothing to go back for: it is mended, and tried again."""
    app, aside = shop.folder / "app", shop.folder / "aside"
    app.rename(aside)
    refused = release(shop)
    assert refused.out.endswith(
        "error: the preview has failed, as the update would: nothing was touched, nor was config; mend it, then again\n"
    )
    assert (refused.code, shop.run("config", "get", "--path", "sluice:release.version").out) == (1, "1.0\n")
    done = release(shop, "--skip-preview")
    assert "nothing is done by itself: the matrix says to mend it, and to try again" in done.out
    assert "because a service could not be built or fetched: P3" in done.out
    aside.rename(app)
    assert done.code == ends.OPEN
    assert sluice(shop, "rollback", "--yes").ok


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        (DEAD, "a service did not start: P1, go back within 15 minutes"),
        (SICK, "health checks failed: P1, go back within 15 minutes"),
    ],
)
def test_gone_back_from(shop: Engine, settings: dict[str, str], seen: str):
    """A service that does not start, and one that is not well, are gone back from by themselves, flags too."""
    done = release(shop, **settings)
    assert f"because {seen}" in done.out
    assert "code only: from '1.1-" in done.out
    assert done.code == ends.REVERTED, done.out


def test_smoke(shop: Engine):
    """What a failing smoke test matters a person says: nothing is done by itself, until it is said that it presses."""
    mild = release(shop, **UNSOLD)
    assert "because smoke tests failed: P2, mend it, or go back, within an hour" in mild.out
    assert (mild.code, shop.serving()) == (ends.OPEN, {"1.0"})
    grave = release(shop, "--severity", "P1", **UNSOLD)
    assert "because smoke tests failed: P1, go back within 15 minutes" in grave.out
    assert "P1: 15m of 15m left" in grave.out
    assert grave.code == ends.REVERTED, grave.out


def test_performance(shop: Engine):
    """A slow version has lost its traffic by the time that it is gone back from; the report says as the command how bad that was: here by
    the severity of the check, which is worse than the matrix."""
    shop.rollout(checks={**QUICK, "latency": {**QUICK["latency"], "severity": "P1"}})
    with Load(shop.url, [Ask("GET", "/web/a")], rate=40) as load:
        done = release(shop, **SLOW)
        tally = load.stop()
    assert "because it has become slow: P1, go back within 15 minutes" in done.out
    assert (done.code, tally.failed) == (ends.REVERTED, 0)
    incident = told(shop, "report", "1.1")["incident"]
    assert incident["severity"] == "P1"
    assert incident["why"].startswith("the severity of the check 'web: ")


def test_kept(shop: Engine):
    """With --no-rollback a failure ends with the plan, as `pulumi up` itself would; the plan is carried out by whoever wants it."""
    done = release(shop, "--no-rollback", **DEAD)
    assert "nothing is done by itself: --no-rollback was said" in done.out
    assert done.code == ends.OPEN
    assert told(shop, "status")["settled"] is False
    assert sluice(shop, "rollback", "--yes").ok


def test_one_revert(shop: Engine):
    """A way back that fails is not followed by another one: it ends with what config names, and what serves."""
    stuck = shop.folder / "stuck"
    stuck.write_text("1.0")
    done = release(shop, **DEAD)
    assert done.code == ends.OPEN
    assert "error: this program cannot bring out 1.0" in done.out
    assert done.out.count("`pulumi up` failed: config names '1.0-") == 1
    stuck.unlink()
    assert sluice(shop, "rollback", "--yes").ok
