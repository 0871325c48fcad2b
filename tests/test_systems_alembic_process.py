"""The team's code in a process of its own: it reaches the database that it is given, and no other, whatever its settings say."""

from __future__ import annotations

import platform
import subprocess
import sys
import venv
from pathlib import Path
from urllib.parse import quote

import pytest

from sluice.core.database import Database
from sluice.core.errors import ConfigError, MigrationFailed
from sluice.core.migration.alembic import Alembic
from sluice.core.store import Store
from sluice.systems import alembic_tree, scheme
from sluice.systems.alembic_tree import read
from tests.fixtures.alembic import ENV, ITEMS, add, tree, two
from tests.fixtures.postgres import BIN
from tests.fixtures.store import connect
from tests.test_systems_alembic_run import go, sql

embedded = pytest.mark.embedded


def password(store: Store) -> str:
    return Path(store.passfile).read_text().strip().rpartition(":")[2]


def url(store: Store, driver: str = "+psycopg") -> str:
    """Name the live database with all that is needed to reach it, as a team's settings would."""
    return (
        f"postgresql{driver}://{store.user}:{quote(password(store), safe='')}@{store.host}:{store.port}/{store.dbname}?client_encoding=utf8"
    )


def naive(store: Store) -> str:
    """Take the live database's address from the settings, and migrate it, as most do."""
    return ENV.replace("else:\n", f"else:\n    context.config.set_main_option('sqlalchemy.url', {url(store).replace('%', '%%')!r})\n")


def live(place: Store) -> tuple[object, ...]:
    return tuple(sql(place, "select to_regclass('items'), to_regclass('alembic_version'), to_regclass('hostile')")[0])


@pytest.fixture
def copy(store: Store) -> Store:
    """Make a copy of the live database, as a rehearsal does."""
    name = f"{store.dbname}_trial"
    with connect(store.at("postgres")) as connection:
        connection.execute(f'create database "{name}" template "{store.dbname}"'.encode())
    return store.at(name)


@embedded
def test_a_naive_env_would_migrate_live(store: Store, tmp_path: Path):
    """Run by Alembic itself, such a tree does migrate the live database, whatever it was meant for: that is what is at stake."""
    spec = tree(tmp_path, naive(store))
    add(spec, "aa1", None, ITEMS)
    ini = tmp_path / "alembic.ini"
    ini.write_text(f"[alembic]\nscript_location = {tmp_path}\n")
    subprocess.run([sys.executable, "-m", "alembic", "-c", str(ini), "upgrade", "head"], check=True, capture_output=True)
    assert live(store) != (None, None, None)


@embedded
def test_a_naive_env(store: Store, copy: Store, tmp_path: Path):
    """The same tree, run here on a copy, changes the copy alone."""
    spec = tree(tmp_path, naive(store))
    add(spec, "aa1", None, ITEMS)
    assert go(copy, spec, "aa1") == ["aa1_step_aa1"]
    assert live(copy)[0] == "items"
    assert live(store) == (None, None, None)


ENGINE = """
from sqlalchemy import create_engine, text
with create_engine({url!r}).begin() as c:
    c.execute(text('create table hostile (id int)'))
"""
DRIVER = "import psycopg\nwith psycopg.connect({plain!r}) as c:\n    c.execute('create table hostile (id int)')\n"
CLASS = "import psycopg\nwith psycopg.Connection.connect({plain!r}) as c:\n    c.execute('create table hostile (id int)')\n"
LATER = "import asyncio, psycopg\nasync def go():\n    await psycopg.AsyncConnection.connect({plain!r})\nasyncio.run(go())\n"
LOW = "import psycopg\npsycopg.pq.PGconn.connect({plain!r}.encode()).exec_(b'create table hostile (id int)')\n"
WAIT = """
import psycopg
from psycopg import generators, waiting
waiting.wait_conn(generators.connect({plain!r})).exec_(b'create table hostile (id int)')
"""
PSQL = "import subprocess\nsubprocess.run([{psql!r}, '-c', 'create table hostile (id int)', {plain!r}], check=True)\n"
SHELL = "import os\nassert os.system({shell!r}) == 0\n"
SOCKET = "import socket\nsocket.create_connection(({host!r}, {port}))\n"
FAST = "import socket\nsocket.socket().sendmsg([b'x'], [], socket.MSG_FASTOPEN, ({host!r}, {port}))\n"
WAYS = {
    "engine": ENGINE,
    "driver": DRIVER,
    "class": CLASS,
    "async": LATER,
    "libpq": LOW,
    "generator": WAIT,
    "psql": PSQL,
    "shell": SHELL,
    "socket": SOCKET,
    "fast open": FAST,
}


