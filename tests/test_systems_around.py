"""What a database has around it, carried over to the copy that takes its place."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from sluice.core.backup.around import Around
from sluice.core.store import Store
from sluice.systems.around import around, settle
from sluice.systems.aside import open_copy
from sluice.systems.drill import drill
from tests.fixtures.store import connect
from tests.test_systems_drill import backed

pytestmark = pytest.mark.embedded


def test_around(store: Store, tmp_path: Path):
    """A copy that is opened has the settings, the rights and the limit of the live database; until then only its owner gets in."""
    name = store.dbname
    with connect(store) as connection:
        connection.execute(
            f"alter database {name} set search_path to public, \"Far off\"; alter role guest in database {name} set app.key to 'k=1'"
        )
        connection.execute(f"revoke all on database {name} from public; grant connect on database {name} to guest with grant option")
        connection.execute(f"alter database {name} connection limit 7; alter database {name} set session_replication_role to local")
    copy = store.at(drill(store, backed(store, tmp_path / "b")).scratch)
    with connect(store.at("postgres")) as connection:
        assert around(connection, copy.dbname).limit == -1
        assert open_copy(copy) == []
        assert around(connection, copy.dbname) == around(connection, name)
        assert len(around(connection, name).settings) == 3


def test_usual(store: Store, tmp_path: Path):
    """The server's own rights come back too: everybody may connect to an opened copy, as to any database."""
    copy = store.at(drill(store, backed(store, tmp_path / "b")).scratch)
    guest = copy.model_copy(update={"user": "guest"})
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(guest)
    open_copy(copy)
    connect(guest).close()


def test_not_taken_over(store: Store):
    """A setting that the server refuses is a sentence without its value, and stops no other."""
    found = Around(settings=(("", "work_mem", "hunter2"), ("", "app.word", "b")))
    with connect(store) as connection:
        (why,) = settle(connection, store.dbname, found)
        assert around(connection, store.dbname).settings == (("", "app.word", "b"),)
    assert why == f"setting work_mem of '{store.dbname}' was not taken over: InvalidParameterValue"


def test_gone(store: Store):
    """A database that is not there has nothing around it."""
    with connect(store) as connection:
        assert around(connection, "gone") == Around()
