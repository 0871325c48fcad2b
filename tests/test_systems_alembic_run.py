"""Revisions of an Alembic tree in a real database: up, down, and what is left when one does not go through."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sluice.core.database import Database
from sluice.core.errors import MigrationFailed, Refused, Superseded
from sluice.core.migration.alembic import Alembic
from sluice.core.store import Store
from sluice.systems import alembic_run, migrations, scheme
from sluice.systems.lock import held
from sluice.systems.migration_session import where
from tests.fixtures.alembic import ENV, GONE, ITEMS, ORDERS, add, tree, two
from tests.fixtures.store import connect

pytestmark = pytest.mark.embedded


def sql(store: Store, query: str) -> list[Any]:
    with connect(store) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def rows(store: Store) -> list[Any]:
    return sql(store, "select id, state, doing from sluice_history.migration order by begun_at")


def version(store: Store) -> list[Any]:
    return [id for (id,) in sql(store, "select version_num from alembic_version order by 1")]


def columns(store: Store) -> list[str]:
    return [
        name
        for (name,) in sql(
            store, "select column_name from information_schema.columns where table_name = 'orders' order by ordinal_position"
        )
    ]


def go(store: Store, spec: Alembic, target: str, phase: Any = "expand", log: Any = lambda line: None, **more: Any) -> list[str]:
    found = scheme.of(Database(store=store, alembic=spec, target=target))
    return found.run(found.plan(target=target, phase=phase, **more), check=lambda: None, release="r1", log=log)


def failed(store: Store, spec: Alembic, target: str, **more: Any) -> str:
    with pytest.raises(MigrationFailed) as error:
        go(store, spec, target, **more)
    return str(error.value)


def test_up_and_down(store: Store, tmp_path: Path):
    """Revisions run in order, each with its row of Alembic's own table and of the history; settle goes back the same way."""
    spec = two(tmp_path)
    assert go(store, spec, "bb2") == ["aa1_step_aa1", "bb2_step_bb2"]
    assert (version(store), rows(store)) == (["bb2"], [("aa1", "applied", 0), ("bb2", "applied", 0)])
    assert go(store, spec, "bb2") == []
    assert go(store, spec, "", "settle") == ["bb2_step_bb2", "aa1_step_aa1"]
    assert (version(store), rows(store), columns(store)) == ([], [], ["id", "note"])


def test_a_database_that_alembic_has_brought_up(store: Store, tmp_path: Path):
    """A database that never had a history is where Alembic's own table says, and goes on and back from there."""
    sql(store, "create table alembic_version (version_num varchar(32) primary key); insert into alembic_version values ('aa1')")
    sql(store, "alter table orders add column total int")
    spec = two(tmp_path)
    assert go(store, spec, "bb2") == ["bb2_step_bb2"]
    assert go(store, spec, "", "settle") == ["bb2_step_bb2", "aa1_step_aa1"]
    assert (version(store), rows(store), columns(store)) == ([], [], ["id", "note"])


def test_taken_back_by_hand(store: Store, tmp_path: Path):
    """What somebody has taken back without telling the history runs again."""
    spec = two(tmp_path)
    go(store, spec, "bb2")
    sql(store, "drop table items; update alembic_version set version_num = 'aa1'")
    assert go(store, spec, "bb2") == ["bb2_step_bb2"]
    assert rows(store)[-1] == ("bb2", "applied", 0)


def test_an_older_checkout(store: Store, tmp_path: Path):
    """A checkout that lacks the newer revisions knows them from the history, and goes back by the SQL that was kept there."""
    spec = two(tmp_path)
    add(spec, "cc3", "bb2", ('op.create_table("more", sa.Column("id", sa.Integer()))', 'op.drop_table("more")'))
    go(store, spec, "cc3")
    for name in ("bb2", "cc3"):
        (Path(spec.folder) / "versions" / f"{name}.py").unlink()
    found = scheme.of(Database(store=store, alembic=spec, target="aa1"))
    assert [one.name for one in found.ahead("aa1")] == ["bb2_step_bb2", "cc3_step_cc3"]
    assert go(store, spec, "aa1", compatible=True) == []
    assert go(store, spec, "aa1", "settle") == ["cc3_step_cc3", "bb2_step_bb2"]
    assert (version(store), rows(store)) == (["aa1"], [("aa1", "applied", 0)])
    assert sql(store, "select to_regclass('items'), to_regclass('more')") == [(None, None)]


