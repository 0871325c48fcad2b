"""Databases that go back to a backup, in a real server."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from sluice.core.backup.manifest import Backup, scratch
from sluice.core.errors import BackupFailed, Refused, RestoreFailed
from sluice.core.restore.loss import UNCOUNTED
from sluice.core.restore.order import Order
from sluice.core.store import Store
from sluice.systems import recover_undo as undo
from sluice.systems import recover_way
from sluice.systems.drill import drill
from sluice.systems.lock import held, maintained
from sluice.systems.outlook import outlook
from sluice.systems.recover import asides, back, from_backup, mend
from sluice.systems.recover_way import Way, ready
from sluice.systems.restore_table import begin, find, prepare, refused, there
from tests.fixtures.store import connect, databases
from tests.test_systems_aside import inbox, live, wired  # noqa: F401, fixtures
from tests.test_systems_drill import backed

pytestmark = pytest.mark.embedded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def saved(store: Store, folder: Path) -> Backup:
    """Return a verified backup whose copy is kept."""
    return proved(store, folder)


def proved(store: Store, folder: Path, **more: object) -> Backup:
    one = backed(store, folder, **more)
    return one.model_copy(update={"drilled": drill(store, one)})


def order(backup: Backup, nonce: str = "n1") -> Order:
    return Order(nonce=nonce, backup=backup.id, release="1.0-a")


def one(store: Store, query: str) -> Any:
    with connect(store) as connection:
        return connection.execute(query.encode()).fetchone()[0]  # type: ignore[index]


def spoil(store: Store) -> None:
    """Do what a bad release does: new rows, lost rows, changed rows, a table more."""
    with connect(store) as connection:
        connection.execute("delete from orders where id <= 100; insert into orders (note) select 'bad' from generate_series(1, 220)")
        connection.execute("update orders set note = 'bad'; create table more (id int); insert into more values (1)")


def quiet(_: str) -> None:
    """Log nothing."""


def test_kept_copy(store: Store, saved: Backup):
    """The kept copy takes the place within moments; what is lost is counted before; the old one is kept, closed, and can come back."""
    spoil(store)
    said: list[str] = []
    done = from_backup(store, saved, order(saved), log=said.append)
    assert said[1:] == [
        "table public.more: is lost with its 1 rows, it was not there then",
        "table public.orders: at least 120 rows are lost, 5120 now and 5000 then",
        UNCOUNTED,
        "sequence public.orders_id_seq: goes back from 5220 to 5000, numbers in between are given out again",
    ]
    assert re.fullmatch(rf"'{store.dbname}' goes back to \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC, backup {saved.id}", said[0])
    assert done.lines[:-1] == tuple(said)
    assert re.fullmatch(
        rf"'{store.dbname}_drill_\w+' is '{store.dbname}' now; nobody could write for \d\.\d\d s; the old one is kept as "
        rf"'{done.aside}', closed: drop database \"{done.aside}\" when nobody needs it",
        done.lines[-1],
    )
    assert 0 < done.seconds < 2
    assert one(store, "select count(*) from orders where note <> 'bad'") == 5000
    assert one(store, "insert into orders (note) values ('new') returning id") == 5001
    (old,) = asides(store)
    assert (old.name, old.database, old.backup) == (done.aside, store.dbname, saved.id)
    assert abs(old.since - time.time()) < 60
    assert old.size > 1_000_000
    with pytest.raises(psycopg.OperationalError, match="is not currently accepting connections"):
        connect(store.at(old.name))
    assert scratch(store.dbname, saved.id) not in databases(store)


def test_once(store: Store, saved: Backup):
    """An order that is done is not done again, whatever asks for it; its nonce is good for no other."""
    done = from_backup(store, saved, order(saved), log=quiet)
    one(store, "insert into orders (note) values ('since') returning id")
    again = from_backup(store, saved, order(saved))
    assert again.again
    assert (again.aside, again.seconds) == (done.aside, pytest.approx(done.seconds, abs=0.1))
    assert one(store, "select count(*) from orders where note = 'since'") == 1
    wanted = f"the nonce 'n1' was used to restore '{saved.id}' in '{store.dbname}': take a word not used before"
    with pytest.raises(Refused, match=f"^{re.escape(wanted)}$"):
        from_backup(store, saved, Order(nonce="n1", backup="other"))


def test_back(store: Store, saved: Backup):
    """A restore can be taken back, and that too; what was written in between is counted, and kept."""
    spoil(store)
    first = from_backup(store, saved, order(saved), log=quiet)
    one(store, "insert into orders (note) values ('since') returning id")
    said: list[str] = []
    second = back(store, Order(nonce="n2", backup=""), log=said.append)
    assert said == [
        f"'{store.dbname}' is again what was put aside as '{first.aside}'",
        "table public.orders: at least 1 rows are lost, 5001 now and 5000 then",
        UNCOUNTED,
    ]
    assert one(store, "select count(*) from orders where note = 'bad'") == 5120
    (kept,) = asides(store)
    assert kept.name == second.aside
    assert back(store, Order(nonce="n2", backup=""), log=quiet).again
    said.clear()
    third = back(store, Order(nonce="n3", backup=kept.name), log=said.append)
    assert said[1:] == ["what is lost cannot be counted: nobody knows how many rows there were when it took the place"]
    assert one(store, "select count(*) from orders where note = 'since'") == 1
    assert [aside.name for aside in asides(store)] == [third.aside]
    with pytest.raises(Refused, match=rf"^'gone' was not put aside of '{store.dbname}', there is {third.aside}$"):
        back(store, Order(nonce="n4", backup="gone"))


def test_nothing_aside(store: Store):
    """Without a restore there is nothing to take back."""
    assert asides(store) == []
    with pytest.raises(Refused, match=rf"^nothing was put aside of '{store.dbname}', there is none$"):
        back(store, Order(nonce="n", backup=""))


def test_from_backup(store: Store, folder: Path, saved: Backup):
    """Without a copy the backup is restored into a new one, with all checks of a drill, and takes the place in the same way."""
    drop(store, saved)
    spoil(store)
    done = from_backup(store, saved, order(saved), jobs=2, checks={"full": "select count(*) = 5000 from orders"}, log=quiet)
    assert one(store, "select count(*) from orders where note <> 'bad'") == 5000
    assert [aside.name for aside in asides(store)] == [done.aside]
    assert one(store, "select reltuples from pg_class where relname = 'orders'") == 5000  # its queries find good ways at once


def drop(store: Store, saved: Backup) -> None:
    with connect(store.at("postgres")) as connection:
        connection.execute(f"drop database {scratch(store.dbname, saved.id)}")


def test_backup_takes_copy(store: Store, saved: Backup):
    """A kept copy that is what the backup holds is not restored a second time."""
    before = one(store.at("postgres"), f"select oid from pg_database where datname = '{scratch(store.dbname, saved.id)}'")
    from_backup(store, saved, order(saved), checks={"never asked": "select false"}, log=quiet)
    assert one(store.at("postgres"), f"select oid from pg_database where datname = '{store.dbname}'") == before


def test_backup_fails(store: Store, saved: Backup):
    """A backup that does not hold changes nothing: the old database serves, takes writes, and no half copy is left."""
    drop(store, saved)
    before = databases(store)
    said: list[str] = []
    with pytest.raises(BackupFailed, match=r"did not hold\n  - check 'wrong': found False$"):
        from_backup(store, saved, order(saved), refuse=True, checks={"wrong": "select false"}, log=said.append)
    assert [said[0], said[-1]] == [f"writes to '{store.dbname}' are refused", f"'{store.dbname}' takes writes again"]
    assert databases(store) == before
    assert one(store, "insert into orders (note) values ('on') returning id") == 5001
    # The same order may be tried again.
    from_backup(store, saved, order(saved), log=quiet)
    assert one(store, "select count(*) from orders") == 5000


def test_sessions_of_meanwhile(store: Store, saved: Backup):
    """A session that has begun while writes were refused is ended when that is taken back: a pool would keep it, and never write again."""
    drop(store, saved)
    pooled: list[psycopg.Connection[Any]] = []

    def look(line: str) -> None:
        if line.endswith("are refused"):
            pooled.append(connect(store))

    with pytest.raises(BackupFailed):
        from_backup(store, saved, order(saved), refuse=True, checks={"wrong": "select false"}, log=look)
    with pytest.raises(psycopg.errors.AdminShutdown):
        pooled[0].execute("insert into orders (note) values ('on')")


def test_not_mine_to_end(plain: Store, store: Store):
    """A role that may not end the sessions of others says so, and takes writes again all the same."""
    with maintained(store, "test") as beside:
        prepare(beside)
        beside.execute("grant all on public.sluice_restore to guest")
        row = begin(beside, plain.dbname, Order(nonce="n1", backup="b"), "copy", made=False)
        refused(beside, row, refused=True, before=None)
        beside.execute(f"alter database {plain.dbname} set default_transaction_read_only = on")
        said: list[str] = []
        with connect(store):
            mend(plain, log=said.append)
        beside.execute("revoke all on public.sluice_restore from guest")
    assert said[0].startswith(f"sessions of '{plain.dbname}' that have begun meanwhile refuse writes until they are ended: permission den")
    assert said[1:] == [f"'{plain.dbname}' takes writes again"]
    assert one(plain, "show default_transaction_read_only") == "off"


def test_refused_again(store: Store, saved: Backup):
    """An order that is taken up where its undoing was cut short refuses writes once more."""
    with held(store, "restore") as lock:
        way = Way(store, saved, order(saved), refuse=True, log=quiet)
        row, _ = ready(lock, way, recover_way.begin(lock, way, made=False))
        undo.put(lock.connection, store.dbname, "default_transaction_read_only", None)
        said: list[str] = []
        ready(lock, replace(way, log=said.append), row)
    assert said[0] == f"writes to '{store.dbname}' are refused"
    mend(store, log=quiet)


def test_refused_writes(store: Store, saved: Backup):
    """For corruption nobody writes from the start, sessions that were there included; the setting is as it was afterwards."""
    with connect(store.at("postgres")) as connection:
        connection.execute(f"alter database {store.dbname} set default_transaction_read_only = off")
    drop(store, saved)
    writer, seen = connect(store), []

    def look(line: str) -> None:
        if line.endswith("are refused"):
            with pytest.raises(psycopg.OperationalError, match="terminating connection"):
                writer.execute("insert into orders (note) values ('old session')")
            with connect(store) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("insert into orders (note) values ('new session')")
            seen.append(one(store, "select count(*) from orders"))

    done = from_backup(store, saved, order(saved), refuse=True, log=look)
    assert seen == [5000]
    settings = "select array_agg(setconfig) from pg_db_role_setting s join pg_database d on d.oid = setdatabase where datname = '{}'"
    for name in (store.dbname, done.aside):
        assert one(store.at("postgres"), settings.format(name)) == [["default_transaction_read_only=off"]]
    assert one(store, "insert into orders (note) values ('on') returning id") == 5001


def test_own_setting(store: Store, saved: Backup):
    """A role whose own setting lets it write is told."""
    with connect(store.at("postgres")) as connection:
        connection.execute(f"alter role guest in database {store.dbname} set default_transaction_read_only = off")
    said: list[str] = []
    from_backup(store, saved, order(saved), refuse=True, log=said.append)
    assert said[1] == "role 'guest' has a setting of its own for that, and may write"


def test_opened(wired: Store, live: Store, folder: Path):  # noqa: F811
    """What was put aside in the copy is back when it takes the place: triggers, foreign tables, and no trace of the drill."""
    saved = proved(wired, folder)
    from_backup(wired, saved, order(saved), log=quiet)
    with connect(wired) as connection:
        connection.execute("insert into orders (note) values ('trigger')")
        connection.execute("insert into inbox values ('foreign')")
        assert connection.execute("select to_regnamespace('sluice_aside'), current_setting('session_replication_role')").fetchone() == (
            None,
            "origin",
        )
    assert inbox(live) == ["foreign", "trigger"]


def test_cut_off_again(wired: Store, live: Store, folder: Path):  # noqa: F811
    """A copy that was opened and did not take the place is cut off again."""
    saved = proved(wired, folder)
    with stubborn(wired), pytest.raises(RestoreFailed):
        from_backup(wired, saved, order(saved), limit=0.3, log=quiet)
    with connect(wired.at(scratch(wired.dbname, saved.id))) as connection:
        connection.execute("insert into orders (note) values ('quiet')")
        with pytest.raises(psycopg.Error, match=r'^foreign-data wrapper "postgres_fdw" has no handler'):
            connection.execute("insert into inbox values ('foreign')")
    assert inbox(live) == []


@contextmanager
def stubborn(store: Store) -> Iterator[int]:
    """Keep a session that cannot be ended for as long as the block: its process is stopped."""
    with connect(store) as connection:
        process = psutil.Process(connection.info.backend_pid)
        process.suspend()
        try:
            yield process.pid
        finally:
            process.resume()


def test_late(store: Store, saved: Backup):
    """A session that does not end in time stops the swap: nothing is changed, the old one serves on, and the order may be tried again."""
    with stubborn(store) as pid:
        before = databases(store)
        with pytest.raises(RestoreFailed) as caught:
            from_backup(store, saved, order(saved), limit=0.3, log=quiet)
        copy = scratch(store.dbname, saved.id)
        assert str(caught.value) == (
            f"the sessions of '{store.dbname}' and '{copy}' did not end within 0.3 s: pid {pid} ('client backend' of owner); nothing was "
            f"swapped, '{store.dbname}' serves on: end them, then again"
        )
        assert databases(store) == before
        assert one(store, "insert into orders (note) values ('on') returning id") == 5001
    assert from_backup(store, saved, order(saved), log=quiet).seconds < 2


def test_edited(store: Store, saved: Backup):
    """A copy that somebody has written to does not take the place, and the difference is told."""
    copy = store.at(scratch(store.dbname, saved.id))
    one(copy, "insert into orders (note) values ('edited') returning id")
    with pytest.raises(Refused) as caught:
        from_backup(store, saved, order(saved), log=quiet)
    connect_as = f"-h {store.host} -p {store.port} -U {store.user} -d postgres"
    drop = f"PGPASSFILE={store.passfile} {store.tools}/psql {connect_as} -c 'drop database \"{copy.dbname}\"'"
    assert str(caught.value) == (
        f"'{store.dbname}' is not restored, nothing was touched:\n"
        f"  - the copy '{copy.dbname}' is not what backup {saved.id} holds, from which it is made anew once it is gone: {drop}\n"
        "  - table public.orders: 5001 rows in the copy, 5000 in the manifest\n"
        "  - sequence public.orders_id_seq: 5001 in the copy, 5000 in the manifest"
    )
    assert one(copy, "select count(*) from orders") == 5001
    assert asides(store) == []


def test_in_use(store: Store, saved: Backup):
    """A copy that somebody looks at is left alone."""
    copy = store.at(scratch(store.dbname, saved.id))
    with connect(copy) as connection:
        pid = connection.info.backend_pid
        wanted = f"the copy '{copy.dbname}' is in use by pid {pid} ('client backend' of owner): end that, it may be changing it"
        with pytest.raises(Refused, match=re.escape(wanted)):
            from_backup(store, saved, order(saved), log=quiet)
        assert connection.execute("select count(*) from orders").fetchone() == (5000,)


def test_belongs(store: Store, saved: Backup):
    """What belongs to the name goes to the new one: settings, also of roles and of lists, grants, owner, comment, limit."""
    with connect(store.at("postgres")) as connection:
        for statement in (
            f"alter database {store.dbname} set search_path to \"$user\", public, 'Odd, Name', ''",
            f"alter database {store.dbname} set statement_timeout = '61s'",
            f"alter database {store.dbname} set app.tenant = 'it''s, one'",
            f"alter role guest in database {store.dbname} set work_mem = '5MB'",
            f"revoke all on database {store.dbname} from public",
            f"grant connect on database {store.dbname} to guest with grant option",
            f"alter database {store.dbname} connection limit 17",
            f"comment on database {store.dbname} is 'ours; not yours'",
        ):
            connection.execute(statement.encode())
        query = """select array(select unnest(datacl)::text order by 1), datconnlimit, shobj_description(d.oid, 'pg_database'),
                array(select r.setrole::regrole::text || one from pg_db_role_setting r cross join unnest(r.setconfig) one
                    where setdatabase = d.oid order by 1)
            from pg_database d where datname = %s"""
        before = connection.execute(query, [store.dbname]).fetchone()
        from_backup(store, saved, order(saved), log=quiet)
        assert connection.execute(query, [store.dbname]).fetchone() == before
    assert one(store, "select current_setting('app.tenant')") == "it's, one"


def test_strays(store: Store, saved: Backup):
    """Subscriptions know their database by more than its name: they are told."""
    with connect(store) as connection:
        connection.execute("create subscription news connection 'dbname=none' publication p with (connect = false, slot_name = none)")
    wanted = "subscription news stays with the old database, whose workers cannot connect any more: make it anew"
    assert wanted in outlook(store, saved)
    with connect(store) as connection:
        connection.execute("drop subscription news")


def test_under_load(store: Store, saved: Backup):
    """Writers that come back at once see no error but that they were ended, and miss less than two seconds."""
    over, gaps, errors = threading.Event(), [0.0], set[str]()

    def write() -> None:
        last = time.monotonic()
        while not over.is_set():
            try:
                with connect(store) as connection:
                    while not over.is_set():
                        connection.execute("insert into orders (note) values ('load')")
                        gaps.append(time.monotonic() - last)
                        last = time.monotonic()
            except psycopg.Error as error:
                errors.add(type(error).__name__)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        done = from_backup(store, saved, order(saved), log=quiet)
        time.sleep(0.3)
    finally:
        over.set()
        for writer in writers:
            writer.join()
    assert done.seconds < 2
    assert max(gaps) < 3
    assert errors <= {"AdminShutdown", "OperationalError"}
    assert one(store, "select count(*) from orders where note = 'load'") > 0


def test_lock(store: Store, saved: Backup):
    """A restore waits for the database's lock like every other step."""
    with held(store, "expand"), pytest.raises(Refused, match=r"^restore of \S+ waited 0 s for its lock, held by 'sluice expand' "):
        from_backup(store, saved, order(saved), wait=0)
    mend(store)
    with maintained(store, "test") as connection:
        assert not there(connection) or find(connection, store.dbname, "none") is None
