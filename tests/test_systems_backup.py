"""Backups of a real database."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from sluice.core.backup import room
from sluice.core.backup.format import Compression, Format
from sluice.core.backup.manifest import Manifest
from sluice.core.commands import dump as say
from sluice.core.errors import BackupFailed, Interrupted, Refused, Unreachable
from sluice.core.store import Store
from sluice.systems import backup, leftover, part, source, tool
from sluice.systems.backup import make
from sluice.systems.lock import held
from sluice.systems.shelf import check, load
from tests.fixtures.postgres import PASSWORD, Postgres
from tests.fixtures.store import connect, named

pytestmark = pytest.mark.embedded

ROT = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdout.buffer.write(bytes(b ^ 85 for b in sys.stdin.buffer.read()))"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def left(folder: Path) -> list[str]:
    """Return everything that is in a folder of backups."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refused(store: Store, *reasons: str) -> str:
    return "^" + re.escape("\n  - ".join([f"no backup of {store.place} was begun", *reasons])) + "$"


@pytest.mark.parametrize("form", list(Format))
def test_make(store: Store, folder: Path, form: Format):
    """Each format is made whole: private files, a manifest that fits them, counts of the same moment, nothing half done beside it."""
    made = make(store, folder, format=form, jobs=2, clean=True, revision="a1", release="r1")
    place = folder / store.dbname / made.id
    assert Manifest.model_validate_json((place / "manifest.json").read_text()) == made
    assert made.rows == {"public.Odd Name": 2, "public.orders": 5000}
    assert made.sequences == {"public.orders_id_seq": (5000, 5000)}
    assert (made.database, made.revision, made.for_release, made.joint, made.first) == (store.dbname, "a1", "r1", "", False)
    assert made.compression is Compression.GZIP  # all that these clients are built with
    assert re.fullmatch(r"[0-9A-F]+/[0-9A-F]+", made.lsn)
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", made.id)
    assert sum(part.size for part in made.parts) == made.size
    assert {path.stat().st_mode & 0o777 for path in place.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (place, place.parent, *(one for one in place.rglob("*") if one.is_dir()))} == {0o700}
    assert [path.name for path in place.parent.iterdir()] == [made.id]
    (found,) = load(folder)
    assert (found.manifest, found.verified) == (made, False)
    assert check(store, found) == []


