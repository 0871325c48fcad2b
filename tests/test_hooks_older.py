"""An older revision in config, with the steps of a release and a real server: what stays, what goes back, and by whose leave."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sluice.core.database import Database
from sluice.core.errors import MigrationFailed, Refused, SluiceError
from sluice.core.settings import ask
from sluice.core.store import Store
from sluice.hooks.migration import MigrationProvider
from sluice.systems import migration_table as table
from sluice.systems import migrations, schema, shelf
from tests.fixtures.store import connect
from tests.test_hooks_backup import props
from tests.test_hooks_backup import run as save
from tests.test_hooks_migration import run, saved

pytestmark = pytest.mark.embedded
EXPANDS = {
    "0001_total.sql": "alter table orders add column total int;",
    "0001_total.down.sql": "alter table orders drop column total;",
    "0002_mark.sql": "alter table orders add column mark text;",
    "0002_mark.down.sql": "alter table orders drop column mark;",
}
LOSSY = "-- phase: contract\n-- way: lossy\n-- loses: select count(*) from orders\nalter table orders drop column total;"
BACK = "alter table orders add column total int;"
CONTRACT = {**EXPANDS, "0003_gone.sql": LOSSY, "0003_gone.down.sql": BACK}


def settled(store: Store, place: Path, files: dict[str, str], target: str) -> dict[str, Any]:
    """Bring a database to a revision, and return the inputs of a release of 0001 after it, from a checkout with nothing newer."""
    given = props(store, place, files)
    given["databases"][0] |= {"target": target}
    backups = saved(given)
    for phase in ("expand", "settle"):
        run(given, phase, backups=backups)
    for path in Path(given["databases"][0]["folder"]).glob("000[23]*"):
        path.unlink()
    given["databases"][0] |= {"target": "0001"}
    return {**given, "release": "r0", "ask": ask([], "r0", set(), "production").wire()}


def allow(given: dict[str, Any], downgrade: str, *lossy: str) -> dict[str, Any]:
    return {**given, "databases": [{**given["databases"][0], "downgrade": downgrade, "lossy": list(lossy)}]}


def columns(store: Store) -> set[str]:
    query = "select attname from pg_attribute where attrelid = 'orders'::regclass and attnum > 0 and not attisdropped"
    with connect(store) as connection:
        return {name for (name,) in connection.execute(query).fetchall()}


def refused(given: dict[str, Any]) -> list[str]:
    with pytest.raises(Refused) as error:
        save(given)
    return error.value.reasons


def state(given: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return what a refusal must leave alone: backups and revision."""
    return [one.id for one in shelf.load(Path(given["folder"]))], schema.story(Database.read(given["databases"][0]))[:1]


def test_stays(store: Store, tmp_path: Path):
    """Ahead by expands alone: nothing is saved and nothing runs, whether or not the needed way back is allowed."""
    given = settled(store, tmp_path, EXPANDS, "0002")
    for asked in (given, allow(given, "needed")):
        assert save(asked)["backups"] == {}
        for phase in ("expand", "settle"):
            assert run(asked, phase)["revisions"] == {store.dbname: "0002"}
    assert {"total", "mark"} <= columns(store)


def test_exactly(store: Store, tmp_path: Path):
    """Asked for exactly the older schema, the expand goes back once the newer code is gone, saved and rehearsed before."""
    given = allow(settled(store, tmp_path, EXPANDS, "0002"), "exact")
    outs = save(given)
    assert outs["lines"][1].startswith("0002_mark: rehearsed back in ")
    assert run(given, backups=outs["backups"])["lines"] == []
    assert "mark" in columns(store)
    after = run(given, "settle", backups=outs["backups"])
    assert after == {
        "release": "r0",
        "revisions": {store.dbname: "0001"},
        "seconds": {},
        "lines": [f"{store.dbname}: 0002_mark went back, now at '0001'"],
    }
    assert "mark" not in columns(store)


def test_refused_with_counts(store: Store, tmp_path: Path):
    """Ahead by a contract whose way back loses data: refused before anything is touched, with the count and the command."""
    given = settled(store, tmp_path, CONTRACT, "0003")
    before = state(given)
    why, next = refused(given)
    assert why == (
        f"{store.dbname}: is at '0003', and what runs with '0001' does not run with '0003_gone'; "
        "going back from '0003_gone' loses 5000 rows by its own count (select count(*) from orders)"
    )
    said = re.sub(r"nonce=n[0-9a-f]{8}", "nonce=N", next)
    path = "sluice:rollout.permissions[0]"
    assert said == (
        "nobody has allowed 'r0' to go back; whoever does, runs: pulumi config set-all --path "
        f"--plaintext '{path}.release=r0' --plaintext '{path}.nonce=N' --plaintext '{path}.downgrade=needed' "
        f"--plaintext '{path}.lossy[0]={store.dbname}/0003' --plaintext \"{path}.by=$(id -un)\" --stack production"
    )
    # Leave to go back is not leave to lose.
    assert refused(allow(given, "needed"))[0] == why
    assert state(given) == before


