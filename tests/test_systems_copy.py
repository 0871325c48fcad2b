"""Databases made beside others."""

from __future__ import annotations

import re

import pytest

from sluice.core.errors import BackupFailed
from sluice.core.store import Store
from sluice.systems.copy import create, drop
from sluice.systems.lock import maintained
from tests.fixtures.store import connect, databases

pytestmark = pytest.mark.embedded
KIND = "select encoding, datcollate, datctype, datlocprovider, datlocale, daticurules from pg_database where datname = %s"


@pytest.mark.parametrize(
    "kind",
    [
        "encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8' lc_collate 'C' lc_ctype 'C'",
        "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'",
    ],
)
def test_create(bare: Store, kind: str):
    """A copy is of the same kind as what it copies, whatever the server's default, and is dropped with its sessions."""
    odd, copy = f"{bare.dbname}_odd", f"{bare.dbname}_copy"
    with maintained(bare, "test") as connection:
        connection.execute(f"create database {odd} template template0 {kind}")
        create(connection, odd, copy)
        assert connection.execute(KIND, [copy]).fetchone() == connection.execute(KIND, [odd]).fetchone()
        with connect(bare.at(copy)):
            drop(connection, copy)
        assert copy not in databases(bare)
        drop(connection, copy)


def test_taken(bare: Store):
    """A name that is taken is refused, and a database that is gone is no model."""
    with maintained(bare, "test") as connection:
        wanted = f"database '{bare.dbname}' exists already, and nothing is restored over it: drop it when nobody needs it"
        with pytest.raises(BackupFailed, match=f"^{re.escape(wanted)}$"):
            create(connection, bare.dbname, bare.dbname)
        with pytest.raises(BackupFailed, match=r"^database 'nowhere' is gone: nothing to compare a copy with$"):
            create(connection, "nowhere", f"{bare.dbname}_copy")