# What asks no interpreter is stopped by the kernel, which says less.
IN_C = ("libpq", "generator")
CLOSED = "a migration works on the connection it is given (`op.get_bind()`) and opens no other, nor starts programs"
# Without Linux nothing stops those.
TRIED = [way for way in WAYS if way not in IN_C or (sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64"))]


def hostile(way: str, store: Store) -> str:
    plain, psql = url(store, ""), str(BIN / "psql")
    shell = f"{psql} -c 'create table hostile (id int)' '{plain}'"
    return WAYS[way].format(url=url(store), plain=plain, psql=psql, shell=shell, host=store.host, port=store.port)


@embedded
@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("async", "socket", "fast open")])
def test_these_ways_are_real(store: Store, way: str):
    """Each of these ways reaches the live database where nothing closes it, or the next test would show nothing."""
    subprocess.run([sys.executable, "-c", hostile(way, store)], check=True, capture_output=True)
    assert live(store)[2] == "hostile"


@embedded
@pytest.mark.parametrize("way", TRIED)
def test_a_hostile_env(store: Store, copy: Store, tmp_path: Path, way: str):
    """An env.py that opens a connection of its own, by whatever way, is stopped; nothing is written, and its password is not told."""
    spec = tree(tmp_path, hostile(way, store) + ENV)
    add(spec, "aa1", None, ITEMS)
    with pytest.raises(ConfigError) as error:
        go(copy, spec, "aa1")
    assert way in IN_C or CLOSED in str(error.value)
    assert password(store) not in str(error.value)
    assert live(store) == live(copy) == (None, None, None)


@embedded
@pytest.mark.parametrize("way", TRIED)
def test_a_hostile_revision(store: Store, copy: Store, tmp_path: Path, way: str):
    """A revision that does so is stopped too, in a rehearsal as on the live database."""
    spec = tree(tmp_path)
    code = f"if op.get_bind() is not None:\n    exec({hostile(way, store)!r}, {{}})"
    add(spec, "aa1", None, (code, "pass"))
    for place in (copy, store):
        with pytest.raises(MigrationFailed) as error:
            go(place, spec, "aa1")
        assert way in IN_C or CLOSED in str(error.value)
        assert password(store) not in str(error.value)
    assert [live(place)[2] for place in (store, copy)] == [None, None]


@embedded
def test_a_second_connection_of_its_own(copy: Store, tmp_path: Path):
    """What a second connection would do is outside of the revision's transaction, and is refused."""
    spec = tree(tmp_path)
    add(spec, "aa1", None, ("with op.get_bind().engine.connect() as c:\n    c.execute(sa.text('select 1'))", "pass"))
    with pytest.raises(MigrationFailed, match="QueuePool limit"):
        go(copy, spec, "aa1")


# Loading.


def why(spec: Alembic) -> str:
    with pytest.raises(ConfigError) as error:
        read(spec)
    (problem,) = error.value.problems
    return problem.removeprefix(f"the Alembic tree '{spec.folder}' cannot be loaded: ")


