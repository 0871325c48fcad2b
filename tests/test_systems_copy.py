"""Databases made beside others."""

from __future__ import annotations

import re

import pytest

from sluice.core.errors import BackupFailed
from sluice.core.store import Store
from sluice.systems import lock
from sluice.systems.copy import clear, create, drop
from tests.fixtures.store import connect, databases, orphaned

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
    with lock.maintained(bare, "test") as connection:
        connection.execute(f"create database {odd} template template0 {kind}")
        create(connection, odd, copy)
        assert connection.execute(KIND, [copy]).fetchone() == connection.execute(KIND, [odd]).fetchone()
        with connect(bare.at(copy)):
            drop(connection, copy)
        assert copy not in databases(bare)
        drop(connection, copy)


def test_taken(bare: Store):
    """A name that is taken is refused, and a database that is gone is no model."""
    with lock.maintained(bare, "test") as connection:
        wanted = f"database '{bare.dbname}' exists already, and nothing is restored over it: drop it when nobody needs it"
        with pytest.raises(BackupFailed, match=f"^{re.escape(wanted)}$"):
            create(connection, bare.dbname, bare.dbname)
        with pytest.raises(BackupFailed, match=r"^database 'nowhere' is gone: nothing to compare a copy with$"):
            create(connection, "nowhere", f"{bare.dbname}_copy")


def test_clear(bare: Store):
    """What a killed deployer has left at work on a copy is ended, and nobody else: not who works on another one, nor a team's session."""
    copy, other = f"{bare.dbname}_copy", f"{bare.dbname}_other"
    with lock.maintained(bare, "drill") as connection, connect(bare) as team:
        create(connection, bare.dbname, other)
        team.execute(f"begin; select '{copy}, {other}'".encode())
        with orphaned(bare, "drill", copy) as pid, lock.connect(bare.at(other), "restore") as left:
            assert clear(connection, copy) == [f"ended sluice drill (pid {pid}) at '{copy}', which a dead deployer had left"]
            left.execute("select")
        assert copy not in databases(bare)
        for step in ("restore", "repair"):
            with lock.connect(bare.at(other), step) as left:
                pid = left.info.backend_pid
                assert clear(connection, copy, other) == [f"ended sluice {step} (pid {pid}) at '{other}', which a dead deployer had left"]
        team.execute("commit")
