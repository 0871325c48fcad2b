"""The flags of `sluice release`, with the real engine: what nothing is touched by, and what one release goes without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from sluice.cli import ends
from tests.fixtures.engine import Engine
from tests.fixtures.matrix import UNSOLD, applied, matrix, migration, want
from tests.fixtures.sluice import sluice, told

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
# Preview, update, and a way back: on a busy machine each takes its minutes.
LONG = 600
PERMISSION = "sluice:rollout.permissions[0]"


@pytest.fixture(scope="module")
def shop() -> Iterator[Engine]:
    """1.0 is live at revision 0001."""
    with matrix(deadlines={"health": "3s", "smoke": "3s"}) as engine:
        for path in (engine.folder / "migrations" / "shop").glob("000[2-9]*"):
            path.unlink()
        want(engine, "1.0", "0001")
        first = engine.up()
        assert first.ok, first.out
        yield engine


@pytest.fixture(autouse=True)
def rollout(shop: Engine) -> Iterator[None]:
    """Whatever a test has configured: the next one finds what this one has found."""
    before = shop.config["sluice:rollout"]
    yield
    shop.configure("sluice:rollout", before)


def config(engine: Engine) -> str:
    return (engine.folder / f"Pulumi.{engine.stack}.yaml").read_text()


def test_criteria(shop: Engine):
    """The report has what makes a release a success: each journey that was walked, each check of the team's own, the marks to come."""
    found = {one["name"]: (one["word"], one["figure"]) for one in told(shop, "report", "1.0")["criteria"]}
    assert found["all services healthy"] == ("passed", "2 of 2 checks passed")
    word, seen = found["web: stock"]
    assert (word, seen[:5], seen[-16:]) == ("passed", "200 (", " (wanted == 200)")
    assert (found["shopping"][0], found["shopping"][1][:9]) == ("passed", "1 step in")
    assert found["well when looked at later"] == ("to come", "1d after it was proven")
    assert (found["live and proven"][0], found["people told"][0]) == ("passed", "not asked")


def test_dry(shop: Engine):
    """A dry run shows the plan, and whom the release would tell what, and touches neither config nor the world."""
    before = (config(shop), len(told(shop, "history")))
    done = sluice(shop, "release", "1.1", "--dry-run", "--skip-tests")
    assert done.code == 0, done.out
    assert f"--plaintext '{PERMISSION}.skip=tests'" in done.out
    assert "web: web@1.1-" in done.out
    assert ", without its smoke tests by leave of '" in done.out
    assert "nobody would be told: sluice:rollout.notify is empty" in done.out
    assert done.out.rstrip().endswith("would begin: nothing was touched, nor was config")
    assert (config(shop), len(told(shop, "history")), shop.serving()) == (*before, {"1.0"})


def test_dry_and_refused(shop: Engine):
    """What the update would refuse a dry run says in its exit code, and why; it says whom nobody could tell."""
    closed = {"timezone": "UTC", "freeze": [{"from": "2020-01-01", "to": "2099-01-01", "why": "the audit"}]}
    shop.rollout(windows=closed, notify=[{"kind": "slack", "url": "env:NO_SUCH_HOOK"}])
    before = config(shop)
    done = sluice(shop, "release", "1.1", "--dry-run")
    assert done.code == ends.OPEN, done.out
    assert "slack, env:NO_SUCH_HOOK, which cannot be told: the secret 'env:NO_SUCH_HOOK' is not set" in done.out
    assert "would not begin as things are now: deployment window: " in done.out
    assert config(shop) == before


def test_no_tests(shop: Engine):
    """A release whose smoke tests would fail goes through without them: for this once, and everybody is told so ever after."""
    want(shop, "1.0", "0001", **UNSOLD)
    done = sluice(shop, "release", "1.1", "--yes", "--skip-tests", timeout=LONG)
    assert done.code == 0, done.out
    lines = done.out.splitlines()
    assert ", without its smoke tests by leave of '" in lines[-1]
    assert any(line.startswith("all smoke tests passing") and " left out " in line for line in lines)
    assert "permissions" not in yaml.safe_load(config(shop))["config"]["sluice:rollout"]
    newest = told(shop, "history")[0]
    assert (list(newest["skipped"]), newest["live"]) == (["tests"], True)
    assert "live, without its smoke tests by leave of '" in sluice(shop, "history").out
    page = told(shop, "report")
    assert (list(page["skipped"]), ", without its smoke tests by leave of '" in page["line"]) == (["tests"], True)
    smoke = [line for line in page["attempts"][-1]["came"]["smoke"] if line.startswith("no journey was walked: '")]
    assert len(smoke) == 1
    # Another release is meant by no leave of this one.
    again = sluice(shop, "release", "1.2", "--yes", "--no-rollback", timeout=LONG)
    assert (again.code, "smoke 'shopping' step 1 'buy'" in again.out) == (ends.OPEN, True), again.out
    assert sluice(shop, "rollback", "--yes", timeout=LONG).ok


def test_no_backup(shop: Engine):
    """Where a migration is pending the leave does not help: nothing is touched in the database, and what is left of it is told."""
    migration(shop, "0002_country.sql", "alter table orders add column country char(2);")
    migration(shop, "0002_country.down.sql", "alter table orders drop column country;")
    done = sluice(shop, "release", "1.3", "--schema", "shop=0002", "--yes", "--skip-backup", timeout=LONG)
    assert done.code == ends.OPEN, done.out
    assert "which only one without them can do" in done.out
    assert "pulumi config rm --path sluice:rollout.permissions" in done.out
    assert applied(shop) == ["0001_orders"]
    assert sluice(shop, "rollback", "--yes", timeout=LONG).ok


def test_production(shop: Engine):
    """Nothing is left out where releases are approved, and config is not touched."""
    shop.rollout(approvals={"required": ["lead"]})
    before = config(shop)
    done = sluice(shop, "release", "1.3", "--yes", "--skip-tests", "--skip-backup")
    assert done.out == (
        f"error: --skip-backup and --skip-tests: nothing is left out in production, and '{shop.stack}' is: "
        "its releases are approved by 'lead'; nothing was touched\n"
    )
    assert (done.code, config(shop)) == (1, before)
