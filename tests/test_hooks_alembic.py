"""A release over an Alembic tree: refused, saved, rehearsed, run, and run back, as with SQL files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from sluice.core.database import Database
from sluice.core.errors import MigrationFailed, Refused
from sluice.core.migration.alembic import Alembic
from sluice.core.store import Store
from sluice.hooks.backup import BackupProvider
from sluice.hooks.migration import MigrationProvider
from sluice.systems import schema, scheme, shelf
from sluice.systems.lock import held
from tests.fixtures.alembic import GONE, ITEMS, add, tree, two
from tests.fixtures.mlflow import initial, published
from tests.fixtures.store import connect, databases
from tests.test_systems_alembic_process import naive
from tests.test_systems_alembic_run import columns, sql, version

pytestmark = pytest.mark.embedded


def props(store: Store, spec: Alembic, place: Path, target: str, *, known: bool = True, release: str = "r1") -> dict[str, Any]:
    wanted = Database(store=store, alembic=spec, target=target, known=known).wire()
    rules = {"when": "pending", "format": "custom", "keep": 2, "needed": []}
    return {"release": release, "settled": False, "databases": [wanted], "folder": str(place / "backups"), **rules}


def save(given: dict[str, Any]) -> dict[str, Any]:
    return dict(BackupProvider().create(given).outs or {})


def run(given: dict[str, Any], phase: str, backups: dict[str, str]) -> dict[str, Any]:
    return dict(MigrationProvider().create({**given, "phase": phase, "backups": backups}).outs or {})


def refused(given: dict[str, Any]) -> str:
    """Say why a release does not begin, and see that nothing was saved or changed."""
    with pytest.raises(Refused) as error:
        save(given)
    assert shelf.load(Path(given["folder"])) == []
    return str(error.value)


def test_release(store: Store, tmp_path: Path):
    """A tree is saved, restored and rehearsed up, down and up on a copy; then expand runs, and a contract waits for settle."""
    spec = two(tmp_path / "tree")
    add(spec, "cc3", "bb2", GONE, head='sluice_phase = "contract"')
    given = props(store, spec, tmp_path, "cc3")
    saved = save(given)
    first, expand, settle = saved["lines"]
    assert "restored and compared in" in first
    there = r"rehearsed up in \d+\.\d s, down in \d+\.\d s, and up again in \d+\.\d s"
    assert re.fullmatch(rf"aa1_step_aa1, bb2_step_bb2: {there}", expand)
    assert re.fullmatch(rf"cc3_step_cc3: {there}", settle)
    assert columns(store) == ["id", "note"]
    assert run(given, "expand", saved["backups"])["lines"] == [
        f"{store.dbname}: waits for settle: cc3_step_cc3",
        f"{store.dbname}: aa1_step_aa1",
        f"{store.dbname}: bb2_step_bb2",
    ]
    assert columns(store) == ["id", "note", "total"]
    assert run(given, "settle", saved["backups"])["revisions"] == {store.dbname: "cc3"}
    assert columns(store) == ["id", "note"]
    assert run(given, "expand", saved["backups"])["lines"] == []


def test_ahead(store: Store, tmp_path: Path):
    """A database that is ahead by expand revisions stays, also for a checkout without them; ahead by a contract it is refused."""
    spec = two(tmp_path / "tree")
    path = add(spec, "cc3", "bb2", ('op.drop_table("items")', "pass"), head='sluice_phase = "contract"')
    given = props(store, spec, tmp_path, "bb2")
    saved = save(given)["backups"]
    run(given, "expand", saved)
    older = props(store, spec, tmp_path, "aa1")
    (Path(spec.folder) / "versions" / "bb2.py").rename(tmp_path / "bb2.py")
    path.rename(tmp_path / "cc3.py")
    for phase in ("expand", "settle"):
        outs = run(older, phase, {})
        assert outs["revisions"] == {store.dbname: "bb2"}
        assert "bb2_step_bb2" in outs["lines"][0]
    for name in ("bb2", "cc3"):
        (tmp_path / f"{name}.py").rename(Path(spec.folder) / "versions" / f"{name}.py")
    newer = props(store, spec, tmp_path, "cc3", release="r2")
    run(newer, "settle", save(newer)["backups"])
    path.unlink()
    with pytest.raises(Refused, match="the database has 'cc3_step_cc3', newer than 'bb2', whose record does not say that it runs with it"):
        run(given, "expand", {})


def test_back(store: Store, tmp_path: Path):
    """Back to an older revision goes who is allowed to: contracts before the older code comes, the rest once the newer is gone."""
    spec = two(tmp_path / "tree")
    add(spec, "cc3", "bb2", GONE, head='sluice_phase = "contract"\nsluice_way = "lossy"\nsluice_loses = "select count(*) from orders"')
    given = props(store, spec, tmp_path, "cc3")
    saved = save(given)["backups"]
    for phase in ("expand", "settle"):
        run(given, phase, saved)
    older = props(store, spec, tmp_path, "aa1", release="r2")
    with pytest.raises(Refused, match="runs with 'aa1' does not run with 'cc3_step_cc3'; going back from 'cc3_step_cc3' loses 5000 rows"):
        save(older)
    older["databases"][0] |= {"downgrade": "exact", "lossy": ["cc3"]}
    saved = save(older)
    assert [line.partition(" in ")[0] for line in saved["lines"][1:3]] == ["cc3_step_cc3: rehearsed back", "bb2_step_bb2: rehearsed back"]
    assert run(older, "expand", saved["backups"])["revisions"] == {store.dbname: "bb2"}
    assert columns(store) == ["id", "note", "total"]
    assert run(older, "settle", saved["backups"])["revisions"] == {store.dbname: "aa1"}
    assert version(store) == ["aa1"]


def test_refused_first(store: Store, tmp_path: Path):
    """What is not clear, or never safe, is refused before anything is saved."""
    spec = two(tmp_path / "tree")

    def why(target: str) -> str:
        return refused(props(store, spec, tmp_path, target))

    path = add(spec, "cc3", "aa1", GONE)
    heads = f"'{spec.folder}' has 2 heads, 'bb2' and 'cc3': join them with `alembic merge`, and release what it writes"
    assert why("bb2") == f"r1 does not begin, no database was touched:\n  - {store.dbname}: {heads}"
    path.unlink()
    assert f"revision 'zz9' is neither in '{spec.folder}' nor in the database: check the release" in why("zz9")
    path = add(spec, "cc3", "bb2", ('op.rename_table("orders", "sales")', 'op.rename_table("sales", "orders")'))
    assert "cc3, line 1: 'orders' (" in why("cc3")
    add(spec, "cc3", "bb2", GONE, head='sluice_phase = "contract"')
    add(spec, "dd4", "cc3", ('op.create_table("more", sa.Column("id", sa.Integer()))', 'op.drop_table("more")'))
    assert "'dd4_step_dd4' cannot expand before 'cc3_step_cc3', a contract, which waits until old code is gone: release 'cc3' first" in why(
        "dd4"
    )
    sql(store, "create table alembic_version (version_num varchar(32)); insert into alembic_version values ('yy8')")
    assert f"the database is at revision 'yy8', which is neither in '{spec.folder}' nor in its history" in why("bb2")


def test_two_kinds(store: Store, tmp_path: Path):
    """A database that was brought up by SQL files does not take a tree too."""
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "0001_a.sql").write_text("create table a (id int);")
    files = {**props(store, two(tmp_path / "tree"), tmp_path, "aa1")}
    files["databases"] = [Database(store=store, folder=str(tmp_path / "sql"), target="0001", known=True).wire()]
    run(files, "expand", save(files)["backups"])
    with pytest.raises(Refused, match=r"the database has migrations of SQL files \('0001_a'\): it cannot follow an Alembic tree too"):
        save(props(store, two(tmp_path / "tree"), tmp_path, "aa1"))


def test_fails_in_rehearsal(store: Store, tmp_path: Path):
    """A revision that fails on the data, or whose way back does not lead back, is found on the copy."""
    spec = two(tmp_path / "tree")
    add(spec, "cc3", "bb2", ('op.execute("create unique index one on orders ((length(note)))")', 'op.execute("drop index one")'))
    with pytest.raises(MigrationFailed, match=r"rehearsal of .*'cc3_step_cc3' failed at statement 1.*live database was not touched"):
        save(props(store, spec, tmp_path, "cc3"))
    add(spec, "cc3", "bb2", ('op.execute("create index one on orders (note)")', 'op.execute("select 1")'))
    with pytest.raises(MigrationFailed, match="the way back of aa1_step_aa1, bb2_step_bb2, cc3_step_cc3 does not lead back"):
        save(props(store, spec, tmp_path, "cc3"))
    assert columns(store) == ["id", "note"]
    assert not any("_trial" in name for name in databases(store))


def test_no_way_back(store: Store, tmp_path: Path):
    """What has no way back is rehearsed up only, and says so."""
    spec = two(tmp_path / "tree", restore_only=["bb2"])
    assert "'bb2_step_bb2' is restore-only, so there is no way back to rehearse" in save(props(store, spec, tmp_path, "bb2"))["lines"][1]


def test_a_rehearsal_does_not_reach_live(store: Store, tmp_path: Path):
    """An env.py that takes the live database's address from its own settings is rehearsed on the copy all the same."""
    spec = tree(tmp_path / "tree", naive(store))
    add(spec, "aa1", None, ITEMS)
    given = props(store, spec, tmp_path, "aa1")
    assert "aa1_step_aa1: rehearsed up in" in save(given)["lines"][1]
    assert sql(store, "select to_regclass('items'), to_regclass('alembic_version')") == [(None, None)]


