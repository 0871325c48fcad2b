"""What stands in the way of a backup and its drill, told before either."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.core.errors import Refused
from sluice.core.store import Store
from sluice.systems.lock import held
from tests.fixtures.postgres import Postgres
from tests.fixtures.store import connect, named
from tests.test_hooks_backup import props, run

pytestmark = pytest.mark.embedded


def test_unable(postgres: Postgres, store: Store, tmp_path: Path):
    """What a drill needs, or what a dump would leave out, is told before anything is dumped."""
    with connect(store) as connection:
        connection.execute("grant pg_read_all_data to guest; grant all on schema public to guest; create schema sluice_aside")
        connection.execute("alter table orders enable row level security; create policy own on orders using (id = 1)")
    with held(store, "test"):
        pass
    try:
        with pytest.raises(Refused) as error:
            run(props(named(postgres, store.dbname, user="guest"), tmp_path))
    finally:
        with connect(store) as connection:
            connection.execute("revoke pg_read_all_data from guest")
    name = store.dbname
    assert str(error.value).splitlines() == [
        "r1 does not begin, no database was touched:",
        f"  - {name}: table public.orders has row-level security, and 'guest' would save only some rows: alter role guest bypassrls",
        f"  - {name}: has a schema 'sluice_aside', which is what a drill's copy has: rename the schema; "
        "a copy that was swapped in is opened by sluice.systems.aside.open_copy",
        f"  - {name}: 'guest' may not make the database that a backup is restored into: alter role guest createdb",
        f"  - {name}: 'guest' cannot make a copy that 'owner' owns: grant owner to guest",
    ]
    assert not (tmp_path / "backups").exists()
