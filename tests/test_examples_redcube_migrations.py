"""redcube's migrations on a server like a stack's own, with both generations of its services before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from examples.redcube.stack import watch
from sluice.core.reading import Number
from sluice.core.version import Version
from sluice.systems import http
from tests.fixtures.redcube import EXAMPLE, Redcube

pytestmark = pytest.mark.embedded

SYNC = "migrations/redcube_users/0001_user_sync.sql"
COUNTRY = "versions/1.4.0/redcube_users/0004_country.sql"
BEGIN = "versions/1.7.0/redcube_users/0007_session_begin.sql"
ONE = "versions/1.8.0/redcube_users/0008_one_session.sql"
FILES = sorted(EXAMPLE.glob("migrations/*/*.sql")) + sorted(EXAMPLE.glob("versions/*/*/*.sql"))
STATUS = "select here, there, difference from v_user_sync_status"
ADD = "insert into users (email, password) values ('{}@example.org', 'x')"
PASSWORD = {"password": "Test123", "confirmPassword": "Test123"}
# What a schema is made of, to compare it before and after.
SHAPE = """
    select 'column', table_name, column_name, data_type, is_nullable, column_default
        from information_schema.columns where table_schema = 'public'
    union all select 'index', tablename, indexname, indexdef, '', '' from pg_indexes where schemaname = 'public'
    union all select 'trigger', tgrelid::regclass::text, tgname, '', '', '' from pg_trigger where not tgisinternal
    union all select 'function', proname, pg_get_functiondef(p.oid), '', '', '' from pg_proc as p
        where pronamespace = 'public'::regnamespace and proname not like 'dblink%'
    order by 1, 2, 3
