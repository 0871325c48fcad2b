"""When a copy must not take a database's place."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.backup.format import Compression, Format
from sluice.core.backup.manifest import Backup, Drilled, Manifest
from sluice.core.restore.rule import Scene, refusals
from sluice.core.store import Store

STORE = Store(host="db", user="owner", dbname="shop")
FACTS: dict[str, Any] = {
    "id": "B1", "database": "shop", "made_at": 1.0, "format": Format.CUSTOM, "compression": Compression.ZSTD, "parts": (),
    "client": "pg_dump 18", "server": "18", "system": "7", "snapshot": "s", "lsn": "0/1", "rows": {}, "shape": "", "seconds": 1.0,
    "size": 1,
}  # fmt: skip
DRILLED = Drilled.read({"at": 2.0, "manifest": "", "scratch": "shop_drill_b1", "kept": True, "seconds": {}, "rto": 1.0, "compared": ()})
GOOD = Scene(system="7", live=True, copy_=True)


def found(scene: Scene = GOOD, *, drilled: Drilled | None = DRILLED, **facts: Any) -> list[str]:
    backup = Backup(folder="", manifest=Manifest.read(FACTS | facts), drilled=drilled)
    return refusals(STORE, backup, "shop_drill_b1", scene)


def test_good():
    """A verified backup of this database and server, whose copy nobody uses, may take the place."""
    assert found() == []
    assert found(Scene(system="7", live=True, copy_=False, making=True)) == []


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"database": "other"}, "backup B1 is of database 'other'"),
        ({"system": "8"}, "backup B1 is from system 8, and db:5432 is system 7: name the server it was made on"),
        ({"drilled": None}, "backup B1 has never been restored and compared: drill it first"),
        (
            {"scene": GOOD.model_copy(update={"live": False})},
            "database 'shop' is not there: make it empty, so that the copy knows its encoding and owner, then again",
        ),
        (
            {"scene": GOOD.model_copy(update={"prepared": ("two",)})},
            "database 'shop' holds the prepared transaction 'two', which keeps it where it is: commit or roll it back",
        ),
        ({"scene": GOOD.model_copy(update={"copy_": False})}, "the copy 'shop_drill_b1' is gone: restore backup B1 into a new one"),
        (
            {"scene": GOOD.model_copy(update={"busy": ("pid 1 ('psql' of ann)",)})},
            "the copy 'shop_drill_b1' is in use by pid 1 ('psql' of ann): end that, it may be changing it",
        ),
    ],
)
def test_wrong(wrong: dict[str, Any], why: str):
    """Each reason is told alone when it is alone."""
    assert found(**wrong) == [why]


def test_all():
    """All reasons are told at once."""
    assert len(found(Scene(system="9", live=False, copy_=False), drilled=None)) == 4
