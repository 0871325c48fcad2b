"""Redcube's databases through releases: saved, proved, rehearsed, migrated, and left alone when anything is wrong."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import yaml

from sluice.core.record import Record
from sluice.systems import shelf
from tests.fixtures.engine import Engine, checkout

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
OFF = {name: {"off": True} for name in ("error_rate", "latency", "error_delta", "latency_delta", "connections")}
USERS = "redcube_users"


@contextmanager
def staged(**rollout: Any) -> Iterator[Engine]:
    """Redcube's own program on a stack that was never deployed, whose releases take one step; afterwards it is destroyed."""
    place = checkout()
    engine = Engine(place, "staging")
    engine.config = {"sluice:rollout": {"ladder": [100], "soak": "1s", "samples": 0, "checks": OFF, **rollout}}
    try:
        yield engine
    finally:
        engine.close()
        shutil.rmtree(place)


@pytest.fixture(scope="module")
def redcube() -> Iterator[Engine]:
    """Redcube 1.0.0 with two users, one of whom was lost on the way to the other database."""
    with staged() as engine:
        assert released(engine, "1.0.0").ok
        for name in ("ada", "bob"):
            register(engine, f"{name}@example.org")
        ask(engine, "postgres", "delete from users where email = 'bob@example.org'")
        yield engine


def released(engine: Engine, version: str, **schema: str) -> Any:
    engine.configure("sluice:release", {"version": version, **({"schema": schema} if schema else {})})
    return engine.up()


def register(engine: Engine, email: str) -> None:
    body = {"email": email, "password": "secret-1", "confirmPassword": "secret-1"}
    assert httpx.post(f"{engine.url}/api/auth/register", json=body, timeout=30).status_code == 200


def ask(engine: Engine, database: str, query: str) -> list[tuple[Any, ...]]:
    return engine.sql(database, query)


def databases(engine: Engine) -> set[str]:
    return {name for (name,) in ask(engine, "postgres", "select datname from pg_database where not datistemplate")}


def history(engine: Engine) -> list[tuple[Any, ...]]:
    return ask(engine, USERS, "select id, state from sluice_history.migration order by id")


def backups(engine: Engine) -> list[Any]:
    return shelf.load(engine.root / "backups", database=USERS)


def test_preview_says_what_will_run(redcube: Engine):
    """Before anything runs, preview has each pending file with its phase, way back, locks and sizes."""
    redcube.configure("sluice:release", {"version": "1.1.0", "schema": {USERS: "0001"}})
    said = redcube.preview().out
    assert "redcube_users: '' -> '0001'" in said
    assert "0001_user_sync: expand, reversible, one transaction, lock_timeout 2s" in said
    assert "estimate: none yet, " in said
    assert "create index if not exists sessions_user on sessions (user_…: does nothing, it is there already" in said
    assert "SHARE ROW EXCLUSIVE on users" in said
    assert ask(redcube, USERS, "select to_regclass('sluice_history.migration') is null") == [(True,)]


def test_a_good_migration(redcube: Engine):
    """1.1.0: saved, restored and compared, rehearsed, migrated; the lost user is back, and the record names revision and backup."""
    result = released(redcube, "1.1.0", redcube_users="0001")
    assert result.ok, result.out
    for line in ("restored and compared in ", "0001_user_sync: rehearsed up in ", f"{USERS}: 0001_user_sync"):
        assert line in result.out
    assert history(redcube) == [("0001", "applied")]
    assert ask(redcube, USERS, "select * from v_user_sync_missing") == []
    assert ask(redcube, USERS, "select here, there from v_user_sync_status") == [(2, 2)]
    register(redcube, "cleo@example.org")
    assert ask(redcube, "postgres", "select count(*) from users") == [(3,)]
    (made,) = backups(redcube)
    record = Record.parse(redcube.outputs()["proven"][0])
    assert (record.schema_, record.backups) == ({USERS: "0001"}, {USERS: made.id})
    ((sha256,),) = ask(redcube, USERS, "select sha256 from sluice_history.migration")
    assert list(record.took) == [f"{USERS}/0001_user_sync@{sha256[:12]}"]
    assert made.verified
    assert made.manifest.rows["public.users"] == 2
    # The drill's copy is the restore point; nothing of the rehearsal is left.
    assert databases(redcube) == {"postgres", USERS, "sluice_maintenance", made.drilled.scratch}
    state = redcube.run("stack", "export").out
    assert "rehearsed up in" in state