def test_snapshot(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Rows written while a dump runs are neither in it nor in the counts; a sequence's value is noted before and after."""
    counted = backup.Source.rows

    def write(source: backup.Source, look: Any) -> dict[str, int]:
        with connect(store) as connection:
            connection.execute("insert into orders (note) select 'late' from generate_series(1, 7)")
        return counted(source, look)

    monkeypatch.setattr(backup.Source, "rows", write)
    made = make(store, folder, format=Format.PLAIN, compression=Compression.NONE)
    assert made.rows["public.orders"] == 5000
    assert made.sequences["public.orders_id_seq"] == (5000, 5007)
    text = (folder / store.dbname / made.id / "dump.sql").read_text()
    assert "late" not in text


def test_globals(store: Store, folder: Path):
    """Roles are saved beside the dump, with their hashes for a superuser and without for others."""
    made = make(store, folder)
    assert "CREATE ROLE guest" in (text := (folder / store.dbname / made.id / "globals.sql").read_text())
    assert "SCRAM-SHA-256$" in text


@pytest.fixture
def reader(store: Store, postgres: Postgres) -> Store:
    """Return a store as seen by a role that may read everything."""
    with connect(store) as connection:
        connection.execute("grant pg_read_all_data to guest")
    yield named(postgres, store.dbname, user="guest")
    with connect(store) as connection:
        connection.execute("revoke pg_read_all_data from guest")


@pytest.mark.usefixtures("maintenance")
def test_least(reader: Store, folder: Path):
    """A role that may only read makes a backup; it has no hashes of passwords."""
    made = make(reader, folder)
    assert made.rows["public.orders"] == 5000
    assert "SCRAM-SHA-256$" not in (folder / reader.dbname / made.id / "globals.sql").read_text()


@pytest.fixture
def maintenance(store: Store) -> None:
    """Make the maintenance database, which a plain role cannot."""
    with held(store, "test"):
        pass


@pytest.mark.usefixtures("maintenance")
def test_unreadable(store: Store, postgres: Postgres, folder: Path):
    """What the role may not read is told by name, all of it, before anything is dumped."""
    with connect(store) as connection:
        connection.execute('grant select on orders to guest; grant select on "Odd Name" to public')
        connection.execute("create table hidden (id int)")
    guest = named(postgres, store.dbname, user="guest")
    grant = "cannot be read by 'guest': grant pg_read_all_data to guest"
    with pytest.raises(Refused, match=refused(guest, f"table public.hidden {grant}", f"sequence public.orders_id_seq {grant}")):
        make(guest, folder)
    assert left(folder) == []


def test_empty(bare: Store, folder: Path):
    """An empty database is refused, before it is dumped, unless it is the first deployment; a table without a row is as empty."""
    with connect(bare) as connection:
        connection.execute("create table orders (id int)")
    why = f"'{bare.dbname}' holds no row, which is right on a first deployment only: was it the right database?"
    with pytest.raises(Refused, match=refused(bare, why)):
        make(bare, folder)
    assert make(bare, folder, first=True).rows == {"public.orders": 0}


def test_wrong_system(store: Store, folder: Path):
    """A server that is not the expected one is refused."""
    made = make(store, folder)
    why = f"the server is system {made.system}, not 42: is 127.0.0.1:{store.port} the right one?"
    with pytest.raises(Refused, match=refused(store, why)):
        make(store, folder, system="42")
    assert make(store, folder, system=made.system).system == made.system


def test_old_client(store: Store, folder: Path, tmp_path: Path):
    """A client that is older than the server is refused, since what it leaves out nobody knows."""
    old = tmp_path / "tools"
    old.mkdir()
    (old / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.18'\n")
    (old / "pg_dump").chmod(0o755)
    why = "pg_dump 15 cannot dump a server 18: install the client of 18, or point `tools` to it"
    with pytest.raises(Refused, match=refused(store, why)):
        make(store.model_copy(update={"tools": str(old)}), folder)


def test_no_room(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Less room than the database's own size is refused before it fills."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 2**20))
    with pytest.raises(Refused, match=r"' has 1 MiB free, \d+ MiB are wanted: prune backups, or name another folder$"):
        make(store, folder)


def test_open_folder(store: Store, folder: Path):
    """A folder that others may read is refused: a backup is as secret as the database."""
    home = folder / store.dbname
    home.mkdir(parents=True)
    home.chmod(0o750)
    wanted = f"'{home}' has mode 0750, not 0700, and backups are as secret as the database: run chmod 700 '{home}'"
    with pytest.raises(Refused, match=f"^{re.escape(wanted)}$"):
        make(store, folder)


def small(tmp_path: Path) -> Path:
    """Mount a file system of 256 KiB, for root."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "none", str(place)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted, which takes root and CAP_SYS_ADMIN: {done.stderr.decode().strip()}")
    return place


@pytest.mark.parametrize("form", list(Format))
def test_disk_full(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Format):
    """A disk that fills is told in the tool's own words, and what was written of the backup is removed."""
    with connect(store) as connection:
        connection.execute("insert into orders (note) select md5(n::text) || md5((-n)::text) from generate_series(1, 30000) n")
    monkeypatch.setattr(room, "SPACE", dict.fromkeys(Compression, 0.0))
    place = small(tmp_path)
    try:
        with pytest.raises(BackupFailed, match=r"No space left on device"):
            make(store, place, format=form, compression=Compression.NONE)
        assert left(place) == []
        assert list((place / store.dbname).iterdir()) == []
    finally:
        subprocess.run(["umount", str(place)], check=True)


class Slow:
    """Holds the dump's snapshot open at the first look, and does something to the running pg_dump."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, what: Any) -> None:
        counted = backup.Source.rows

        def rows(source: backup.Source, look: Any) -> dict[str, int]:
            what([one for one in psutil.Process().children() if one.name() == "pg_dump"])
            return counted(source, look)

        monkeypatch.setattr(backup.Source, "rows", rows)


@pytest.fixture
def big(store: Store) -> Store:
    """Return a database that takes pg_dump a while."""
    with connect(store) as connection:
        connection.execute("insert into orders (note) select repeat(md5(n::text), 8) from generate_series(1, 200000) n")
    return store


def test_killed(big: Store, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A pg_dump that is killed half-way leaves no backup, and the next one is made."""
    with monkeypatch.context() as patch:
        Slow(patch, lambda dumps: dumps[0].kill())
        with pytest.raises(BackupFailed, match=r"^pg_dump was killed by signal 9$"):
            make(big, folder)
    assert left(folder) == []
    assert list((folder / big.dbname).iterdir()) == []
    make(big, folder)


def test_fenced(big: Store, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Ending the lock's backend stops a backup: pg_dump is gone, and nothing is left."""
    monkeypatch.setattr(tool, "LOOK", 0.05)
    seen: list[psutil.Process] = []

    def fence(dumps: list[psutil.Process]) -> None:
        seen.extend(dumps)
        with connect(big.at("sluice_maintenance")) as connection:
            connection.execute("select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory'")

    Slow(monkeypatch, fence)
    with pytest.raises(Interrupted, match=r"lost its lock"):
        make(big, folder)
    assert left(folder) == []
    assert seen
    assert not any(one.is_running() for one in seen)


def test_no_secret(big: Store, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The password is in no command line, environment or file of a backup."""
    seen: list[str] = []

    def note(dumps: list[psutil.Process]) -> None:
        seen.extend(str([one.cmdline(), one.environ()]) for one in dumps)

    Slow(monkeypatch, note)
    make(big, folder)
    assert seen
    assert PASSWORD not in "".join(seen)
    assert not any(PASSWORD in path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def test_swept(store: Store, folder: Path):
    """What a killed deployer left half made is removed by the next backup, and never listed."""
    with held(store, "test") as lock:
        system = leftover.system(lock)
    stale, others = (folder / store.dbname / f".20200101T000000Z-0000.{one}.partial" for one in (system, "7"))
    stale.mkdir(parents=True, mode=0o700)
    others.mkdir()
    stale.parent.chmod(0o700)
    (stale / "dump.pgc").write_text("half")
    assert load(folder) == []
    make(store, folder)
    assert not stale.exists()
    # Another server's is under another lock: it may be at work.
    assert others.exists()


def test_locked(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A table that is locked ends a backup after its wait, since everybody who writes would queue behind it; nothing is left."""
    monkeypatch.setattr(source, "LOCK", "200ms")
    monkeypatch.setattr(say, "LOCK", "200ms")
    with connect(store) as connection:
        connection.execute("begin; lock table orders in access exclusive mode")
        with pytest.raises((BackupFailed, Unreachable), match=r"canceling statement due to (lock|statement) timeout"):
            make(store, folder)
    assert left(folder) == []
    assert list((folder / store.dbname).iterdir()) == []


def test_one_at_a_time(store: Store, folder: Path):
    """Two backups at once are made one after the other."""
    made: list[Manifest] = []
    threads = [threading.Thread(target=lambda: made.append(make(store, folder))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = sorted(made, key=lambda one: one.made_at)
    assert second.made_at >= first.made_at + first.seconds - 0.1


def test_encrypt(store: Store, folder: Path):
    """Each file is encrypted beside itself; the manifest knows both, and the plain ones may go."""
    made = make(store, folder, encrypt=ROT)
    place = folder / store.dbname / made.id
    for one in made.parts:
        sealed = (place / f"{one.name}.enc").read_bytes()
        assert bytes(b ^ 85 for b in sealed) == (place / one.name).read_bytes()
        assert (len(sealed), part.digest(place / f"{one.name}.enc", lambda: None)) == (one.sealed_size, one.sealed_sha256)
    (found,) = load(folder)
    assert check(store, found) == []
    for one in made.parts:
        (place / one.name).unlink()
    assert check(store, found) == []
    (place / "dump.pgc.enc").write_bytes(b"")
    problems = check(store, found)
    assert problems == [f"dump.pgc.enc: 0 bytes, {made.parts[0].sealed_size} in the manifest", "dump.pgc: is gone"]


def test_encrypt_fails(store: Store, folder: Path):
    """An encryption that fails leaves no backup, least of all a plain one."""
    with pytest.raises(BackupFailed, match=r"^false failed with exit code 1$"):
        make(store, folder, encrypt=["false"])
    assert left(folder) == []


def test_openssl(store: Store, folder: Path, tmp_path: Path):
    """A real tool does it: what openssl has encrypted it decrypts to the same bytes."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl on PATH: install it")
    secret = tmp_path / "key"
    secret.write_text("k")
    words = ["openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-pass", f"file:{secret}"]
    made = make(store, folder, encrypt=words)
    place = folder / store.dbname / made.id
    clear = subprocess.run([*words, "-d", "-in", str(place / "dump.pgc.enc")], capture_output=True, check=True).stdout
    assert clear == (place / "dump.pgc").read_bytes()


def test_json(store: Store, folder: Path):
    """A manifest is plain JSON for other tools."""
    made = make(store, folder)
    data = json.loads((folder / store.dbname / made.id / "manifest.json").read_text())
    assert data["rows"] == made.rows
    assert data["parts"][0]["name"] == "dump.pgc"