"""


def down(path: str) -> str:
    return path.replace(".sql", ".down.sql")


def register(redcube: Redcube, name: str) -> int:
    """Register with the user service that runs now."""
    answer = httpx.post(f"{redcube.urls['user']}/api/auth/register", json={"email": f"{name}@example.org", **PASSWORD}, timeout=15)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def mine(redcube: Redcube, query: str) -> list[tuple[Any, ...]]:
    """Ask redcube_users."""
    return redcube.rows(query, "redcube_users")


def both(redcube: Redcube) -> list[tuple[int, str]]:
    """Return the users, who must be the same in both databases."""
    users = mine(redcube, "select id, email from users order by id")
    assert redcube.rows("select id, email from users order by id") == users
    return users


@pytest.fixture
def synced(redcube: Redcube) -> Redcube:
    """Given a server without any table of redcube, and the first migration."""
    assert redcube.migrate(SYNC) == ""
    return redcube


@pytest.fixture
def away(synced: Redcube) -> Iterator[Redcube]:
    """Given that the trigger cannot write to postgres."""
    synced.rows("alter table users rename to elsewhere")
    yield synced
    synced.rows("drop table if exists elsewhere")


def test_first_deployment(synced: Redcube) -> None:
    """The migration comes before the services: it makes what it needs, and their tables are then the same as without it."""
    synced.start("user", "content")
    with_it = [row for row in mine(synced, SHAPE) if row[1] in ("users", "sessions") and row[0] != "trigger"]
    copy = synced.rows(SHAPE)
    for name in ("user", "content"):
        synced.stop(name)
    for database, tables in (("redcube_users", "sessions, users, user_sync_failures"), ("postgres", "analyses, reputation_events, users")):
        synced.rows(f"drop table {tables} cascade", database)
    synced.start("user", "content")
    assert [row for row in mine(synced, SHAPE) if row[1] in ("users", "sessions")] == with_it
    assert synced.rows(SHAPE) == copy


def test_every_version_registers_in_both(redcube: Redcube) -> None:
    """Who registers is in both databases: with 1.0.0 and 1.1.0, before the migration, after it, and after it was taken back."""
    redcube.start("content", version="1.0.0")
    for stage, prepare in enumerate((None, SYNC, down(SYNC))):
        assert prepare is None or redcube.migrate(prepare) == ""
        for version in ("1.0.0", "1.1.0"):
            redcube.start("user", version=version)
            register(redcube, f"ada-{version}-{stage}")
            assert httpx.get(f"{redcube.urls['user']}/sync").json() == {"trigger": stage == 1 and version == "1.1.0", "failures": 0}
            redcube.stop("user")
    assert len(both(redcube)) == 6
    assert not [line for line in redcube.lines("user") if line["level"] == "ERROR"]


def test_migration_under_a_running_service(redcube: Redcube) -> None:
    """A service that serves meanwhile needs no restart: 1.1.0 sees the trigger come and go, and nobody is missing."""
    redcube.start("user", "content", version="1.1.0")
    seen = []
    for number, path in enumerate((SYNC, down(SYNC), SYNC)):
        assert redcube.migrate(path) == ""
        register(redcube, f"ada-{number}")
        seen.append(httpx.get(f"{redcube.urls['user']}/sync").json()["trigger"])
    assert seen == [True, False, True]
    assert len(both(redcube)) == 3


def test_leaving(synced: Redcube) -> None:
    """Who leaves is gone from both databases, with both generations, trigger or not."""
    for version in ("1.0.0", "1.1.0"):
        synced.start("user", "content", version=version)
        register(synced, "ada")
        with httpx.Client(trust_env=False) as client:
            client.post(f"{synced.urls['user']}/api/auth/login", json={"email": "ada@example.org", **PASSWORD})
            assert client.delete(f"{synced.urls['user']}/api/auth/me").status_code == 200
        assert (synced.left(), mine(synced, "select * from user_sync_failures")) == ([], [])
        for name in ("user", "content"):
            synced.stop(name)


def test_trigger(synced: Redcube) -> None:
    """Inserts, changes and deletes arrive; what an older version writes besides changes nothing."""
    mine(synced, ADD.format("ada"))
    synced.rows("insert into users (id, email) values (1, 'ada@example.org') on conflict do nothing")
    assert both(synced) == [(1, "ada@example.org")]
    mine(synced, "update users set email = 'eve@example.org'")
    assert both(synced) == [(1, "eve@example.org")]
    mine(synced, """update users set email = 'o''hara\\"%s@example.org'""")
    assert len(both(synced)) == 1
    synced.rows("delete from users where id = 1")
    mine(synced, "delete from users")
    assert both(synced) == []
    assert mine(synced, "select * from user_sync_failures") == []


def test_missing_users_are_copied(redcube: Redcube) -> None:
    """A second write of 1.0.0 that fails leaves a user missing, which it counts and logs; the migration brings them."""
    redcube.start("user", version="1.0.0")
    redcube.rows("alter table users rename to elsewhere")
    register(redcube, "ada")
    redcube.rows("alter table elsewhere rename to users")
    assert httpx.get(f"{redcube.urls['user']}/sync").json() == {"trigger": False, "failures": 1}
    assert [line["message"].split("\n")[0] for line in redcube.lines("user") if line["level"] == "ERROR"] == [
        'user 1 is missing in the copy: relation "users" does not exist'
    ]
    register(redcube, "bob")
    assert redcube.rows("select email from users") == [("bob@example.org",)]
    assert redcube.migrate(SYNC) == ""
    assert [email for _, email in both(redcube)] == ["ada@example.org", "bob@example.org"]


def test_views(synced: Redcube) -> None:
    """The views tell who is missing, who has another email, and how many there are; an empty table is well."""
    assert (mine(synced, STATUS), mine(synced, "select * from v_user_sync_missing")) == ([(0, 0, 0)], [])
    for name in ("ada", "bob"):
        mine(synced, ADD.format(name))
    assert (mine(synced, STATUS), mine(synced, "select * from v_user_sync_missing")) == ([(2, 2, 0)], [])
    synced.rows("delete from users where id = 1")
    synced.rows("update users set email = 'old' where id = 2")
    assert mine(synced, STATUS) == [(2, 1, 1)]
    assert mine(synced, "select id, email from v_user_sync_missing order by id") == [(1, "ada@example.org"), (2, "bob@example.org")]
    assert mine(synced, "select user_sync_mend()") == [(2,)]
    assert mine(synced, STATUS) == [(2, 2, 0)]


def test_a_failed_copy_fails_nobody(away: Redcube) -> None:
    """Who cannot be copied is registered all the same and written down, and mending copies them and forgets it."""
    mine(away, ADD.format("ada"))
    mine(away, ADD.format("bob"))
    mine(away, "delete from users where id = 2")
    assert mine(away, "select user_id, operation, code, reason from user_sync_failures order by id") == [
        (1, "INSERT", "42P01", 'relation "users" does not exist'),
        (2, "INSERT", "42P01", 'relation "users" does not exist'),
        (2, "DELETE", "42P01", 'relation "users" does not exist'),
    ]
    with pytest.raises(psycopg.errors.UndefinedTable):
        mine(away, "select * from v_user_sync_missing")
    away.rows("alter table elsewhere rename to users")
    away.rows("insert into users (id, email) values (2, 'bob@example.org'), (9, 'not ours')")
    assert mine(away, "select user_sync_mend()") == [(1,)]
    assert away.rows("select id from users order by id") == [(1,), (9,)]
    assert mine(away, "select * from user_sync_failures") == []


def test_failures_are_told(away: Redcube) -> None:
    """The user service tells the trigger's failures, and the stack's own check sees them; before the migration there is nothing to tell."""
    mine(away, ADD.format("ada"))
    away.rows("create table users (id bigint)")
    away.start("user")
    check = watch(Version(service="user-service", version="1.1.0", name="user-service@1.1.0-3f16", url=away.urls["user"]))[1]
    seen = http.ask(check.ask, check.of, 5)
    assert isinstance(seen, Number)
    assert (seen.value, check.limit.holds(seen.value)) == (1, False)
    assert away.migrate(down(SYNC)) == ""
    seen = http.ask(check.ask, check.of, 5)
    assert isinstance(seen, Number)
    assert check.limit.holds(seen.value)


def test_a_locked_copy(synced: Redcube) -> None:
    """A copy that is locked holds a registration up for a second, and no longer."""
    with psycopg.connect(**synced.stores["postgres"]) as connection:
        connection.execute("lock table users")
        mine(synced, ADD.format("ada"))
        assert mine(synced, "select code from user_sync_failures") == [("55P03",)]


def test_a_copy_of_the_database_writes_nowhere(synced: Redcube) -> None:
    """A restored or rehearsed copy, under another name, never reaches the real postgres, neither by its trigger nor by the migration."""
    mine(synced, ADD.format("ada"))
    synced.rows("create database scratch template redcube_users")
    try:
        with psycopg.connect(**{**synced.stores["postgres"], "dbname": "scratch"}, autocommit=True) as scratch:
            scratch.execute("delete from users")
            scratch.execute(ADD.format("bob").encode())
            assert scratch.execute("select user_sync_mend()").fetchall() == [(0,)]
            assert scratch.execute(STATUS.encode()).fetchall() == [(1, None, None)]
            assert scratch.execute("select * from v_user_sync_missing").fetchall() == []
            assert scratch.execute("select * from user_sync_failures").fetchall() == []
        assert [synced.migrate(path, "scratch") for path in (down(SYNC), SYNC)] == ["", ""]
    finally:
        synced.rows("drop database scratch")
    assert synced.rows("select id, email from users") == [(1, "ada@example.org")]


def test_rights(synced: Redcube) -> None:
    """A role that may only write to users is copied too, and can neither send SQL to postgres nor read it."""
    mine(synced, "create role teller")
    try:
        mine(synced, "grant select, insert on users to teller")
        with psycopg.connect(**synced.stores["redcube_users"], autocommit=True) as connection:
            connection.execute("set role teller")
            connection.execute(ADD.format("ada").encode())
            for call in ("user_sync_send('drop table users')", "user_sync_mend()", "user_sync_there()"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"select {call}".encode())
            # The server lets its own user in without a password, but dblink lets nobody use that who is no superuser.
            with pytest.raises(psycopg.Error, match="password or GSSAPI delegated credentials required"):
                connection.execute("select * from dblink(user_sync_server(), 'select 1') as one (n int)")
        assert len(both(synced)) == 1
        assert mine(synced, "select * from user_sync_failures") == []
    finally:
        mine(synced, "drop owned by teller")
        mine(synced, "drop role teller")


def test_down_and_up(redcube: Redcube) -> None:
    """Going back leaves the schema as it was before, and all users in both databases; going forward again works."""
    redcube.start("user", "content", version="1.0.0")
    register(redcube, "ada")
    shape = mine(redcube, SHAPE)
    assert redcube.migrate(SYNC) == ""
    after = mine(redcube, SHAPE)
    assert after != shape
    assert redcube.migrate(down(SYNC)) == ""
    assert mine(redcube, SHAPE) == shape
    register(redcube, "bob")
    assert redcube.migrate(SYNC) == ""
    assert mine(redcube, SHAPE) == after
    assert len(both(redcube)) == 2


def test_writers_wait(redcube: Redcube) -> None:
    """Nobody can register between the look for missing users and the trigger: the migration holds writers off."""
    redcube.start("user", "content", version="1.0.0")
    with psycopg.connect(**redcube.stores["redcube_users"]) as connection:
        connection.execute((EXAMPLE / SYNC).read_bytes())
        with pytest.raises(psycopg.errors.LockNotAvailable):
            mine(redcube, "set lock_timeout = '50ms'; " + ADD.format("ada"))


def test_country_breaks_half_way(synced: Redcube) -> None:
    """1.4.0's migration fails at its second statement, and leaves all as it was; an empty database does not show it."""
    shape = mine(synced, SHAPE)
    assert [synced.migrate(path) for path in (COUNTRY, down(COUNTRY))] == ["", ""]
    mine(synced, ADD.format("ada"))
    assert 'ERROR:  column "country" of relation "users" contains null values\n' in synced.migrate(COUNTRY)
    assert mine(synced, SHAPE) == shape