def test_allowed(store: Store, tmp_path: Path):
    """Allowed by name, the contract goes back before the older code starts, the expand stays, and the backup has what was written last."""
    given = allow(settled(store, tmp_path, CONTRACT, "0003"), "needed", "0003")
    with connect(store) as connection:
        connection.execute("insert into orders (note) values ('since')")
    outs = save(given)
    assert shelf.load(tmp_path / "backups")[0].manifest.rows["public.orders"] == 5001
    assert run(given, backups=outs["backups"])["revisions"] == {store.dbname: "0002"}
    assert {"total", "mark"} <= columns(store)
    assert run(given, "settle", backups=outs["backups"])["revisions"] == {store.dbname: "0002"}


def test_not_saved(store: Store, tmp_path: Path):
    """A way back runs on nothing that is not saved for this very release."""
    given = allow(settled(store, tmp_path, CONTRACT, "0003"), "exact", "0003")
    with pytest.raises(Refused, match="nothing was migrated"):
        run(given)
    assert "total" not in columns(store)


def test_restore_only(store: Store, tmp_path: Path):
    """No leave opens a way that is not there: the refusal has no command."""
    files = {**EXPANDS, "0003_gone.sql": "-- phase: contract\nalter table orders drop column total;"}
    given = settled(store, tmp_path, files, "0003")
    why = "'0003_gone' has no way back but a restore: release a revision from '0003' on, or restore a backup made before it"
    assert refused(given) == refused(allow(given, "exact", "0003")) == [f"{store.dbname}: {why}"]


def test_unnamed(store: Store, tmp_path: Path):
    """A release that no longer names the revision is left in peace after expands; after a contract it has to say what it runs with."""
    given = settled(store, tmp_path, CONTRACT, "0003")
    given["databases"][0] |= {"target": "", "folder": ""}
    why = "the live release names its revision, and this one does not, which may not run with '0003_gone', a contract"
    command = f"pulumi config set --path sluice:release.schema.{store.dbname} REVISION"
    assert refused(given) == [f"{store.dbname}: {why}; say which it runs with: {command}"]
    with connect(store) as connection:
        connection.execute("update sluice_history.migration set phase = 'expand'")
    assert save(given)["backups"] == {}


def test_half(store: Store, tmp_path: Path):
    """Beside half of a file nothing goes back."""
    given = allow(settled(store, tmp_path, CONTRACT, "0003"), "needed", "0003")
    with connect(store) as connection:
        connection.execute(
            "update sluice_history.migration set state = 'failed', done = 1, total = 2, up = %s where id = '0002'",
            ["-- transaction: none\n" + EXPANDS["0002_mark.sql"] + "select 1;"],
        )
    (why,) = refused(given)
    assert why.startswith(f"{store.dbname}: '0002_mark' is half applied (1 of 2 statements), so there is no way back from it")


def test_fails_halfway(store: Store, tmp_path: Path):
    """A way back that fails says what the database is now; the next run goes on there."""
    files = {**CONTRACT, "0003_gone.down.sql": "-- transaction: none\n" + BACK + "select 1 / (select count(*) from orders where id = -1);"}
    with connect(store) as connection:
        connection.execute("insert into orders (id, note) values (-1, '')")
    given = allow(settled(store, tmp_path, files, "0003"), "needed", "0003")
    backups = save(given)["backups"]
    with connect(store) as connection:
        connection.execute("delete from orders where id = -1")
    with pytest.raises(MigrationFailed) as error:
        run(given, backups=backups)
    assert str(error.value).endswith(
        "1 of 2 statements are done and stay: the way back is the one that the database has kept, so its file must stay as it is: mend "
        "the data, then `pulumi up`; "
        f"{store.dbname} is at '0003', where '0003_gone' is half reverted (1 of 2 statements)"
    )
    with connect(store) as connection:
        connection.execute("insert into orders (id, note) values (-1, '')")
    # What is half there now was not rehearsed yet.
    with pytest.raises(Refused, match="is not the one that expand was rehearsed on"):
        run(given, backups=backups)
    assert run(given, backups=save(given)["backups"])["revisions"] == {store.dbname: "0002"}