def test_back_to_the_base_without_files(store: Store, tmp_path: Path):
    """The first revision, too, goes back by what was kept: Alembic's own table is empty then."""
    spec = two(tmp_path)
    go(store, spec, "aa1")
    for path in (tmp_path / "versions").glob("*.py"):
        path.unlink()
    add(spec, "zz9", None, ITEMS)
    assert go(store, spec, "", "settle") == ["aa1_step_aa1"]
    assert (version(store), columns(store)) == ([], ["id", "note"])


def test_contract(store: Store, tmp_path: Path):
    """A revision that says that it is a contract waits for settle, one that the program names so too."""
    spec = two(tmp_path, contract=["dd4"])
    add(spec, "cc3", "bb2", GONE, head='sluice_phase = "contract"')
    add(spec, "dd4", "cc3", ('op.drop_table("items")', "pass"))
    assert go(store, spec, "dd4") == ["aa1_step_aa1", "bb2_step_bb2"]
    assert go(store, spec, "dd4", "settle") == ["cc3_step_cc3", "dd4_step_dd4"]
    found = scheme.of(Database(store=store, alembic=spec, target="bb2"))
    assert [(one.id, one.phase, one.way) for one in found.ahead("bb2")] == [
        ("cc3", "contract", "reversible"),
        ("dd4", "contract", "restore-only"),
    ]


def test_fails(store: Store, tmp_path: Path):
    """A revision that fails leaves nothing, and the error says which statement, where in its file, and why; the rest does not run."""
    spec = two(tmp_path)
    wrong = 'op.execute("create table c (id int)")\nop.execute("insert into c select 1 / 0")'
    add(spec, "cc3", "bb2", (wrong, 'op.drop_table("c")'))
    said = failed(store, spec, "cc3")
    assert said == (
        "migration 'cc3_step_cc3' failed at statement 2 (line 10 of cc3.py, 'insert into c select 1 / 0'): division by zero; "
        "the database is unchanged by it: mend the file or the data, then `pulumi up`"
    )
    assert (version(store), rows(store)[-1]) == (["bb2"], ("cc3", "failed", 0))
    assert sql(store, "select to_regclass('c')") == [(None,)]
    add(spec, "cc3", "bb2", ('op.execute("create table c (id int)")', 'op.drop_table("c")'))
    assert go(store, spec, "cc3") == ["cc3_step_cc3"]


def test_its_own_python_fails(store: Store, tmp_path: Path):
    """An error that is no database's is told with its line, and leaves nothing either."""
    spec = two(tmp_path)
    add(spec, "cc3", "bb2", ('op.get_bind().execute(sa.text("create table c (id int)"))\nraise ValueError("no such tenant")', "pass"))
    assert "(line 10 of cc3.py, 'create table c (id int)'): ValueError: no such tenant; the database is unchanged" in failed(
        store, spec, "cc3"
    )
    assert sql(store, "select to_regclass('c')") == [(None,)]


CONCURRENTLY = """
with op.get_context().autocommit_block():
    op.execute("create index concurrently a on orders (note)")
    op.execute("create unique index concurrently b on orders ((length(note)))")
"""


