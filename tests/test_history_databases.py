"""Databases for a plan: a real server, real migrations, real backups."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sluice.core.backup.manifest import Backup, scratch
from sluice.core.diagnosis.finding import psql
from sluice.core.errors import Refused
from sluice.core.migration.file import folder
from sluice.core.migration.history import plan as way
from sluice.core.record import Built, Record
from sluice.core.rollback.database import Action
from sluice.core.rollback.past import Past
from sluice.core.rollback.plan import Plan, Wish, plan
from sluice.core.rollback.symptom import Symptom, Trouble
from sluice.core.store import Store
from sluice.history import databases
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack
from sluice.systems import migrations
from sluice.systems.backup import make
from sluice.systems.drill import drill
from sluice.systems.shelf import load
from tests.fixtures.alembic import GONE, add, two
from tests.fixtures.store import connect
from tests.test_systems_alembic_run import go

AT = datetime(2026, 11, 24, tzinfo=UTC)
FILES = {
    "1_a.sql": "create table a (id int);",
    "1_a.down.sql": "drop table a;",
    "2_b.sql": "create table b (id int);",
    "2_b.down.sql": "drop table b;",
    "3_c.sql": "-- phase: contract\n-- way: lossy\n-- loses: select count(*) from a\nalter table a add c int;",
    "3_c.down.sql": "alter table a drop c;",
    "4_d.sql": "-- phase: contract\nalter table b add d int;",
}


def stack(folder: Path, store: Store, shelf: Path) -> Stack:
    """Return a stack whose state names this server, database and shelf, as the process runtime's does."""
    outputs = {"host": store.host, "port": store.port, "user": store.user, "passfile": store.passfile, "tools": store.tools}
    resources = [
        {"type": "pulumi:pulumi:Stack", "outputs": {"databases": {store.dbname: {}}}},
        {"type": "pulumi-python:dynamic/process:Postgres", "outputs": outputs},
        {"type": "pulumi-python:dynamic/sluice:Backup", "inputs": {"folder": str(shelf)}, "outputs": {"release": "1-a"}},
    ]
    return Stack(Pulumi(folder, "test"), "", {"resources": resources}, None, [])


def migrate(store: Store, target: str) -> None:
    found = folder(FILES)
    for phase in ("expand", "settle"):
        planned = way(found, migrations.look(store), target=target, phase=phase)  # type: ignore[arg-type]
        migrations.run(store, planned, check=lambda: None, log=lambda text: None)


def backup(store: Store, shelf: Path) -> Backup:
    """Save a database at revision 1."""
    make(store, shelf, revision="1")
    return load(shelf)[0]


def past(store: Store, revision: str, **services: Built) -> Past:
    record = Record(id="1-a", version="1", kind="minor", services=services, schema_={store.dbname: revision}, at=AT, git="abc123")
    return Past(record=record, config='{"version":"1"}')


def decided(seen: Stack, target: Past, **more: Any) -> Plan:
    wish = Wish(**more)
    found = databases.look(seen, target, restore=bool(wish.symptoms), named=wish.backups)
    return plan(failing="2-b", live=None, target=target, databases=found, wish=wish)


@pytest.mark.embedded
def test_databases(store: Store, tmp_path: Path):
    """As a database goes on, the same target asks for nothing, then for a loss to be accepted, then for a restore, with what it loses."""
    seen, target = stack(tmp_path, store, tmp_path / "shelf"), past(store, "1")
    migrate(store, "1")
    saved = backup(store, tmp_path / "shelf")
    migrate(store, "2")
    assert (decided(seen, target).action, databases.look(seen, target)[0].backups) == (Action.CODE, [])

    with connect(store) as connection:
        connection.execute("insert into a values (1), (2)")
    migrate(store, "3")
    why = "going back loses data ('3_c': 2 rows): accept it by name (3), or release a revision from there on"
    assert decided(seen, target).refusals == [f"{store.dbname}: {why}"]
    assert decided(seen, target, allowed=["3"]).steps[0].migrations == ["3_c"]

    migrate(store, "4")
    lacks = "'4_d' has no way back, and no good backup is at '1' or '2' (`sluice backup --list` has all)"
    assert decided(seen, target).refusals == [f"{store.dbname}: {lacks}; '{saved.id}': was never restored"]
    drill(store, saved)
    found = decided(seen, target)
    assert (found.action, found.steps[0].backup) == (Action.RESTORE, saved.id)
    assert "table public.a: 2 rows more than in it" in found.steps[0].loses
    assert found.steps[0].seconds == load(tmp_path / "shelf")[0].drilled.rto  # type: ignore[union-attr]

    kept_copy(seen, target, store, saved)
    (Path(saved.folder) / saved.manifest.dump).write_bytes(b"cut")
    assert "no good backup is at '1' or '2'" in decided(seen, target).refusals[0]


def kept_copy(seen: Stack, target: Past, store: Store, saved: Backup) -> None:
    """The copy that would take the place and is not what the backup holds is told before anything is touched, with the next command; one
    that is gone is made anew."""
    copy = store.at(scratch(store.dbname, saved.id))
    with connect(copy) as connection:
        connection.execute("insert into a values (3)")
    drop = psql(store.at("postgres"), f'drop database "{copy.dbname}"')
    why = f"the copy '{copy.dbname}' is not what backup {saved.id} holds, from which it is made anew once it is gone: {drop}"
    assert decided(seen, target).refusals == [f"{store.dbname}: {why}; table public.a: 1 rows in the copy, 0 in the manifest"]
    assert subprocess.run(drop, shell=True, capture_output=True, check=False).returncode == 0  # noqa: S602
    assert decided(seen, target).action is Action.RESTORE