def test_preview(store: Store, tmp_path: Path):
    """Preview says of each pending revision its phase and way, the SQL with locks and sizes, its findings, and what cannot be seen."""
    spec = two(tmp_path / "tree")
    add(spec, "cc3", "bb2", ('op.create_index("note", "orders", ["note"])\nop.get_bind().execute(sa.text("select 1")).scalar()', "pass"))
    # An autovacuum may add a page or two.
    story = [re.sub(r"\d+ kB", "N kB", line) for line in schema.story(Database(store=store, alembic=spec, target="cc3"))]
    limits = "one transaction, lock_timeout 2s, statement_timeout 30m"
    assert story[:7] == [
        f"{store.dbname}: '' -> 'cc3'",
        f"  aa1_step_aa1: expand, reversible, {limits}",
        "    1. ALTER TABLE orders ADD COLUMN total INTEGER: ACCESS EXCLUSIVE on orders (N kB), blocks reads and writes",
        "    up (as it renders):",
        "      ALTER TABLE orders ADD COLUMN total INTEGER;",
        "    way back, reversible:",
        "      ALTER TABLE orders DROP COLUMN total;",
    ]
    assert "      CREATE TABLE items (" in story
    last = story[story.index(f"  cc3_step_cc3: expand, restore-only, {limits}") :]
    assert last[1] == "    1. CREATE INDEX note ON orders (note): SHARE on orders (N kB), blocks writes, reads all of it"
    assert last[3].startswith("    what else it does cannot be said without a connection (line 10 of cc3.py: AttributeError: ")
    assert last[4] == "    warning, line 1: there is no way back but a restore: write its downgrade() if there can be one"
    assert last[5].endswith("CREATE INDEX CONCURRENTLY IF NOT EXISTS, in a revision with `op.get_context().autocommit_block()`")
    assert last[-1] == "    way back: none but a restore of the backup that is made before"
    outline = schema.outline(Database(store=store.at("none"), alembic=spec, target="aa1"))
    assert outline[:2] == [
        "none: '' -> 'aa1', from the files alone: no database of this stack runs yet; `pulumi up` goes by the history in it, if it has one",
        f"  aa1_step_aa1: expand, reversible, {limits}",
    ]