def test_commits_by_itself(store: Store, tmp_path: Path):
    """One that commits by itself says what stays when it fails, and is not run again before somebody has looked."""
    spec = two(tmp_path)
    path = add(spec, "cc3", "bb2", (CONCURRENTLY, 'op.drop_index("a", "orders")'))
    said = failed(store, spec, "cc3")
    assert said.startswith(
        "migration 'cc3_step_cc3' failed at statement 2 (line 12 of cc3.py, 'create unique index concurrently b on orders ("
    )
    assert said.endswith(
        """could not create unique index "b"; it commits by itself, and what came before stays: the next `pulumi up` says what to look at"""
    )
    assert rows(store)[-1] == ("cc3", "failed", 2)
    with pytest.raises(Refused, match="commits by itself, and was interrupted on its way after statement 1; the last that it sent: create"):
        go(store, spec, "cc3")
    sql(store, "drop index a; drop index b")
    sql(store, "update sluice_history.migration set doing = 0 where id = 'cc3'")
    path.write_text(path.read_text().replace("create unique", "create"))
    assert go(store, spec, "cc3") == ["cc3_step_cc3"]
    assert (version(store), rows(store)[-1]) == (["cc3"], ("cc3", "applied", 0))


def test_locked(store: Store, tmp_path: Path):
    """A lock that does not come is tried again, with who holds it in the log, and others never wait behind it for longer."""
    spec = two(tmp_path, lock_timeout=0.2)
    log: list[str] = []
    with connect(store) as reader:

        def told(line: str) -> None:
            log.append(line)
            if "tries again" in line:
                reader.execute("commit")

        reader.execute("begin; select from orders limit 1")
        assert go(store, spec, "aa1", log=told) == ["aa1_step_aa1"]
    assert len(log) == 2
    assert re.search(r"canceling statement due to lock timeout, behind pid \d+ \(.*'begin; select from orders.*'\); tries again", log[1])
    assert rows(store) == [("aa1", "applied", 0)]


def test_locked_for_good(store: Store, tmp_path: Path):
    """After its budget it gives up, leaves nothing, and says whom to wait for."""
    spec = two(tmp_path, lock_timeout=0.1)
    with connect(store) as reader:
        reader.execute("begin; select from orders limit 1")
        said = failed(store, spec, "aa1")
    assert re.search(r"canceling statement due to lock timeout 5 times, behind pid \d+", said)
    assert "pg_terminate_backend" in said
    assert columns(store) == ["id", "note"]


def test_too_long(store: Store, tmp_path: Path):
    """A statement that takes too long is cancelled, and is not tried again."""
    spec = tree(tmp_path, statement_timeout=0.3)
    add(spec, "aa1", None, ('op.execute("select pg_sleep(5)")', "pass"))
    assert "canceling statement due to statement timeout" in failed(store, spec, "aa1")


def test_no_ddl_while_a_dump_runs(store: Store, tmp_path: Path):
    """A revision does not begin while somebody dumps the database."""
    spec = two(tmp_path)
    with psycopg.connect(**store.of, application_name="pg_dump") as dump:
        dump.execute("select 1")
        found = scheme.of(Database(store=store, alembic=spec, target="aa1"))
        way = found.plan(target="aa1", phase="expand")
        with pytest.raises(MigrationFailed, match="dumps this database, still after 0 s"):
            found.run(way, check=lambda: None, budget=0.0, log=lambda line: None)
    assert columns(store) == ["id", "note"]


def test_lost_lock(store: Store, tmp_path: Path):
    """A deployer that has lost the lock does not commit: it is asked right before the end."""
    spec = tree(tmp_path)
    add(spec, "aa1", None, ("\n".join(f'op.execute("create table t{n} (id int)")' for n in range(3)), "pass"))
    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 6:
            raise Superseded("the lock is another's")

    found = scheme.of(Database(store=store, alembic=spec, target="aa1"))
    with pytest.raises(Superseded, match="the lock is another's"):
        found.run(found.plan(target="aa1", phase="expand"), check=check, log=lambda line: None)
    assert len(asked) == 6
    assert sql(store, "select to_regclass('t0')") == [(None,)]


