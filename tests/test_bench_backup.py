"""What a backup is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.backup import JOBS, _bare, _worst
from bench.database import filled
from sluice.core.backup.format import Format
from sluice.core.store import Store
from sluice.systems import backup
from tests.fixtures.postgres import Postgres
from tests.fixtures.store import connect

pytestmark = pytest.mark.embedded


@pytest.mark.parametrize("form", list(Format))
def test_bare(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Format):
    """pg_dump alone gets the very command that a backup runs, but for the snapshot and the place."""
    ran: list[list[str]] = []
    running = backup.running

    def noted(argv: list[str], *words: Any) -> Any:
        ran.append(argv)
        return running(argv, *words)

    monkeypatch.setattr(backup, "running", noted)
    backup.make(store, tmp_path, format=form, jobs=JOBS[form])
    (dump,) = [[word for word in argv if not word.startswith(("--snapshot", str(tmp_path)))] for argv in ran]
    assert [word for word in _bare(store, tmp_path, form) if not word.startswith(str(tmp_path))] == dump


def test_worst():
    """The figure is the worst format's; all are shown."""
    times = {Format.CUSTOM: {"sluice": [2.0, 2.2], "bare": [2.0, 2.0]}, Format.PLAIN: {"sluice": [3.0, 3.0], "bare": [2.0, 2.0]}}
    measure = _worst("backup_ratio", 1.1, times, "pg_dump")
    assert (measure.name, measure.value, measure.unit) == ("backup_ratio", 1.5, "ratio")
    assert measure.against == "at most 1.1; pg_dump of 500 MB: custom 1.050 (2.0 s), plain 1.500 (2.0 s)"


def test_filled(postgres: Postgres):
    """The database has what services have: text, numbers, jsonb, keys and indexes; its size follows the one that is asked for."""
    store = filled(postgres, "bench", 100)
    try:
        with connect(store) as connection:
            counts = [
                connection.execute(f"select count(*) from {name}".encode()).fetchone() for name in ("users", "orders", "events", "pages")
            ]
            assert counts == [(200,), (1200,), (800,), (50,)]
            assert connection.execute("select count(*) from pg_index where indrelid = 'orders'::regclass").fetchone() == (3,)
    finally:
        with connect(store.at("postgres")) as connection:
            connection.execute("drop database bench")