# On what others have written.

MID, BEFORE, HEAD = "bda7b8c39065", "75868b020152", "dc11669786a5"
# An application at work at the revision in the middle.
ROWS = """
    insert into experiments (experiment_id, name, lifecycle_stage) select n, 'experiment ' || n, 'active' from generate_series(1, 20) n;
    insert into runs (run_uuid, name, status, lifecycle_stage, experiment_id)
        select md5(n::text), 'run ' || n, 'FINISHED', 'active', n % 20 + 1 from generate_series(1, 500) n;
    insert into metrics (key, value, timestamp, run_uuid, step, is_nan)
        select 'loss', n, n, md5((n % 500 + 1)::text), n, false from generate_series(1, 20000) n;
"""


def counts(store: Store) -> list[Any]:
    return sql(store, "select (select count(*) from experiments), (select count(*) from runs), (select count(*) from metrics)")


def test_a_published_application(bare: Store, mlflow: Path, tmp_path: Path):
    """MLflow's whole tree: from its base in two releases, the second over rows with backup, drill and rehearsal; back by one; and again."""
    spec = published(mlflow)
    sql(bare, initial(mlflow))
    first = props(bare, spec, tmp_path, MID, known=False)
    assert save(first)["backups"] == {}
    assert len(run(first, "expand", {})["lines"]) == 31
    sql(bare, ROWS)
    second = props(bare, spec, tmp_path, HEAD, release="r2")
    saved = save(second)
    assert re.search(r"rehearsed up in \d+\.\d s; '17e22815139b_.*' is restore-only", saved["lines"][1])
    assert version(bare) == [MID]
    assert len(run(second, "expand", saved["backups"])["lines"]) == 36
    assert (version(bare), counts(bare)) == ([HEAD], [(20, 500, 20000)])
    found = scheme.of(Database(store=bare, alembic=spec, target=BEFORE))
    with held(bare, "migration", wait=5.0) as lock:
        assert len(found.run(found.plan(target=BEFORE, phase="settle"), check=lock.check, log=lambda line: None)) == 1
    assert (version(bare), counts(bare)) == ([BEFORE], [(20, 500, 20000)])
    again = props(bare, spec, tmp_path, HEAD, release="r3")
    lines = save(again)["lines"]
    assert re.search(r"dc11669786a5_.*: rehearsed up in \d+\.\d s, down in \d+\.\d s, and up again in \d+\.\d s", lines[1])
    assert "is other than the models in" in lines[2]