@pytest.mark.embedded
def test_corruption(store: Store, tmp_path: Path):
    """Backups are looked at for corrupt data too, where no migration is in the way."""
    seen, target = stack(tmp_path, store, tmp_path / "shelf"), past(store, "1")
    migrate(store, "1")
    saved = backup(store, tmp_path / "shelf")
    drill(store, saved)
    found = decided(seen, target, symptoms=[Symptom(trouble=Trouble.CORRUPTION)])
    assert (found.action, found.steps[0].backup) == (Action.RESTORE, saved.id)


@pytest.mark.embedded
def test_named(store: Store, tmp_path: Path):
    """A backup that is named is looked at whatever its revision; of the others none beyond the first good one; another server's is bad."""
    seen, target = stack(tmp_path, store, tmp_path / "shelf"), past(store, "1")
    migrate(store, "1")
    made = [backup(store, tmp_path / "shelf") for _ in range(3)]
    for one in made[:2]:
        drill(store, one)
    found = databases.look(seen, target, restore=True)[0].backups
    assert [(one.id, one.good) for one in found] == [(made[2].id, False), (made[1].id, True)]
    assert [one.id for one in databases.look(seen, target, named=[made[0].id])[0].backups] == [made[0].id]
    assert decided(seen, target, backups=[made[0].id]).steps[0].backup == made[0].id
    path = Path(made[1].folder) / "manifest.json"
    path.write_text(path.read_text().replace(made[1].manifest.system, "77"))
    foreign = databases.look(seen, target, named=[made[1].id])[0].backups[0]
    assert foreign.problems[0] == f"is from system 77, and the server is system {made[0].manifest.system}"


@pytest.mark.embedded
def test_revisions(store: Store, tmp_path: Path):
    """The order of Alembic revisions is in a tree that this command does not read: it says so where they would have to move."""
    migrate(store, "1")
    with connect(store) as connection:
        connection.execute("update sluice_history.migration set up = '-- alembic: 1 revises base' || chr(10) || up")
    seen = stack(tmp_path, store, tmp_path)
    live = Record.model_validate({**past(store, "1").record.wire(), "id": "2-b"})
    seen.state["resources"][0]["outputs"]["proven"] = [live.text]
    assert databases.look(seen, past(store, "1"))[0].revision == "1"
    with pytest.raises(Refused, match=r"has Alembic revisions, and '1-a' had another one .* `pulumi preview` says it"):
        databases.look(seen, past(store, "0"))


@pytest.mark.embedded
def test_a_tree(store: Store, tmp_path: Path):
    """A database of Alembic revisions goes the same ways, in the order that its history tells, whatever their ids are."""
    spec = two(tmp_path / "tree", contract=["a03"], lossy={"a03": ""})
    add(spec, "a03", "bb2", GONE)
    go(store, spec, "bb2")
    seen, target = stack(tmp_path, store, tmp_path), past(store, "aa1")
    (step,) = decided(seen, target).steps
    assert (step.action, step.revision) == (Action.CODE, "bb2")
    assert step.why == "it stays ahead of 'aa1' by 'bb2_step_bb2': old code runs with what an expand adds"
    go(store, spec, "a03", "settle")
    why = (
        "going back loses data ('a03_step_a03': an uncounted number of rows): accept it by name (a03), or release a revision from there on"
    )
    assert decided(seen, target).refusals == [f"{store.dbname}: {why}"]
    (step,) = decided(seen, target, allowed=["a03"]).steps
    assert (step.action, step.revision, step.migrations, step.lossy) == (Action.DOWNGRADE, "a03", ["a03_step_a03"], ["a03"])
    (step,) = decided(seen, target, allowed=["a03"], exact=True).steps
    assert step.migrations == ["a03_step_a03", "bb2_step_bb2"]
    with connect(store) as connection:
        connection.execute("update sluice_history.migration set state = 'reverting', doing = 2 where id = 'a03'")
        half = f"{store.dbname}: 'a03_step_a03' has not come to its end: finish it, or bring it back, with `pulumi up` first"
        assert decided(seen, target).refusals == [half]


@pytest.mark.embedded
def test_a_tree_migrated_by_hand(store: Store, tmp_path: Path):
    """What somebody has migrated by hand the history does not tell: the program knows it."""
    spec = two(tmp_path / "tree")
    go(store, spec, "bb2")
    seen = stack(tmp_path, store, tmp_path)
    seen.state["resources"][0]["outputs"]["proven"] = [Record.model_validate({**past(store, "bb2").record.wire(), "id": "2-b"}).text]
    assert decided(seen, past(store, "aa1")).action is Action.CODE
    with connect(store) as connection:
        connection.execute("update alembic_version set version_num = 'aa1'")
    with pytest.raises(Refused, match="had another one than runs now: what lies between them, the program knows"):
        databases.look(seen, past(store, "aa1"))