def test_planned_for_another_history(store: Store, tmp_path: Path):
    """A plan that another deployer has overtaken is not followed."""
    spec = two(tmp_path)
    found = scheme.of(Database(store=store, alembic=spec, target="bb2"))
    old = found.plan(target="bb2", phase="expand")
    go(store, spec, "aa1")
    with held(store, "migration", wait=5.0) as lock, pytest.raises(Superseded, match="its migrations have changed since they were planned"):
        found.run(old, check=lock.check, log=lambda line: None)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ("create role sluice_tried", "changes the server, not this database"),
        ("create extension dblink", "makes the extension dblink, which could not be seen before"),
    ],
)
def test_what_could_not_be_seen_before(store: Store, tmp_path: Path, sent: str, why: str):
    """A statement of a revision that cannot be rendered is judged when it comes: what a rehearsal would do for real is refused."""
    spec = tree(tmp_path)
    add(spec, "aa1", None, (f'names = op.get_bind().execute(sa.text("select 1")).scalar()\nop.execute("{sent}")', "pass"))
    assert why in failed(store, spec, "aa1")
    assert sql(store, "select 1 from pg_roles where rolname = 'sluice_tried'") == []


def test_merged_branches(store: Store, tmp_path: Path):
    """Branches that a later revision joins are run, and a database between them goes on."""
    spec = two(tmp_path)
    add(spec, "cc3", "aa1", ('op.create_table("more", sa.Column("id", sa.Integer()))', 'op.drop_table("more")'))
    with pytest.raises(Refused, match=r"has 2 heads, 'bb2' and 'cc3': join them with `alembic merge`"):
        go(store, spec, "bb2")
    add(spec, "dd4", ("bb2", "cc3"), ("pass", "pass"))
    assert go(store, spec, "bb2") == ["aa1_step_aa1", "bb2_step_bb2"]
    assert sorted(go(store, spec, "dd4")) == ["cc3_step_cc3", "dd4_step_dd4"]
    assert version(store) == ["dd4"]
    assert len(go(store, spec, "", "settle")) == 4


def test_drift(store: Store, tmp_path: Path):
    """Where env.py has models they are compared with the database; where it has none nobody can say."""
    assert alembic_run.drift(two(tmp_path / "without"), store) == []
    models = (
        "import sqlalchemy as sa\nmeta = sa.MetaData()\nsa.Table('orders', meta, sa.Column('id', sa.Integer), sa.Column('due', sa.Date))\n"
    )
    env = models + (tmp_path / "without" / "env.py").read_text().replace(
        "target_metadata=None", "target_metadata=meta, include_schemas=True"
    )
    spec = tree(tmp_path / "with", env)
    add(spec, "aa1", None, ORDERS)
    migrations.prepare(store)
    found = alembic_run.drift(spec, store)
    assert not any("migration" in line for line in found)
    assert "add_column orders due" in found
    assert any(line.startswith("remove_column orders note") for line in found)


def test_a_comparison_that_hangs(store: Store, tmp_path: Path):
    """What `env.py` has said about comparing may not hold up a deployer for ever."""
    hangs = ENV.replace("target_metadata=None", "target_metadata=sa.MetaData(), include_name=lambda *_: time.sleep(600)")
    spec = tree(tmp_path, f"import sqlalchemy as sa, time\n{hangs}")
    add(spec, "aa1", None, ORDERS)
    with pytest.raises(MigrationFailed) as error:
        alembic_run.drift(spec, store, within=1.0)
    assert str(error.value) == f"the models of '{tmp_path}' cannot be compared with {where(store)}: nothing came within 1 s"


def test_a_table_of_alembic_that_waits(store: Store, tmp_path: Path):
    """Alembic's own table is made within the time that a lock may take: somebody else may be making it, and stop there."""
    spec = two(tmp_path)
    migrations.prepare(store)
    with connect(store) as other:
        other.execute("begin; create table alembic_version (version_num varchar(32) primary key)")
        with pytest.raises(MigrationFailed, match=r"Alembic's own table cannot be made in database .*lock timeout"):
            alembic_run.ready(spec, store)


def online(spec: Alembic, id: str, down: str | None, code: str) -> None:
    """Add a revision that makes the table c, and then does something on a live database alone."""
    then = "\n".join(f"    {line}" for line in code.splitlines())
    add(spec, id, down, (f"op.execute('create table c (id int)')\nif not op.get_context().as_sql:\n{then}", "op.drop_table('c')"))