def test_what_cannot_be_loaded(tmp_path: Path):
    """What is wrong with a tree is one line with its place."""

    def of(env: str) -> str:
        return why(tree(tmp_path, env))

    assert of("import os\nos.environ['SHOP_URL']") == "line 2 of env.py: KeyError: 'SHOP_URL'"
    assert of("import shop_models") == "line 1 of env.py: ModuleNotFoundError: No module named 'shop_models'"
    assert of("x = 1") == "Wrong: env.py calls context.configure() 0 times in offline mode, and must do so once"
    assert of("from alembic import context\ncontext.configure(object())").startswith("line 2 of env.py: Wrong: env.py gives")
    statement = "from alembic import context\ncontext.configure(url='x')\ncontext.execute('create schema a')"
    assert of(statement) == (
        "line 3 of env.py: Wrong: env.py runs statements by context.execute(), which nobody records: put them into a revision"
    )
    assert "SyntaxError" in of("def")
    assert why(Alembic(folder=str(tmp_path / "gone"))) == (
        f"'{tmp_path / 'gone'}' has neither env.py nor alembic.ini: name the folder of an Alembic tree"
    )
    assert why(Alembic(folder=str(tmp_path), ini="no.ini")).startswith("'no.ini' is not there")
    assert why(tree(tmp_path, python="/no/python")).startswith("'/no/python' cannot be started (No such file or directory)")
    assert why(tree(tmp_path, inherit=["SLUICE_NO"])).endswith("export SLUICE_NO=...")


def test_a_broken_revision(tmp_path: Path):
    """A revision that cannot be read, or says what nobody knows, is told with its file."""
    spec = two(tmp_path)
    path = add(spec, "cc3", "bb2", head='sluice_phase = "later"\nsluice_way = "lossy"\nsluice_loses = "delete from a"')
    with pytest.raises(ConfigError) as error:
        read(spec)
    assert error.value.problems == [
        f"{path}: sluice_phase is 'later', none of expand, contract",
        f"{path}: what going back loses: 'delete from a' is not one SELECT",
    ]
    path.write_text("x = ")
    assert "SyntaxError" in why(spec)
    path.unlink()
    assert why(spec.model_copy(update={"contract": ("zz9",)})) == f"'{tmp_path}' has no revision 'zz9', which `contract` names"


def test_environment_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The team's code gets the folders and the variables that the team names, and nothing else of the deployer's environment."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "shop_settings.py").write_text("import os\nSEEN = sorted(os.environ)\n")
    monkeypatch.setenv("SHOP_TOKEN", "hush-hush")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "hush")
    check = "import os, shop_settings\nassert not [n for n in shop_settings.SEEN if n.startswith(('PULUMI', 'PG', 'PYTHON'))]\n"
    check += "assert os.environ['SHOP_MODE'] == 'migration'\nraise SystemError('token ' + os.environ['SHOP_TOKEN'])\n"
    spec = tree(tmp_path / "tree", check, path=[str(tmp_path / "lib")], environment={"SHOP_MODE": "migration"}, inherit=["SHOP_TOKEN"])
    assert why(spec) == "line 4 of env.py: SystemError: token ***"


def test_a_password_in_a_url(tmp_path: Path):
    """A URL's password is never part of an error."""
    env = "raise ValueError('cannot reach postgresql://shop:hush-hush@db/shop')"
    assert why(tree(tmp_path, env)) == "line 1 of env.py: ValueError: cannot reach postgresql://shop:***@db/shop"


def test_data_beside_a_revision(tmp_path: Path):
    """Statements that a revision reads from a file are its own: another text there is another revision."""
    spec = tree(tmp_path)
    add(spec, "aa1", None, ("from pathlib import Path\nop.execute((Path(__file__).parent / 'up.sql').read_text())", "pass"))
    text = tmp_path / "versions" / "up.sql"
    text.write_text("create table a (id int)")
    (first,) = read(spec).revisions
    text.write_text("create table b (id int)")
    (second,) = read(spec).revisions
    assert "create table b" in second.migration.up
    assert {Path(file).name for file in first.migration.files} == {"env.py", "aa1.py", "up.sql"}
    assert first.migration.files != second.migration.files


