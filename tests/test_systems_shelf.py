"""Backups on disk: found, checked, damaged, pruned."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sluice.core.backup.format import Compression, Format
from sluice.core.backup.manifest import Backup, Part, Rehearsed
from sluice.core.errors import BackupFailed
from sluice.core.store import Store
from sluice.systems import part
from sluice.systems.backup import make
from sluice.systems.drill import drill
from sluice.systems.shelf import broken, check, estimates, load, prune, record
from tests.fixtures.store import databases
from tests.test_core_backup_manifest import drilled, manifest

pytestmark = pytest.mark.embedded


def put(folder: Path, *, database: str = "shop", id: str, at: float) -> Backup:
    """Write a backup without a dump."""
    place = folder / database / id
    place.mkdir(parents=True)
    made = manifest(id=id, database=database, made_at=at)
    (place / "manifest.json").write_text(made.model_dump_json())
    return Backup(folder=str(place), manifest=made)


def test_load(tmp_path: Path):
    """Backups are listed newest first, of one database or of all; a folder that is not there has none."""
    put(tmp_path, id="a", at=1)
    put(tmp_path, id="b", at=3)
    put(tmp_path, database="mail", id="c", at=2)
    assert [one.id for one in load(tmp_path)] == ["b", "c", "a"]
    assert [one.id for one in load(tmp_path, database="shop")] == ["b", "a"]
    assert load(tmp_path / "none") == []


def test_broken(tmp_path: Path):
    """A backup that cannot be read is a line, not a crash, and hides no other."""
    put(tmp_path, id="a", at=1)
    shop = tmp_path / "shop"
    (shop / "b").mkdir()
    put(tmp_path, id="c", at=2)
    (shop / "c" / "manifest.json").write_text('{"id": "c"')
    put(tmp_path, id="d", at=2)
    (shop / "d" / "manifest.json").write_text(json.dumps({**manifest(id="d").wire(), "size": "many"}))
    put(tmp_path, id="e", at=2)
    (shop / "e").rename(shop / "f")
    (shop / ".g.partial").mkdir()
    assert [one.id for one in load(tmp_path)] == ["a"]
    lines = broken(tmp_path)
    assert lines[0] == f"'{shop}/b' has no manifest.json, so it is no backup: remove it"
    assert lines[1].startswith(f"'{shop}/c' cannot be read (manifest.json: Invalid JSON: ")
    assert lines[2:] == [
        f"'{shop}/d' cannot be read (size: Input should be a valid integer, unable to parse string as an integer): do not rely on it",
        f"'{shop}/f' cannot be read (its manifest is of 'shop' e): do not rely on it",
    ]


def test_tied(tmp_path: Path):
    """A drill proves one manifest: a changed one is not verified any more."""
    one = put(tmp_path, id="a", at=1)
    record(one, drilled())
    assert load(tmp_path)[0].verified
    path = Path(one.folder) / "manifest.json"
    assert (path.parent / "drilled.json").stat().st_mode & 0o777 == 0o600
    path.write_text(path.read_text().replace('"public.a":3', '"public.a":4'))
    assert not load(tmp_path)[0].verified


def test_prune(tmp_path: Path):
    """Of the verified ones the newest stay, and those that are needed; another database's are left alone."""
    made = [put(tmp_path, id=id, at=at) for at, id in enumerate("abcd")]
    put(tmp_path, database="mail", id="z", at=0)
    for one in made[:3]:
        record(one, drilled())
    assert prune(tmp_path, database="shop", needed={"a"}, keep=1) == ["b"]
    assert sorted(path.name for path in (tmp_path / "shop").iterdir()) == ["a", "c", "d"]
    assert prune(tmp_path, database="mail", needed=set(), keep=1) == []


Damage = Callable[[Path], None]


