"""What preview says of the pending migrations of a real database."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sluice.core.database import Database
from sluice.core.migration import explain
from sluice.core.store import Store
from sluice.systems import migrations, schema, squawk
from tests.fixtures.store import connect

pytestmark = pytest.mark.embedded
TEXT = "create index if not exists by_note on orders (note);\nreindex table orders;\nalter table orders add column country text not null"


@pytest.fixture
def database(store: Store, tmp_path: Path) -> Database:
    """Return a database with rows and a pending file, and an index that this file would make."""
    with connect(store) as connection:
        connection.execute("create index by_note on orders (note)")
    (tmp_path / "0001_a.sql").write_text(TEXT)
    return Database(store=store, folder=str(tmp_path), target="0001", known=True)


def test_story(database: Database):
    """Sizes, estimate and both linters' findings are told; an index that is there is no finding, a column that rows cannot have is one."""
    lines = schema.story(database, {})
    assert lines[0] == f"{database.name}: '' -> '0001'"
    assert lines[2].startswith("    estimate: none yet, it reads all of orders (")
    assert lines[3] == "    1. create index if not exists by_note on orders (note): does nothing, it is there already"
    first, second, third = (line.strip() for line in lines if line.strip().startswith("warning"))
    assert re.fullmatch(r"warning, line 1: .* if there can be one", first)
    assert re.fullmatch(r"warning, line 2: .* \(squawk, require-concurrent-reindex\)", second)
    assert re.fullmatch(r"warning, line 3: .*fails as soon as there is a row.*", third)


def test_known(database: Database):
    """What this very file took elsewhere is its estimate."""
    (file,) = migrations.read(Path(database.folder))
    assert schema.story(database, {file.key: "1.20 s on 'staging', 2026-11-24"})[2] == "    estimate: 1.20 s on 'staging', 2026-11-24"


def test_without_squawk(database: Database, monkeypatch: pytest.MonkeyPatch):
    """Without squawk preview says so, and goes on with our own rules."""
    monkeypatch.setattr(squawk, "binary", lambda: None)
    lines = schema.story(database, {})
    assert "  squawk is not installed, so its rules were not asked: run pip install squawk-cli" in lines
    assert [line for line in lines if "fails as soon as there is a row" in line]


def test_refused(database: Database, monkeypatch: pytest.MonkeyPatch):
    """On a large table what squawk alone has found is refused before anything is touched."""
    assert schema.refusals([database]) == []
    monkeypatch.setattr(explain, "LARGE", 8192)
    reasons = schema.refusals([database])
    assert [reason.partition(": Reindexing")[0] for reason in reasons if "squawk" in reason] == [f"{database.name}: 0001, line 2"]


def test_nothing_to_save(bare: Store, tmp_path: Path):
    """Of a database without a row that no proven release has used, preview says that it is neither saved nor rehearsed."""
    (tmp_path / "0001_a.sql").write_text("create table a (id int);")
    database = Database(store=bare, folder=str(tmp_path), target="0001")
    said = "  nothing to save: no table has a row, and no proven release names its revision; not rehearsed"
    assert said in schema.story(database)
    assert said not in schema.story(database.model_copy(update={"target": ""}))
    with connect(bare) as connection:
        connection.execute("create table b as select 1 id")
    assert said not in schema.story(database)
