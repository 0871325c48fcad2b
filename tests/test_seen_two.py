"""Two deployers on one database at once: one works, the other waits or is told who holds the lock, and every statement runs once."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluice.core.errors import SluiceError
from sluice.core.store import Store
from sluice.hooks import migration
from sluice.hooks.backup import BackupProvider
from sluice.hooks.migration import MigrationProvider
from sluice.systems.lock import held
from tests.fixtures.store import connect
from tests.test_hooks_backup import props
from tests.test_systems_migrations_crash import until

pytestmark = pytest.mark.embedded
ONCE = {
    "0001_total.sql": "select pg_sleep(0.3); insert into orders (note) values ('once')",
    "0001_total.down.sql": "delete from orders where note = 'once'",
}


class Deployer:
    """A deployer in a process of its own; `said` waits for its end, and returns its outputs, or the error with its kind."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._read, write = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            with os.fdopen(write, "w") as pipe:
                json.dump(_told(work), pipe)
            os._exit(0)
        os.close(write)

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._read)

    def said(self) -> Any:
        with os.fdopen(self._read) as pipe:
            found = json.load(pipe)
        os.waitpid(self._pid, 0)
        return found


def _told(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except SluiceError as error:
        return f"{type(error).__name__}: {error}"
    except BaseException as error:
        return f"unexpected {error!r}"


def expand(given: dict[str, Any], backups: dict[str, str]) -> Callable[[], Any]:
    return lambda: dict(MigrationProvider().create({**given, "phase": "expand", "backups": backups}).outs or {})["lines"]


def release(given: dict[str, Any]) -> Callable[[], Any]:
    """Return a deployer's whole way to the new schema: backup, drill, rehearsal, expand."""
    return lambda: expand(given, dict((BackupProvider().create(given).outs or {})["backups"]))()


def once(store: Store) -> int:
    with connect(store) as connection:
        (count,) = connection.execute("select count(*) from orders where note = 'once'").fetchone() or (0,)
    return int(str(count))


def test_one_waits(store: Store, tmp_path: Path):
    """Two migrations at once: the second has the lock after the first, looks again, and finds nothing to run."""
    given = props(store, tmp_path, ONCE)
    backups = dict((BackupProvider().create(given).outs or {})["backups"])
    both = [Deployer(expand(given, backups)) for _ in range(3)]
    said = [one.said() for one in both]
    assert sorted(said, key=len) == [[], [], [f"{store.dbname}: 0001_total"]]
    assert once(store) == 1


def test_one_is_told(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever has waited long enough is told who holds the lock, and has touched nothing."""
    monkeypatch.setattr(migration, "WAIT", 0.3)
    given = props(store, tmp_path, ONCE)
    backups = dict((BackupProvider().create(given).outs or {})["backups"])
    with held(store, "restore") as lock:
        pid = lock.pid
        said = Deployer(expand(given, backups)).said()
    place = f"{store.host}:{store.port}/{store.dbname}"
    ending = rf"psql -h {store.host} -p {store.port} -d sluice_maintenance -c 'select pg_terminate_backend\({pid}\)'"
    assert re.fullmatch(
        rf"Refused: migration of {place} waited 0\.3 s for its lock, held by 'sluice restore' \(pid {pid}, from 127\.0\.0\.1, "
        rf"since [^)]+\): wait for it; if it hangs, {ending}",
        said,
    ), said
    with connect(store) as connection:
        assert connection.execute("select to_regclass('sluice_history.migration')").fetchone() == (None,)
    assert once(store) == 0


def test_a_fence(store: Store, tmp_path: Path):
    """Ending the session that holds the lock, as that error says, stops the first deployer; its statements do not stay."""
    given = props(store, tmp_path, {**ONCE, "0001_total.sql": ONCE["0001_total.sql"].replace("0.3", "1")})
    backups = dict((BackupProvider().create(given).outs or {})["backups"])
    first = Deployer(expand(given, backups))
    end = """select pg_terminate_backend(l.pid, 5000) from pg_locks l join pg_stat_activity a on a.pid = l.pid
        where locktype = 'advisory' and application_name = 'sluice migration'"""
    with connect(store.at("sluice_maintenance")) as connection:
        sleeping = "select 1 from pg_stat_activity where query like 'select pg_sleep(1)%'"
        until(lambda: bool(connection.execute(sleeping).fetchall()), "its first statement")
        assert connection.execute(end).fetchall() == [(True,)]
    assert first.said().startswith(("Interrupted: migration of", "MigrationFailed: migration '0001_total' failed"))
    second = Deployer(release(given))
    assert second.said()[-1] == f"{store.dbname}: 0001_total"
    assert once(store) == 1


def test_two_whole_deployers(store: Store, tmp_path: Path):
    """From backup to expand beside each other: each comes through or says why in a sentence, and the migration runs once."""
    given = props(store, tmp_path, ONCE)
    said = [one.said() for one in [Deployer(release(given)) for _ in range(2)]]
    failures = [one for one in said if isinstance(one, str)]
    assert not [one for one in failures if not one.startswith(("Refused: ", "BackupFailed: "))], said
    print(f"\n{said}")
    assert once(store) == (1 if len(failures) < 2 else 0)
    release(given)()
    assert once(store) == 1


def test_after_a_killed_one(store: Store, tmp_path: Path):
    """Whoever comes after a deployer that was killed says what it has found, and goes on."""
    given = props(store, tmp_path, {**ONCE, "0001_total.sql": ONCE["0001_total.sql"].replace("0.3", "1")})
    backups = dict((BackupProvider().create(given).outs or {})["backups"])
    first = Deployer(expand(given, backups))
    sleeping = "select 1 from pg_stat_activity where query like 'select pg_sleep(1)%'"
    with connect(store) as connection:
        until(lambda: bool(connection.execute(sleeping).fetchall()), "its first statement")
    first.kill()
    assert release(given)() == [
        f"{store.dbname}: an earlier attempt at '0001_total' has left nothing: from its start",
        f"{store.dbname}: 0001_total",
    ]
    assert once(store) == 1
