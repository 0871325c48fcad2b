"""Backups on disk: which there are, whether they are still what they were, and which may go."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import zlib
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from sluice.core.backup.format import Compression, Format
from sluice.core.backup.manifest import DRILLED, MANIFEST, REHEARSED, Backup, Drilled, Manifest, Rehearsed
from sluice.core.backup.rule import durations, expendable, hollow
from sluice.core.commands import dump as say
from sluice.core.errors import BackupFailed
from sluice.core.store import Store
from sluice.systems.files import sync, write
from sluice.systems.part import CHUNK, wrong
from sluice.systems.tool import env, run

# Since the fix of 2025 an \unrestrict line and blanks follow the marker: it is looked for in the end, not at it.
COMPLETE = b"\n-- PostgreSQL database dump complete\n"
END = 512
GONE = ".gone"

Look = Callable[[], None]
Record = TypeVar("Record", Drilled, Rehearsed)


def load(folder: Path, *, database: str = "", owner: str | None = None, system: str = "") -> list[Backup]:
    """Return the backups in a folder, of one database or of all, newest first; those that cannot be read are told by `broken`.

    `owner` and `system` leave out those of another stack or server: a folder may be shared, and so may a database's name.
    """
    found = [one for one in _read(folder, database) if isinstance(one, Backup) and _of(one.manifest, owner, system)]
    return sorted(found, key=lambda one: (one.manifest.made_at, one.id), reverse=True)


def _of(manifest: Manifest, owner: str | None, system: str) -> bool:
    return owner in (None, manifest.owner) and system in ("", manifest.system)


def broken(folder: Path, *, database: str = "") -> list[str]:
    """Return a sentence for each backup whose manifest, or whose drill's record, cannot be read."""
    return [one for one in _read(folder, database) if isinstance(one, str)]


def _read(folder: Path, database: str) -> Iterator[Backup | str]:
    # A name with a dot in front is being made, or being removed.
    # A database's name is no pattern.
    homes = [folder / database] if database else sorted(folder.glob("*"))
    for place in [place for home in homes for place in sorted(home.glob("[!.]*"))]:
        if not place.is_dir() or place.parent.name.startswith("."):
            continue
        try:
            yield _backup(place)
        except FileNotFoundError:
            yield f"'{place}' has no {MANIFEST}, so it is no backup: remove it"
        except (OSError, ValueError) as error:
            yield f"'{place}' cannot be read ({_why(error)}): do not rely on it"


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(str(part) for part in first['loc']) or MANIFEST}: {first['msg']}"
    return str(error) if isinstance(error, ValueError) else type(error).__name__


def _backup(place: Path) -> Backup:
    text = (place / MANIFEST).read_text()
    manifest = Manifest.model_validate_json(text)
    if (manifest.database, manifest.id) != (place.parent.name, place.name):
        raise ValueError(f"its manifest is of '{manifest.database}' {manifest.id}")
    drilled, rehearsed = _tied(Drilled, place / DRILLED, text), _tied(Rehearsed, place / REHEARSED, text)
    return Backup(folder=str(place), manifest=manifest, drilled=drilled, rehearsed=rehearsed)


def _tied(kind: type[Record], path: Path, manifest: str) -> Record | None:
    if not path.exists():
        return None
    found = kind.model_validate_json(path.read_text())
    return found if found.manifest == proof(manifest) else None


def proof(manifest: str) -> str:
    """Return what ties a drill to a manifest's text: its SHA-256."""
    return hashlib.sha256(manifest.encode()).hexdigest()


def record(backup: Backup, held: Record) -> Record:
    """Write down that a drill or a rehearsal has held, tied to the manifest as it is on disk; return what was written."""
    place = Path(backup.folder)
    tied = held.model_copy(update={"manifest": proof((place / MANIFEST).read_text())})
    write(place / (DRILLED if isinstance(held, Drilled) else REHEARSED), tied.model_dump_json(indent=1), mode=0o600)
    return tied


def estimates(folder: Path, *, database: str) -> dict[str, str]:
    """Return how long each migration took when it was last rehearsed, as sentences by its key; what cannot be read is no estimate."""
    found: dict[str, str] = {}
    for backup in reversed(load(folder, database=database)):
        if one := backup.rehearsed:
            when = datetime.fromtimestamp(one.at, UTC)
            found |= {key: f"{seconds:.2f} s in a rehearsal, {when:%Y-%m-%d}" for key, seconds in durations(one).items()}
    return found


def prune(folder: Path, *, database: str, needed: Collection[str], keep: int, owner: str | None = None, system: str = "") -> list[str]:
    """Remove the backups of a database that may go (`rule.expendable`), and return their ids, oldest first; `owner`, `system`: see `load`.

    Run it after a new backup is verified, never before.
    """
    gone = expendable(load(folder, database=database, owner=owner, system=system), needed, keep)
    for backup in gone:
        _remove(Path(backup.folder))
    return [backup.id for backup in gone]


def _remove(place: Path) -> None:
    """Take the name away first: half a backup is never found."""
    doomed = place.with_name(f".{place.name}{GONE}")
    place.rename(doomed)
    sync(doomed.parent)
    shutil.rmtree(doomed)


def check(store: Store, backup: Backup, *, decode: bool = True, look: Look = lambda: None) -> list[str]:
    """Return everything that is wrong with a backup's files, each a sentence: sizes, SHA-256, and every block decoded.

    One that exists only encrypted is checked by size and hash. `store` is asked for nothing but its tools. `decode` False leaves archives
    to the restore that follows, which decodes every block itself; a plain dump is always read to its end.
    """
    place, manifest = Path(backup.folder), backup.manifest
    problems = [*wrong(place, manifest.parts, look), *filter(None, [hollow(manifest)])]
    if not any(part.name.split("/")[0] == manifest.dump for part in manifest.parts):
        return [*problems, f"{manifest.dump}: not in the manifest"]
    if not (place / manifest.dump).exists() or not (decode or manifest.format is Format.PLAIN):
        return problems
    return problems + _decode(store, place / manifest.dump, manifest, look)


def _decode(store: Store, dump: Path, manifest: Manifest, look: Look) -> list[str]:
    if manifest.format is Format.PLAIN:
        return _complete(dump, manifest.compression, look)
    try:
        run(say.decode(store, str(dump)), env(store), look)
    except BackupFailed as error:
        return [f"{dump.name}: cannot be decoded: {'; '.join([str(error).partition(chr(10))[0], *error.reasons])}"]
    return []


def _complete(dump: Path, compression: Compression, look: Look) -> list[str]:
    """A cut plain dump restores without an error, and without its last rows: only its marker says that it is whole."""
    end = b""
    try:
        for count, chunk in enumerate(unpacked(dump, compression)):
            end = (end + chunk)[-END:]
            if count % 256 == 255:
                look()
    except (OSError, EOFError, zlib.error) as error:
        return [f"{dump.name}: cannot be decoded: {error}"]
    return [] if COMPLETE in end else [f"{dump.name}: does not end with '{COMPLETE.decode().strip()}': it was cut"]


def unpacked(dump: Path, compression: Compression) -> Iterator[bytes]:
    """Yield a plain dump's text in chunks."""
    with gzip.open(dump) if compression is Compression.GZIP else dump.open("rb") as file:
        yield from iter(lambda: file.read(CHUNK), b"")
