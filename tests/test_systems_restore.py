"""A dump brought into an empty copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.core.backup.format import Compression, Format
from sluice.core.errors import BackupFailed, Interrupted
from sluice.core.store import Store
from sluice.systems.backup import make
from sluice.systems.copy import create
from sluice.systems.lock import maintained
from sluice.systems.restore import restore
from sluice.systems.shelf import load
from tests.fixtures.store import connect

pytestmark = pytest.mark.embedded


@pytest.mark.parametrize("form", list(Format))
def test_stopped(store: Store, tmp_path: Path, form: Format):
    """A restore into a database that is not empty stops at its first error, and nothing there is changed."""
    make(store, tmp_path / "b", format=form, compression=Compression.NONE)
    (one,) = load(tmp_path / "b")
    with pytest.raises(BackupFailed, match=r"relation \"(Odd Name|orders)\" already exists"):
        restore(store, one, jobs=1, look=lambda: None)
    with connect(store) as connection:
        assert connection.execute("select count(*) from orders").fetchone() == (5000,)


def test_fenced(store: Store, tmp_path: Path):
    """Whoever looks may stop a restore between its runs."""
    make(store, tmp_path / "b")
    (one,) = load(tmp_path / "b")
    calls = []

    def stop() -> None:
        calls.append(1)
        raise Interrupted("stop")

    with connect(store) as connection:
        connection.execute("create materialized view totals as select count(*) from orders")
    make(store, tmp_path / "b")
    one = load(tmp_path / "b")[0]
    copy = store.at(f"{store.dbname}_copy")
    with maintained(store, "test") as connection:
        create(connection, store.dbname, copy.dbname)
    with pytest.raises(Interrupted, match=r"^stop$"):
        restore(copy, one, jobs=1, look=stop)
    assert calls == [1]
