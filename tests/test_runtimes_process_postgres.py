"""A real PostgreSQL server."""

import os
import signal
import stat

import psycopg
import pytest

from sluice.core.errors import RuntimeFailed
from sluice.runtimes.process import server as module
from sluice.runtimes.process.postgres import PostgresProvider
from sluice.runtimes.process.server import Server, closed
from sluice.systems import process
from tests.fixtures.front import wait

pytestmark = pytest.mark.embedded
provider = PostgresProvider()


@pytest.fixture
def props(folder):
    props = {"name": "main", "root": str(folder.root), "databases": ["shop"], "connections": 20.0, "keep": True}
    yield props
    provider.delete("main", {**props, "keep": False})
    assert not folder.server("main").exists()


def ask(outs, sql, database="shop"):
    """Ask as a service would: the password is found by libpq."""
    where = {"host": outs["host"], "port": outs["port"], "user": outs["user"], "passfile": outs["passfile"]}
    with psycopg.connect(dbname=database, **where) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def test_life(folder, props):
    """The server is made, found by its outputs, repaired when it was killed, and its data outlives a delete."""
    outs = provider.create(props).outs
    ask(outs, "create table t as select 7 as n")
    assert ask(outs, "select setting from pg_settings where name in ('max_connections', 'listen_addresses') order by name") == [
        ("127.0.0.1",),
        ("20",),
    ]
    assert not provider.diff("main", outs, props).changes

    postmaster = process.owner(folder.server("main") / "data" / "postmaster.pid")
    os.kill(postmaster, signal.SIGKILL)
    wait(lambda: process.started(postmaster) is None)
    assert provider.diff("main", outs, props).changes
    assert provider.update("main", outs, props).outs == outs
    assert ask(outs, "select n from t") == [(7,)]

    more = {**props, "databases": ["shop", "users"], "connections": 21.0}
    assert provider.diff("main", outs, more).changes
    outs = provider.update("main", outs, more).outs
    assert ask(outs, "show max_connections", "users") == [("21",)]

    provider.delete("main", outs)
    provider.delete("main", outs)
    assert not Server(folder, "main").alive()
    assert ask(provider.create(props).outs, "select n from t") == [(7,)]


def test_password(folder, props):
    """Nobody comes in without the password, which is in one file for the stack's user alone."""
    outs = provider.create(props).outs
    password = folder.passfile("main").read_text().strip().rpartition(":")[2]
    assert len(password) == 48
    assert stat.S_IMODE(folder.passfile("main").stat().st_mode) == 0o600
    assert password not in str(outs)
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host=outs["host"], port=outs["port"], user=outs["user"], dbname="shop", passfile="/nowhere")
    texts = [path.read_bytes() for path in folder.root.rglob("*") if path.is_file() and path != folder.passfile("main")]
    assert not any(password.encode() in text for text in texts)


def test_server_reaches_itself(folder, props):
    """What runs inside the server reaches its other databases without a password, over a socket that nobody else can enter."""
    outs = provider.create({**props, "databases": ["postgres", "shop"]}).outs
    sockets = Server(folder, "main").sockets
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    where = f"host={sockets} port={outs['port']} user={outs['user']} dbname=postgres"
    ask(outs, "create extension dblink")
    assert ask(outs, f"select * from dblink('{where}', 'select current_database()') as one (name text)") == [("postgres",)]
    ask(outs, "create role other login superuser")
    with pytest.raises(psycopg.OperationalError, match="could not establish connection"):
        ask(outs, f"select * from dblink('{where.replace(outs['user'], 'other')}', 'select 1') as one (n int)")


def test_older_cluster(folder, props):
    """A cluster made when the server was not let in by itself learns it at its next start, once, and keeps what else is said there."""
    outs = provider.create(props).outs
    files = [folder.server("main") / "data" / name for name in ("pg_hba.conf", "pg_ident.conf")]
    told = [path.read_text() for path in files]
    assert told[0].splitlines()[0] == "local all sluice peer map=server"
    provider.delete("main", outs)
    for path, text in zip(files, told, strict=True):
        path.write_text(text.partition("\n")[2] + "# mine\n")
    for _ in range(2):
        provider.delete("main", provider.create(props).outs)
        assert [path.read_text() for path in files] == [text + "# mine\n" for text in told]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_password_lost(folder, props):
    """Data whose password is gone is not touched, and the error says what to do."""
    provider.delete("main", provider.create(props).outs)
    folder.passfile("main").unlink()
    with pytest.raises(RuntimeFailed) as error:
        provider.create(props)
    data, passfile = folder.server("main") / "data", folder.passfile("main")
    assert str(error.value) == f"'{data}' is there, and its password is not: bring '{passfile}' back, or move the data away"
    assert data.exists()


def test_half(folder, props):
    """A creation that was killed half way is begun again."""
    server = Server(folder, "main")
    server.home.mkdir(parents=True)
    (server.home / "data.new").mkdir()
    (server.home / "data.new" / "PG_VERSION").write_text("18")
    assert ask(provider.create(props).outs, "select 1") == [(1,)]
    assert not (server.home / "data.new").exists()


def test_bad_name(folder, props):
    """A database name that needs quotes is refused; the server is stopped again, and data is kept."""
    with pytest.raises(ValueError, match=r"^'Shop' is no name of a database"):
        provider.create({**props, "databases": ["Shop"]})
    assert not Server(folder, "main").alive()


def test_broken(folder, props):
    """A server that cannot start says what it logged last."""
    outs = provider.create(props).outs
    provider.delete("main", outs)
    data = folder.server("main") / "data"
    with (data / "postgresql.conf").open("a") as conf:
        conf.write("colour = blue\n")
    with pytest.raises(RuntimeFailed, match=r'^could not start PostgreSQL on port \d+ in .* unrecognized configuration parameter "colour"'):
        provider.create(props)


@pytest.mark.skipif(os.geteuid() != 0, reason="this run is not as root, and only root must become somebody else")
def test_unreachable(folder, props, monkeypatch):
    """Root is told when the user that PostgreSQL runs as cannot enter the stack's folder."""
    folder.root.parent.chmod(0o700)
    with pytest.raises(RuntimeFailed) as error:
        provider.create(props)
    why = f"PostgreSQL runs as 'nobody' here, who cannot enter '{folder.root.parent}'"
    assert str(error.value) == f"{why}: set SLUICE_HOME to a folder that anybody may pass through, such as '/var/lib/sluice'"


@pytest.mark.skipif(os.geteuid() != 0, reason="this run is not as root, and only root must become somebody else")
def test_tools_copied(folder, props, monkeypatch):
    """When the programs are in a place that is closed to others, a copy of them is run."""
    cache = folder.root.parent / "cache"
    monkeypatch.setattr(module, "CACHE", cache)
    monkeypatch.setattr(module, "closed", lambda path: path if "site-packages" in str(path) else closed(path))
    assert ask(provider.create(props).outs, "select 1") == [(1,)]
    assert module.tools().startswith(str(cache / "postgres-18."))