RAW = "op.get_bind().connection.dbapi_connection"
UNSEEN = {
    "commit": f"{RAW}.commit()\nop.execute('select 1 / 0')",
    "cursor": f"{RAW}.cursor().execute('commit')\nop.execute('select 1 / 0')",
    "its own error": f"{RAW}.commit()\nraise ValueError('no')",
    "ends well": f"{RAW}.commit()",
    "takes back": f"{RAW}.rollback()\nop.execute('create table d (id int)')",
    "dies": f"{RAW}.commit()\nimport os\nos.kill(os.getpid(), 9)",
}


@pytest.mark.parametrize("how", UNSEEN)
def test_commits_unseen(store: Store, tmp_path: Path, how: str):
    """A revision that ends its transaction by a way that nobody sees is never called unchanged, nor done, and does not run twice."""
    spec = two(tmp_path)
    go(store, spec, "bb2")
    online(spec, "cc3", "bb2", UNSEEN[how])
    said = failed(store, spec, "cc3")
    assert "unchanged" not in said, said
    assert version(store) == ["bb2"]
    assert sql(store, "select to_regclass('c') is null, to_regclass('d') is null") == [(how == "takes back", True)]
    with pytest.raises(Refused, match="commits by itself, and was interrupted on its way"):
        go(store, spec, "cc3")


SENDS = {
    "cursor": f"{RAW}.cursor().execute('create role sluice_tried')",
    "bytes": f"{RAW}.cursor().execute(b'create role sluice_tried')",
    "connection": f"{RAW}.execute('create role sluice_tried')",
    "parts": f"from psycopg import sql\n{RAW}.execute(sql.SQL('create role {{}}').format(sql.Identifier('sluice_tried')))",
    "behind another": f"{RAW}.cursor().execute('show server_version; create role sluice_tried')",
    "many": f"{RAW}.cursor().executemany('create role sluice_tried', [()])",
    "copy": f"with {RAW}.cursor().copy(\"copy (select 'x') to program 'true'\") as copy:\n    copy.read()",
}


@pytest.mark.parametrize("how", SENDS)
def test_past_sqlalchemy(store: Store, tmp_path: Path, how: str):
    """A statement that a revision sends by the driver itself is judged like any other."""
    spec = tree(tmp_path)
    online(spec, "aa1", None, SENDS[how])
    said = failed(store, spec, "aa1")
    assert "changes the server, not this database" in said
    assert "the database is unchanged by it" in said
    assert sql(store, "select to_regclass('c'), (select count(*) from pg_roles where rolname = 'sluice_tried')") == [(None, 0)]


@pytest.mark.parametrize("sent", ["op.execute('create role sluice_tried')", SENDS["cursor"]])
def test_catches_even_that(store: Store, tmp_path: Path, sent: str):
    """A revision that catches everything is stopped all the same: what was refused is not left out, with the rest applied."""
    spec = tree(tmp_path)
    wild = (
        f"op.get_bind().execute(sa.text('select 1')).scalar()\ntry:\n    {sent}\nexcept:\n    pass\nop.execute('create table c (id int)')"
    )
    add(spec, "aa1", None, (wild, "pass"))
    said = failed(store, spec, "aa1")
    assert "changes the server, not this database" in said
    assert "the database is unchanged by it" in said
    assert rows(store) == [("aa1", "failed", 0)]
    assert sql(store, "select to_regclass('c'), (select count(*) from pg_roles where rolname = 'sluice_tried')") == [(None, 0)]


def test_rows_past_sqlalchemy(store: Store, tmp_path: Path):
    """Rows that a revision loads by the driver itself arrive."""
    load = f"with {RAW}.cursor().copy('copy items from stdin') as copy:\n    copy.write_row((7,))"
    online = "\n".join(f"    {line}" for line in load.splitlines())
    spec = tree(tmp_path)
    add(spec, "aa1", None, (f"{ITEMS[0]}\nif not op.get_context().as_sql:\n{online}", ITEMS[1]))
    assert go(store, spec, "aa1") == ["aa1_step_aa1"]
    assert sql(store, "select id from items") == [(7,)]