def test_session_begin_is_lost(synced: Redcube) -> None:
    """1.7.0's migration can be taken back, but not what was in the column; how much that is, its own count says before and after."""
    loses = next(line for line in (EXAMPLE / BEGIN).read_text().splitlines() if line.startswith("-- loses: ")).removeprefix("-- loses: ")
    mine(synced, ADD.format("ada"))
    mine(synced, "insert into sessions (token, user_id) values ('one', 1), ('two', 1)")
    assert mine(synced, loses) == [(2,)]
    assert synced.migrate(BEGIN) == ""
    synced.start("user", version="1.7.0")
    assert mine(synced, loses) == [(2,)]
    assert synced.migrate(down(BEGIN)) == ""
    mine(synced, "insert into sessions (token, user_id) values ('three', 1)")
    assert mine(synced, "select token, created_at is null from sessions order by token") == [("one", True), ("three", False), ("two", True)]


def test_one_session_commits_half(synced: Redcube) -> None:
    """1.8.0's migration leaves a column and an index that is not valid once somebody has two sessions; its way back mends that."""
    shape = mine(synced, SHAPE)
    mine(synced, ADD.format("ada"))
    mine(synced, "insert into sessions (token, user_id) values ('one', 1), ('two', 1)")
    assert 'ERROR:  could not create unique index "sessions_one_user"\n' in synced.migrate(ONE)
    assert mine(synced, "select indisvalid from pg_index where indexrelid = 'sessions_one_user'::regclass") == [(False,)]
    assert mine(synced, "select count(device) from sessions") == [(0,)]
    assert synced.migrate(down(ONE)) == ""
    assert mine(synced, SHAPE) == shape