def test_traffic_stays(store: Store, tmp_path: Path):
    """Once settle has changed anything, traffic does not go back to a version that may not run with it; before that it does."""
    fails = "-- phase: contract\nselect 1 / (select count(*) from orders where id = -1);"
    given = props(store, tmp_path, {"0001_a.sql": "-- phase: contract\nalter table orders add column a int;", "0002_b.sql": fails})
    given["databases"][0] |= {"target": "0002"}
    with connect(store) as connection:
        connection.execute("insert into orders (id, note) values (-1, '')")
    given |= {"backups": saved(given), "fallback": {"kind": "none"}, "phase": "settle"}
    with connect(store) as connection:
        connection.execute("delete from orders where id = -1")

    def said() -> str:
        with pytest.raises(SluiceError) as error:
            MigrationProvider().create(given)
        return str(error.value)

    stays = "traffic stays with the new version, as the live one may not run with the database as it is now: `pulumi up` goes on"
    assert stays in said()
    # What an earlier attempt has changed counts too.
    assert stays in said()
    with connect(store) as connection:
        connection.execute("update sluice_history.migration set release = 'r0'")
    # The splitter of this test does not exist.
    assert "AND TRAFFIC IS NOT BACK" in said()


def test_the_other_half(store: Store, tmp_path: Path):
    """What was left half applied is rehearsed from there, and finished; its way back leads to before the whole of it."""
    files = {
        "0001_two.sql": "-- transaction: none\nalter table orders add column one int;\nalter table orders add column two int;",
        "0001_two.down.sql": "alter table orders drop column two, drop column one;",
    }
    given = props(store, tmp_path, files)
    (file,) = migrations.read(Path(given["databases"][0]["folder"]))
    migrations.prepare(store)
    with connect(store) as connection:
        table.begin(connection, file, action="up", total=2, done=1, release="r0", by="")
        connection.execute(file.forward.statements[0].sql.encode())
    outs = save(given)
    assert outs["lines"][1].startswith("0001_two: rehearsed up in ")
    assert run(given, backups=outs["backups"])["revisions"] == {store.dbname: "0001"}
    assert {"one", "two"} <= columns(store)


def test_story(store: Store, tmp_path: Path):
    """Preview says what goes back and when, with its locks, its SQL from the history, and what it loses; or that it stays."""
    given = settled(store, tmp_path, CONTRACT, "0003")
    expand = [
        "0003_gone goes back before the older version starts, lossy: "
        "going back from '0003_gone' loses 5000 rows by its own count (select count(*) from orders)",
        "  1. alter table orders add column total int: ACCESS EXCLUSIVE on orders (SIZE), blocks reads and writes",
        "  SQL, as the database has kept it:",
        "    alter table orders add column total int;",
    ]
    settle = [
        "0002_mark goes back once the newer version is gone, reversible",
        "  1. alter table orders drop column mark: ACCESS EXCLUSIVE on orders (SIZE), blocks reads and writes",
        "  SQL, as the database has kept it:",
        "    alter table orders drop column mark;",
    ]
    head = f"{store.dbname}: '0003' -> '0001'"
    assert told(allow(given, "exact", "0003")) == [head, *("  " + line for line in expand + settle)]
    assert told(given) == [head, "  only if somebody allows it:", *("    " + line for line in expand)]
    # Allowed in part there is one list too, with what is missing marked.
    partly = [f"{expand[0]}, not allowed yet", *expand[1:], *settle]
    assert told(allow(given, "exact")) == [head, "  only if somebody allows what is missing:", *("    " + line for line in partly)]
    stays = f"  {store.dbname} stays ahead of '0002' by 0003_gone, which the older version runs with"
    with connect(store) as connection:
        connection.execute("update sluice_history.migration set phase = 'expand'")
    given["databases"][0] |= {"target": "0002"}
    assert told(given) == [f"{store.dbname}: '0003' -> '0002'", stays]


def told(given: dict[str, Any]) -> list[str]:
    # Autovacuum may come and add a page.
    return [re.sub(r"\(\d+ kB\)", "(SIZE)", line) for line in schema.story(Database.read(given["databases"][0]))]


def test_story_of_pending_files(store: Store, tmp_path: Path):
    """Preview shows each pending file's SQL and its way back: whether that loses rows, which nobody can count yet, or is none."""
    files = {
        "0001_a.sql": "create table a (\n    id int);\n",
        "0002_b.sql": "-- way: lossy\n-- loses: select count(*) from orders\nalter table orders drop column note;",
        "0002_b.down.sql": "alter table orders add column note text;",
        "0003_c.sql": "-- way: lossy\n-- loses: select count(mark) from orders\nalter table orders add column mark text;",
        "0003_c.down.sql": "alter table orders drop column mark;",
    }
    given = props(store, tmp_path, files)
    given["databases"][0] |= {"target": "0003"}
    lines = [line.strip() for line in told(given)]
    assert [line for line in lines if line.startswith(("up (", "way back"))] == [
        "up (0001_a.sql):",
        "way back: none but a restore of the backup that is made before",
        "up (0002_b.sql):",
        "way back (0002_b.down.sql), lossy: loses rows by its own count, which is asked once it is applied:",
        "up (0003_c.sql):",
        "way back (0003_c.down.sql), lossy: loses rows by its own count, which is asked once it is applied:",
    ]
    at = lines.index("up (0001_a.sql):")
    assert lines[at + 1 : at + 3] == ["create table a (", "id int);"]