@pytest.mark.parametrize("wait", ["input('sure? ')", "import time\ntime.sleep(600)"])
def test_says_nothing(store: Store, tmp_path: Path, wait: str):
    """A revision that waits for a person has none, and one that waits for nothing is ended; neither leaves anything."""
    spec = two(tmp_path, statement_timeout=2.0)
    online = "\n".join(f"    {line}" for line in wait.splitlines())
    add(spec, "cc3", "bb2", (f"op.execute('create table c (id int)')\nif not op.get_context().as_sql:\n{online}", "op.drop_table('c')"))
    said = failed(store, spec, "cc3")
    assert ("EOFError" if "input" in wait else "its Python sent no statement for 2 s, and was ended") in said
    assert "the database is unchanged by it" in said
    assert (version(store), rows(store)[-1]) == (["bb2"], ("cc3", "failed", 0))
    assert sql(store, "select to_regclass('c')") == [(None,)]


def test_a_lost_lock_ends_what_says_nothing(store: Store, tmp_path: Path):
    """A deployer that loses its lock does not wait for a revision that never asks."""
    spec = tree(tmp_path)
    slow = "if not op.get_context().as_sql:\n    import time\n    time.sleep(600)"
    add(spec, "aa1", None, (f"op.execute('create table t0 (id int)')\n{slow}", "op.execute('drop table t0')"))
    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 5:
            raise Superseded("the lock is another's")

    found = scheme.of(Database(store=store, alembic=spec, target="aa1"))
    with pytest.raises(Superseded, match="the lock is another's"):
        found.run(found.plan(target="aa1", phase="expand"), check=check, log=lambda line: None)
    assert sql(store, "select count(*) from pg_stat_activity where application_name = 'sluice migration aa1'") == [(0,)]
    assert sql(store, "select to_regclass('t0')") == [(None,)]


def test_an_older_checkout_of_branches(store: Store, tmp_path: Path):
    """The kept way back of a branch leaves Alembic's table with one row for each head, as Alembic would."""
    spec = two(tmp_path)
    pair = ("op.execute('select 1')", "op.execute('select 2')")
    paths = [add(spec, "cc3", "bb2", pair), add(spec, "dd4", "bb2", pair)]
    paths += [add(spec, "oo1", None, pair, head='depends_on = ("aa1",)'), add(spec, "mm9", ("cc3", "dd4", "oo1"), pair)]
    go(store, spec, "cc3+dd4+oo1")
    assert version(store) == ["cc3", "dd4", "oo1"]
    for path in paths:
        path.unlink()
    assert set(go(store, spec, "bb2", "settle")) == {"cc3_step_cc3", "dd4_step_dd4", "oo1_step_oo1"}
    assert (version(store), len(rows(store))) == (["bb2"], 2)
    assert go(store, spec, "", "settle") == ["bb2_step_bb2", "aa1_step_aa1"]


@pytest.mark.parametrize("value", ["false", "state", "acme"])
def test_an_inherited_value_changes_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str):
    """A secret that is also a word of statements or answers changes neither; a way back that holds it is not kept, and that is said."""
    monkeypatch.setenv("TENANT", value)
    spec = two(tmp_path, inherit=["TENANT"])
    down = f"op.execute(\"update orders set note = 'old' where note = '{value}'\")"
    path = add(spec, "cc3", "bb2", (f"op.execute(\"update orders set note = '{value}' where id = 1\")", down))
    assert go(store, spec, "cc3") == ["aa1_step_aa1", "bb2_step_bb2", "cc3_step_cc3"]
    assert sql(store, "select note from orders where id = 1") == [(value,)]
    ((up, kept),) = sql(store, "select up, down from sluice_history.migration where id = 'cc3'")
    assert (value in up, kept) == (False, "")
    path.unlink()
    with pytest.raises(Refused, match="its way back was not kept as SQL"):
        go(store, spec, "bb2", "settle")
    add(spec, "cc3", "bb2", (f"raise ValueError('{value}')", "op.execute('select 1')"))
    assert go(store, spec, "cc3") == []