def test_an_estimate_from_staging(redcube: Engine):
    """Another stack, which wants this one's proof, is told in preview what the migration took here."""
    other = copy.copy(redcube)
    other.stack, other.config = "production", {}
    assert other.run("stack", "init", other.stack).ok
    other.configure("sluice:rollout", {**redcube.config["sluice:rollout"], "requires": {"stack": "organization/sluice/staging"}})
    other.configure("sluice:release", {"version": "1.1.0", "schema": {USERS: "0001"}})
    assert re.search(r"0001_user_sync: expand.*\n\s+estimate: \d+\.\d\d s on 'staging', \d{4}-\d\d-\d\d", other.preview().out)


def test_again(redcube: Engine):
    """A second update saves nothing and runs nothing."""
    before = [one.id for one in backups(redcube)]
    assert redcube.up("--expect-no-changes").ok
    assert [one.id for one in backups(redcube)] == before


def test_a_broken_migration(redcube: Engine):
    """Preview warns of 1.4.0's migration, which fails on real data, in the rehearsal: one line says why, and live is as it was."""
    before = ask(redcube, USERS, "select count(*) from users")
    redcube.configure("sluice:release", {"version": "1.4.0", "schema": {USERS: "0004"}})
    assert re.search(r"warning, line 11: 'users' \(\d+ kB\): fails as soon as there is a row", redcube.preview().out)
    result = released(redcube, "1.4.0", redcube_users="0004")
    error = next(line for line in result.out.partition("Diagnostics:")[2].splitlines() if "MigrationFailed" in line)
    assert not result.ok
    assert f"rehearsal of '{USERS}', on a copy of its backup: migration '0004_country' failed at statement" in error
    assert "; the live database was not touched" in error
    assert history(redcube) == [("0001", "applied")]
    assert ask(redcube, USERS, "select count(*) from users") == before
    assert redcube.serving("/api/content/health", count=5) == {"1.1.0"}
    assert not any("1.4.0" in name for name in redcube.programs())


def test_a_revision_that_nobody_has(redcube: Engine):
    """An unknown revision, and a database without migrations, are refused before anything is touched."""
    result = released(redcube, "1.1.1", redcube_users="2000", orders="0001")
    assert not result.ok
    assert f"sluice:release.schema.{USERS}: '" in result.out
    assert "has no revision '2000': known are 0001" in result.out
    assert f"sluice:release.schema.orders: the program has no migrations of a database 'orders': known are {USERS}" in result.out


def test_a_revision_without_its_quotes(redcube: Engine):
    """A revision that YAML takes for a number is refused with the command that writes it as it is, and in quotes."""
    redcube.configure("sluice:release", {"version": "1.1.0", "schema": {USERS: 1}})
    refused = redcube.preview()
    (command,) = set(re.findall(r"did you mean '0001'\? it needs quotes, which the CLI writes; run: (.*)", refused.out))
    subprocess.run(["bash", "-c", command], cwd=redcube.folder, env=redcube.env, check=True, capture_output=True)
    written = yaml.safe_load((redcube.folder / "Pulumi.staging.yaml").read_text())
    assert written["config"]["sluice:release"] == {"version": "1.1.0", "schema": {USERS: "0001"}}


def test_back(redcube: Engine):
    """The config of before is green again, and the newer schema stays: 1.0.0 runs with it."""
    assert released(redcube, "1.1.0", redcube_users="0001").ok
    result = released(redcube, "1.0.0")
    assert result.ok, result.out
    assert redcube.serving("/api/content/health", count=5) == {"1.0.0"}
    assert history(redcube) == [("0001", "applied")]
    register(redcube, "dora@example.org")
    assert ask(redcube, "postgres", "select count(*) from users where email = 'dora@example.org'") == [(1,)]
