"""Every row of the decision matrix in containers, each by a real failure: what holds for processes holds here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sluice.cli import ends
from sluice.systems import docker, shelf
from tests.fixtures import image
from tests.fixtures.docker_matrix import FLAGS, Boxed, Row, boxed
from tests.fixtures.matrix import DEAD, QUICK, SHOP, SICK, SLOW, UNSOLD, applied, ask, last, migration
from tests.fixtures.sluice import sluice, told

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
# More than the program lets it have; and a service that listens where nobody reaches it.
HUNGRY, DEAF = {"HOG": "256"}, {"HOST": "127.0.0.1"}
NOWHERE = json.dumps({"artifact": f"localhost:1/shop/web@sha256:{'0' * 64}"})
# More cores than any machine has.
WIDE = json.dumps({"cpu": 4096})
# What no ignore file may hold: whoever builds an image of the folder is told so.
UNREADABLE = "["


@pytest.fixture(scope="module")
def shop() -> Iterator[Boxed]:
    """1.0 is live at revision 0001, with a row, a flag, and a block that all ways back must bring again, byte for byte; after all rows an
    update changes nothing."""
    if why := image.missing():
        pytest.skip(why)
    with boxed() as stack:
        ask(stack, "insert into orders (item) values ('boat')")
        yield stack
        done = stack.up("--expect-no-changes")
        assert done.ok, done.out


@pytest.fixture(autouse=True)
def whole(shop: Boxed) -> Iterator[None]:
    """Whatever a row has done: afterwards 1.0 serves, from its old container, with its very block, flag and data."""
    before, ran = last(shop), shop.container("1.0")
    yield
    assert (shop.live, last(shop), shop.serving()) == ("1.0", before, {"1.0"})
    assert (shop.flags(), shop.container("1.0")) == (FLAGS, ran)
    assert (applied(shop), ask(shop, "select item from orders")) == (["0001_orders"], [("boat",)])


def unharmed(shop: Boxed, row: Row, code: int) -> None:
    """Say that a row ended so, and that nobody has noticed."""
    assert row.code == code, row.out
    assert (row.tally.failed, sum(row.tally.errors.values()), set(row.tally.versions)) == (0, 0, {"1.0"}), row.tally.text()
    assert shop.share.weight in (0, 100)
    # Until the next update what failed stays, as far as it came; going back is one.
    assert code == ends.OPEN or shop.container("1.1") is None


def back(shop: Boxed, *words: str) -> Row:
    """Go back, and see that it was done."""
    row = shop.asked("rollback", "--yes", *words)
    assert (row.code, row.tally.failed) == (0, 0), row.out
    return row


def copies(shop: Boxed) -> list[str]:
    """Return the copies of backups that the server has."""
    return [name for (name,) in ask(shop, "select datname::text from pg_database where datname like 'shop\\_drill\\_%'")]


@contextmanager
def broken(path: Path, text: str) -> Iterator[None]:
    """Put a file there that is in the way, and mend it."""
    path.write_text(text)
    try:
        yield
    finally:
        path.unlink()


@contextmanager
def gone(path: Path) -> Iterator[None]:
    """Have a folder elsewhere meanwhile."""
    aside = path.rename(path.with_suffix(".aside"))
    try:
        yield
    finally:
        aside.rename(path)


def test_migration(shop: Boxed):
    """A migration that fails has undone itself, here on the copy that it was rehearsed on: config goes back by itself."""
    migration(shop, "0002_country.sql", "alter table orders add column country char(2) not null;")
    migration(shop, "0002_country.down.sql", "alter table orders drop column country;")
    row = shop.bring(revision="0002")
    for path in (shop.folder / "migrations" / SHOP).glob("0002*"):
        path.unlink()
    assert "because a migration failed: P1, go back within 15 minutes" in row.out
    assert re.fullmatch(r"'1\.0-[0-9a-f]{6}' is live again, after [0-9.]+ s", row.last)
    unharmed(shop, row, ends.REVERTED)


@pytest.mark.parametrize(
    ("settings", "seen", "why"),
    [
        (DEAD, "a service did not start", r"it ended at start \(exit code 1\); its last log lines: no; "),
        (HUNGRY, "a service did not start", r"it ended at start: killed by its memory limit of 128 MiB \(exit code 137\); its last log "),
        (DEAF, "a service did not start", r"GET http://127.0.0.1:\d+/health is not answered \(\w+\); its last log lines: "),
        (SICK, "health checks failed", r"health of 1\.1-"),
    ],
    ids=["dead", "hungry", "deaf", "sick"],
)
def test_gone_back_from(shop: Boxed, settings: dict[str, str], seen: str, why: str):
    """A service that does not start, and one that is not well, are gone back from by themselves, flags too; its container goes."""
    row = shop.bring(**settings)
    assert re.search(why, row.out), row.out
    assert f"because {seen}: P1, go back within 15 minutes" in row.out
    assert "code only: from '1.1-" in row.out
    assert re.fullmatch(r"'1\.0-[0-9a-f]{6}' is live again, after [0-9.]+ s", row.last)
    unharmed(shop, row, ends.REVERTED)


def test_not_started(shop: Boxed):
    """A container that the engine does not start, here for its limits, is a service that did not. These are the program's: while that
    declares the old version with them too, going back asks for the program of before."""
    with broken(shop.folder / "changed.json", WIDE):
        row = shop.bring()
    assert "Range of CPUs is from 0.01 to " in row.out
    assert "because a service did not start: P1, go back within 15 minutes" in row.out
    assert re.search(r"'1\.0-[0-9a-f]{6}' is live as web@1\.0-\w+, and the program now declares web@1\.0-\w+: ", row.out)
    unharmed(shop, row, ends.OPEN)
    assert shop.container("1.1") is None
    back(shop)


def test_kept(shop: Boxed):
    """With --no-rollback the container that failed stays, stopped, with its log, until the next update, which takes it away."""
    row = shop.bring("--no-rollback", **DEAD)
    unharmed(shop, row, ends.OPEN)
    failed = shop.container("1.1")
    assert failed
    assert not failed.runs
    assert f"; all of them: docker logs {shop.called(failed.name)}\n" in row.out
    assert "no\n" in docker.said(shop.called(failed.name), 1)
    back(shop)
    assert shop.container("1.1") is None


def test_smoke(shop: Boxed):
    """What a failing smoke test matters a person says: the version stays, without traffic, until it is said that it presses."""
    mild = shop.bring(**UNSOLD)
    assert "because smoke tests failed: P2, mend it, or go back, within an hour" in mild.out
    unharmed(shop, mild, ends.OPEN)
    failed = shop.container("1.1")
    assert failed
    assert failed.runs
    grave = shop.bring("--severity", "P1", **UNSOLD)
    assert "because smoke tests failed: P1, go back within 15 minutes" in grave.out
    assert "P1: 15m of 15m left" in grave.out
    unharmed(shop, grave, ends.REVERTED)


def test_performance(shop: Boxed):
    """A slow version has lost its traffic by the time that it is gone back from."""
    row = shop.bring(checks={**QUICK, "latency": {**QUICK["latency"], "severity": "P1"}}, **SLOW)
    assert "because it has become slow: P1, go back within 15 minutes" in row.out
    assert (row.code, row.tally.failed, sum(row.tally.errors.values())) == (ends.REVERTED, 0, 0), row.out
    incident = told(shop, "report", "1.1")["incident"]
    assert (incident["severity"], incident["why"].startswith("the severity of the check 'web: ")) == ("P1", True)


def test_artifact(shop: Boxed):
    """A folder that is not there is seen by the preview: nothing was touched. An image that is nowhere, and a folder of which none can be
    built, are nothing to go back for: mended and tried again, it is live."""
    with gone(shop.folder / "app"):
        row = shop.bring(preview=True)
    assert row.last == "error: the preview has failed, as the update would: nothing was touched, nor was config; mend it, then again"
    assert shop.run("config", "get", "--path", "sluice:release.version").out == "1.0\n"
    unharmed(shop, row, 1)
    for path, text in ((shop.folder / "changed.json", NOWHERE), (shop.folder / "app" / ".dockerignore", UNREADABLE)):
        with broken(path, text):
            row = shop.bring()
        assert "because a service could not be built or fetched: P3" in row.out
        assert "nothing is done by itself: the matrix says to mend it, and to try again" in row.out
        assert row.last == f"  to try again: pulumi up --stack {shop.stack}; to go back: sluice rollback --stack {shop.stack}"
        unharmed(shop, row, ends.OPEN)
        assert shop.container("1.1") is None
    done = shop.up()
    assert done.ok, done.out
    assert (shop.live, shop.serving()) == ("1.1", {"1.1"})
    back(shop)


def test_corruption(shop: Boxed):
    """Corrupt data that a check has found go back with the release: by the copy that the backup's drill has kept, which takes the
    database's place in the container's server; a second time from the backup itself."""
    migration(shop, "0002_total.sql", "alter table orders add column total int;")
    migration(shop, "0002_total.down.sql", "alter table orders drop column total;")
    row = shop.bring(revision="0002")
    assert (row.code, shop.live, row.tally.failed) == (0, "1.1", 0), row.out
    saved = shelf.load(shop.root / "backups", database=SHOP)[0]
    ask(shop, "update orders set item = 'corrupt'")
    found = sluice(shop, "check", "mark")
    assert (found.code, "shop: corrupt orders" in found.out) == (1, True), found.out
    refused = sluice(shop, "rollback", "--symptom", "corruption", "--yes")
    assert refused.out.endswith(f"accept it by name, with --to-backup {saved.id}; nothing was touched\n")
    assert saved.drilled
    kept = saved.drilled.scratch
    assert kept in copies(shop)
    row = back(shop, "--symptom", "corruption", "--to-backup", saved.id)
    assert f"shop: '{kept}' is 'shop' now; nobody could write for " in row.out
    assert (ask(shop, "select item from orders"), kept in copies(shop)) == ([("boat",)], False)
    for path in (shop.folder / "migrations" / SHOP).glob("0002*"):
        path.unlink()
    ask(shop, "update orders set item = 'corrupt'")
    row = back(shop, "--db-only", "--symptom", "corruption", "--to-backup", saved.id)
    assert "' is 'shop' now; nobody could write for " in row.out