def test_the_same_files_each_time(tmp_path: Path):
    """What ties a tree is the same whether its code was compiled before or not, also of a module that cannot be imported."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "shop_cache.py").write_text("raise ImportError('not here')\n")
    env = "try:\n    import shop_cache\nexcept ImportError:\n    pass\n"
    spec = tree(tmp_path / "tree", env + ENV, path=[str(tmp_path / "lib")])
    add(spec, "aa1", None)
    found = []
    for _ in range(2):
        alembic_tree.SEEN.clear()
        found.append(read(spec).revisions[0].migration.files)
    assert found[0] == found[1]
    assert {Path(file).name for file in found[0]} == {"env.py", "aa1.py", "shop_cache.py"}


def test_a_file_that_is_open(tmp_path: Path):
    """What an editor leaves beside a file that somebody has open, a link to nowhere, is none of the tree's."""
    spec = tree(tmp_path / "tree")
    path = add(spec, "aa1", None)
    path.with_name(f".#{path.name}").symlink_to("ada@laptop.4711:1764270000")
    assert [one.id for one in read(spec).revisions] == ["aa1"]


def test_prints(tmp_path: Path):
    """What the team's code prints is not taken for an answer."""
    spec = tree(tmp_path, "print('{}')\nimport os\nos.write(1, b'hello')\n" + ENV)
    add(spec, "aa1", None)
    assert [one.id for one in read(spec).revisions] == ["aa1"]


def test_ends(tmp_path: Path):
    """A tree whose code ends the interpreter is told with what it said last."""
    env = "import os, sys\nprint('no licence', file=sys.stderr, flush=True)\nos._exit(3)"
    assert why(tree(tmp_path, env)) == "no licence"


def test_without_env(tmp_path: Path):
    """A tree whose env.py has no offline mode is read without it."""
    spec = tree(tmp_path, "raise RuntimeError('only online')", env=False, version_table="shop_version", version_schema="shop")
    add(spec, "aa1", None)
    found = read(spec)
    assert (found.table, found.schema_, found.models) == ("shop_version", "shop", False)


def test_an_ini(tmp_path: Path):
    """A folder with an ini is a tree wherever the ini says that its scripts are."""
    spec = two(tmp_path / "scripts")
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/scripts\nprepend_sys_path = .\n")
    assert read(Alembic(folder=str(tmp_path))).heads == read(spec).heads == ("bb2",)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = scripts\n")
    assert read(Alembic(folder=str(tmp_path))).heads == ("bb2",)


@embedded
def test_a_schema_of_its_own(store: Store, tmp_path: Path):
    """Alembic's own table is where env.py has it, and a search path that the team's connection would set is said beside it."""
    sql(store, "create schema shop")
    env = ENV.replace("target_metadata=None", "version_table='revision', version_table_schema='shop'")
    spec = tree(tmp_path, env, search_path="shop, public")
    add(spec, "aa1", None, ITEMS)
    assert go(store, spec, "aa1") == ["aa1_step_aa1"]
    assert sql(store, "select version_num, to_regclass('shop.items')::text from shop.revision") == [("aa1", "shop.items")]
    assert scheme.of(Database(store=store, alembic=spec)).revision() == "aa1"


def test_another_python(tmp_path: Path):
    """The team's Python need not have Sluice, nor be the deploying one; one without Alembic says what it lacks."""
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    spec = two(tmp_path / "tree", python=str(python))
    assert why(spec) == "ModuleNotFoundError: No module named 'alembic'"
    read(two(tmp_path / "tree", python=str(python), path=[path for path in sys.path if path.endswith("site-packages")]))