def test_a_second_head_of_it(bare: Store, mlflow: Path, tmp_path: Path):
    """A revision that somebody has put beside its head is refused before anything is touched."""
    folder = tmp_path / "tree"
    shutil.copytree(published(mlflow).folder, folder)
    spec = published(mlflow, folder=str(folder))
    add(spec, "feedc0ffee00", BEFORE, ITEMS)
    sql(bare, initial(mlflow))
    sql(bare, "insert into experiments (name) values ('one')")
    assert f"has 2 heads, '{HEAD}' and 'feedc0ffee00'" in refused(props(bare, spec, tmp_path, HEAD))
    with connect(bare) as connection:
        assert connection.execute("select to_regclass('alembic_version')").fetchone() == (None,)


def test_code_beside_a_revision(store: Store, tmp_path: Path):
    """What a revision imports, and a revision outside of the tree's folder, must be what was rehearsed, too."""
    spec = two(tmp_path / "tree", path=[str(tmp_path / "lib")])
    folders = [tmp_path / "tree" / "versions", tmp_path / "model"]
    for folder in (tmp_path / "lib", tmp_path / "model"):
        folder.mkdir()
    ini = f"[alembic]\nscript_location = {tmp_path / 'tree'}\nversion_locations = {folders[0]} {folders[1]}\n"
    (tmp_path / "tree" / "alembic.ini").write_text(ini)
    helper = tmp_path / "lib" / "shop_helper.py"
    helper.write_text("SQL = 'create table helped (id int)'\n")
    path = add(spec, "cc3", "bb2", ("import shop_helper\nop.execute(shop_helper.SQL)", "op.execute('drop table helped')"))
    outside = Path(shutil.move(path, folders[1] / path.name))
    given = props(store, spec, tmp_path, "cc3")
    saved = save(given)
    for file in (helper, outside):
        was = file.read_text()
        file.write_text(f"{was}\nimport os\n")
        with pytest.raises(Refused, match="is not what was rehearsed for expand: its file has changed since"):
            run(given, "expand", saved["backups"])
        file.write_text(was)
    found = scheme.of(Database.read(given["databases"][0]))
    plan = found.plan(target="cc3", phase="expand")
    helper.write_text("SQL = 'delete from orders'\n")
    with pytest.raises(MigrationFailed, match=r"shop_helper.py' has changed since this was planned; the database is unchanged"):
        found.run(plan, check=lambda: None, log=lambda line: None)


LATE = """
if not op.get_context().as_sql:
    import shop_late
    from pathlib import Path
    op.execute(shop_late.SQL)
    op.execute((Path(__file__).parent / "late.sql").read_text())
"""


def test_code_that_comes_late(store: Store, tmp_path: Path):
    """What a revision imports and reads only with a connection must be what was rehearsed, too, before any part of it stays."""
    spec = two(tmp_path / "tree", path=[str(tmp_path / "lib")])
    (tmp_path / "lib").mkdir()
    late, text = tmp_path / "lib" / "shop_late.py", tmp_path / "tree" / "versions" / "late.sql"
    late.write_text("SQL = 'create table helped (id int)'\n")
    text.write_text("create table read (id int)")
    block = 'with op.get_context().autocommit_block():\n    op.execute("create index concurrently a on orders (note)")'
    add(
        spec,
        "cc3",
        "bb2",
        (f"op.execute('create table c (id int)')\n{LATE}\n{block}", "op.execute('drop table c, helped, read')\nop.execute('drop index a')"),
    )
    for file in (late, text):
        given = props(store, spec, tmp_path, "cc3", release=file.stem)
        saved, was = save(given)["backups"], file.read_text()
        file.write_text(was.replace("create", "create unlogged"))
        why = rf"'{file}', which it loads or reads only as it runs, is not what was rehearsed; the database is unchanged by it"
        with pytest.raises(MigrationFailed, match=why):
            run(given, "expand", saved)
        file.write_text(was)
    assert sql(store, "select to_regclass('c'), to_regclass('a')") == [(None, None)]
    again = props(store, spec, tmp_path, "cc3", release="again")
    assert run(again, "expand", save(again)["backups"])["revisions"] == {store.dbname: "cc3"}