def cut(path: Path) -> None:
    """Leave 60 % of a file."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 6 // 10)


def flip(path: Path) -> None:
    """Change one bit in the middle of the data."""
    data = bytearray(path.read_bytes())
    data[len(data) * 6 // 10] ^= 1
    path.write_bytes(data)


def unlink_largest(path: Path) -> None:
    """Remove the member with the most data."""
    max(path.iterdir(), key=lambda one: one.stat().st_size).unlink()


def cut_copy(path: Path) -> None:
    """End a plain dump in the middle of a table's rows, at a line's end, in a valid gzip."""
    text = gzip.decompress(path.read_bytes())
    begun = text.index(b"COPY public.orders ")
    path.write_bytes(gzip.compress(text[: text.index(b"\n4000\t", begun) + 1]))


CASES = {
    "custom cut": (Format.CUSTOM, Compression.GZIP, cut),
    "custom flipped": (Format.CUSTOM, Compression.GZIP, flip),
    "custom flipped, not packed": (Format.CUSTOM, Compression.NONE, flip),
    "directory member gone": (Format.DIRECTORY, Compression.GZIP, unlink_largest),
    "directory member flipped": (
        Format.DIRECTORY,
        Compression.GZIP,
        lambda path: flip(max(path.iterdir(), key=lambda one: one.stat().st_size)),
    ),
    "plain cut": (Format.PLAIN, Compression.GZIP, cut),
    "plain cut inside a copy": (Format.PLAIN, Compression.GZIP, cut_copy),
    "plain flipped": (Format.PLAIN, Compression.GZIP, flip),
}


def forge(one: Backup) -> Backup:
    """Make a manifest that fits damaged files: what a hash cannot see, since it was taken too late."""
    place = Path(one.folder)
    parts = [part._part(path, place, lambda: None) for path in part._files(place) if path.name not in ("manifest.json", "drilled.json")]
    forged = one.manifest.model_copy(update={"parts": tuple(parts)})
    (place / "manifest.json").write_text(forged.model_dump_json())
    return one.model_copy(update={"manifest": forged})


def damaged(store: Store, folder: Path, name: str) -> Backup:
    """Make a backup and damage it."""
    form, compression, damage = CASES[name]
    make(store, folder, format=form, compression=compression)
    (one,) = load(folder)
    damage(Path(one.folder) / one.manifest.dump)
    return one


@pytest.mark.parametrize("name", CASES)
def test_damage(store: Store, tmp_path: Path, name: str):
    """Every damage is told by check, and its drill refuses without a copy."""
    one = damaged(store, tmp_path / "b", name)
    problems = check(store, one)
    assert problems
    before = databases(store)
    wanted = "\n  - ".join([f"backup {one.id} of '{store.dbname}' did not hold", *problems])
    with pytest.raises(BackupFailed, match=f"^{re.escape(wanted)}$"):
        drill(store, one)
    assert databases(store) == before
    assert not load(tmp_path / "b")[0].verified


# A flipped bit in unpacked text is seen by the hash alone: every other look, a restore too, finds the right number of rows.
DEEP = sorted(set(CASES) - {"custom flipped, not packed"})


@pytest.mark.parametrize("name", DEEP)
def test_decode(store: Store, tmp_path: Path, name: str):
    """Damage from before the hash was taken is told by the full decode."""
    one = forge(damaged(store, tmp_path / "b", name))
    problems = check(store, one)
    assert problems
    assert all(re.match(r"dump(\.\S+)?: (cannot be decoded: |does not end with )", problem) for problem in problems)


@pytest.mark.parametrize("name", DEEP)
def test_restore(store: Store, tmp_path: Path, name: str):
    """Damage from before the hash was taken is told by the restore at the latest, and no copy is left of it."""
    one = forge(damaged(store, tmp_path / "b", name))
    before = databases(store)
    with pytest.raises(BackupFailed):
        drill(store, one)
    assert databases(store) == before
    assert not load(tmp_path / "b")[0].verified


def test_sentences(store: Store, tmp_path: Path):
    """Sizes, hashes, files that are gone and files that came are told, each by its name."""
    made = make(store, tmp_path / "b")
    (one,) = load(tmp_path / "b")
    place, parts = Path(one.folder), {part.name: part for part in made.parts}
    flip(place / "globals.sql")
    (place / "schema.sql").write_text("")
    (place / "dump.pgc").unlink()
    (place / "stray").write_text("")
    hash = part.digest(place / "globals.sql", lambda: None)
    assert check(store, one) == [
        "dump.pgc: is gone",
        f"globals.sql: SHA-256 {hash[:12]}, {parts['globals.sql'].sha256[:12]} in the manifest",
        f"schema.sql: 0 bytes, {parts['schema.sql'].size} in the manifest",
        "stray: in the folder, not in the manifest",
    ]


def test_cut_sentence(store: Store, tmp_path: Path):
    """A plain dump that was cut at a line's end decodes, and is told by its missing last words."""
    one = forge(damaged(store, tmp_path / "b", "plain cut inside a copy"))
    assert check(store, one) == ["dump.sql.gz: does not end with '-- PostgreSQL database dump complete': it was cut"]


def test_no_dump(tmp_path: Path):
    """A manifest that lists no dump is no proof of one."""
    one = put(tmp_path, id="a", at=1)
    bare = one.manifest.model_copy(update={"parts": (Part(name="globals.sql", size=0, sha256="e"),)})
    store = Store(host="db", user="u", dbname="shop")
    assert check(store, one.model_copy(update={"manifest": bare})) == ["globals.sql: is gone", "dump.pgc: not in the manifest"]


def test_hollow(bare: Store, tmp_path: Path):
    """A backup of nothing is told, however whole its files are."""
    make(bare, tmp_path / "b", first=True)
    (one,) = load(tmp_path / "b")
    assert check(bare, one) == []
    later = one.model_copy(update={"manifest": one.manifest.model_copy(update={"first": False})})
    (problem,) = check(bare, later)
    assert problem.endswith("holds no row, which is right on a first deployment only: was it the right database?")


def test_estimates(tmp_path: Path):
    """Of each migration the newest rehearsal counts, with its text; an unreadable record is no estimate, and no stray file."""
    old, new, cut = put(tmp_path, id="a", at=1), put(tmp_path, id="b", at=2), put(tmp_path, id="c", at=3)
    steps = {"expand": ("up 1_a 0123456789abcdef", "up 2_b same"), "settle": ("down 3_c other",)}
    record(new, Rehearsed(steps={"expand": ("up 2_b same",)}, histories={}, seconds={"2_b": 12.34}, at=1764000000))
    record(old, Rehearsed(steps=steps, histories={}, seconds={"1_a": 0.5, "2_b": 3, "4_d": 1}, at=1763900000))
    (Path(cut.folder) / "rehearsed.json").write_text("{")
    assert estimates(tmp_path, database="shop") == {
        "1_a@0123456789ab": "0.50 s in a rehearsal, 2025-11-23",
        "2_b@same": "12.34 s in a rehearsal, 2025-11-24",
    }
    assert not any("rehearsed.json" in one for one in part.wrong(Path(new.folder), (), lambda: None))
    assert estimates(tmp_path / "nowhere", database="shop") == {}