def test_no_password_anywhere(synced: Redcube, cluster: dict[str, Any]) -> None:
    """No password is in the SQL, in the functions, among the connections that the trigger makes, or in the server's log."""
    password = Path(cluster["passfile"]).read_text().strip().rpartition(":")[2]
    mine(synced, "alter database redcube_users set log_statement = 'all'")
    mine(synced, ADD.format("ada"))
    with psycopg.connect(**synced.stores["redcube_users"], autocommit=True) as connection:
        connection.execute("select dblink_connect('kept', user_sync_server())")
        seen = synced.rows("select * from pg_stat_activity where application_name = 'user_sync'")
        connection.execute("select dblink_disconnect('kept')")
    server = mine(synced, "select user_sync_server()")[0][0]
    assert (len(seen), "dbname=postgres" in server) == (1, True)
    texts = [server, str(seen), str(mine(synced, SHAPE)), cluster["server"].log.read_text(), *(path.read_text() for path in FILES)]
    assert not [text[:80] for text in texts if password in text]
    assert not [path.name for path in FILES if "password=" in path.read_text().replace(" ", "")]


def test_each_version_is_whole() -> None:
    """A version's folder has all migrations up to its own, the common ones the same; each says its phase and its way back."""
    common = {path.name: path.read_bytes() for path in EXAMPLE.glob("migrations/redcube_users/*")}
    for version in ("1.4.0", "1.7.0", "1.8.0"):
        files = {path.name: path.read_bytes() for path in (EXAMPLE / "versions" / version / "redcube_users").iterdir()}
        assert files.items() >= common.items()
        assert len(files) == len(common) + 2
    for path in FILES:
        if ".down." not in path.name:
            assert path.read_text().startswith(("-- phase: expand\n-- way: reversible\n", "-- phase: contract\n-- way: lossy\n"))
            assert path.with_suffix(".down.sql").exists()
