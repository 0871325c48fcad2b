"""Backups of a database: made from one snapshot, whole or not there, with a manifest written last.

A backup is the folder `<folder>/<database>/<id>/`. While it is made it is `.<id>.<system>.partial` beside that name; what
a killed deployer left of one is removed by the next step that holds the lock.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from sluice.core.backup.format import Compression, Format, file
from sluice.core.backup.manifest import GLOBALS, MANIFEST, SCHEMA, Manifest, name
from sluice.core.backup.room import Room
from sluice.core.backup.rule import hollow, nothing
from sluice.core.backup.schema import digest, normal
from sluice.core.clock import Clock, SystemClock
from sluice.core.commands import dump as say
from sluice.core.errors import BackupFailed, Refused, Unreachable
from sluice.core.store import Store, odd
from sluice.systems import room
from sluice.systems.able import unsaved
from sluice.systems.client import Client, client, packing
from sluice.systems.moment import Taken, take
from sluice.systems.part import parts, seal, settle
from sluice.systems.postgres import primary
from sluice.systems.source import Source
from sluice.systems.tool import env, run, running

PARTIAL = ".partial"


@dataclass(frozen=True)
class Plan:
    """How one backup is made."""

    store: Store
    format: Format
    compression: Compression
    client: Client
    jobs: int
    clean: bool
    look: Callable[[], None]


def make(
    store: Store,
    folder: Path,
    *,
    format: Format = Format.CUSTOM,
    compression: Compression | None = None,
    jobs: int = 1,
    clean: bool = False,
    revision: str | None = None,
    first: bool = False,
    release: str = "",
    owner: str = "",
    system: str = "",
    encrypt: Sequence[str] = (),
    taken: Taken | None = None,
    wait: float = 60.0,
    clock: Clock | None = None,
) -> Manifest:
    """Dump a database into `<folder>/<database>/<id>/` and return its manifest.

    `compression` None takes the best that pg_dump offers; `jobs` are for the directory format; `clean` makes a plain dump drop what it
    makes. `first` allows an empty database. `owner` is the stack that it is for. `system` is the expected system identifier. `encrypt`
    is a command that reads a file from stdin and writes it to stdout, run for each file (age, gpg); the plain ones stay beside, since the
    drill reads them. `taken` is the moment to save, where it is shared with other databases; else it is now, and up to `wait` seconds are
    waited for the database's lock.
    Refused when it must not begin, BackupFailed when it did not hold, Interrupted when its lock was ended: then nothing is left.
    """
    clock = clock or SystemClock()
    try:
        with nullcontext([taken]) if taken else take([store], wait=wait, clock=clock) as (moment,):
            home, source = _home(folder, store.dbname), moment.source
            _sweep(home, source.system)
            asked = client(store)
            plan = Plan(store, format, compression or packing(store, asked, format), asked, jobs, clean, moment.lock.check)
            _fit(source, plan, home, system=system, first=first, double=bool(encrypt))
            shared = {"joint": moment.joint, "idle": moment.idle, "paused": moment.paused}
            facts = {"revision": revision, "first": first, "for_release": release, "owner": owner, **shared}
            return _make(source, plan, home, facts, encrypt, clock)
    except psycopg.Error as error:
        raise Unreachable(f"database {store.place}: {primary(error)}") from None


def _home(folder: Path, dbname: str) -> Path:
    """Return the folder of one database's backups, made for its user alone; Refused when others may look into it."""
    home = folder / dbname
    if why := odd(dbname):
        raise Refused([f"database '{dbname}' {why}"])
    if not folder.is_absolute():
        raise Refused(
            [f"'{folder}' is no absolute path, and would be another folder for each program: name the folder for backups from / on"]
        )
    for one in (folder, home):
        if one.is_symlink() and not one.exists():
            raise Refused(
                [f"'{one}' is a link to '{one.readlink()}', which is not there: make that folder, or name another one for backups"]
            )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Refused([f"'{home}' cannot be made ({error.strerror}): name another folder for backups"]) from None
    mode = home.stat().st_mode & 0o777
    if mode & 0o077:
        raise Refused([f"'{home}' has mode {mode:04o}, not 0700, and backups are as secret as the database: run chmod 700 '{home}'"])
    if not os.access(home, os.W_OK | os.X_OK):
        raise Refused([f"'{home}' cannot be written: it is another user's, or on a file system that is read-only: name another folder"])
    return home


def _sweep(home: Path, system: str) -> None:
    """Remove what a killed deployer has left half made: of this server, whose lock is held; another's may be at work in the same folder."""
    for left in home.glob(f".*.{system}{PARTIAL}"):
        shutil.rmtree(left)


def _fit(source: Source, plan: Plan, home: Path, *, system: str, first: bool, double: bool) -> None:
    """Refuse, with all reasons at once, what would fail in the middle."""
    wanted = Room(folder=str(home), compression=plan.compression, double=double).wanted(source.size)
    reasons = [*_same(source, plan.store, system), *room.tight(home, wanted)]
    if plan.client.major < source.major:
        reasons.append(
            f"pg_dump {plan.client.major} cannot dump a server {source.major}: install the client of {source.major}, or point `tools` to it"
        )
    wrong = unsaved(source, plan.store.user)
    reasons += wrong
    if not (first or wrong or source.filled()):
        reasons.append(nothing(source.database))
    if reasons:
        raise Refused(reasons, headline=f"no backup of {plan.store.place} was begun")


def _same(source: Source, store: Store, system: str) -> list[str]:
    wrong = []
    if source.database != store.dbname:
        wrong.append(f"the server connected to database '{source.database}', not '{store.dbname}': a pooler may have renamed it")
    if system and source.system != system:
        wrong.append(f"the server is system {source.system}, not {system}: is {store.host}:{store.port} the right one?")
    return wrong


def _make(source: Source, plan: Plan, home: Path, facts: dict[str, Any], encrypt: Sequence[str], clock: Clock) -> Manifest:
    begun, id = clock.now(), name(source.taken, secrets.token_hex(2))
    partial = home / f".{id}.{source.system}{PARTIAL}"
    try:
        partial.mkdir(mode=0o700)
        found = _write(source, plan, partial)
        written = parts(partial, plan.look, jobs=plan.jobs)
        if encrypt:
            written = seal(partial, written, encrypt, env(plan.store), plan.look)
        sums = {"parts": written, "size": sum(one.size for one in written), "seconds": clock.now() - begun}
        manifest = Manifest.model_validate({"id": id, **_known(source, plan), **facts, **found, **sums})
        if reason := hollow(manifest):
            raise BackupFailed(reason)
        plan.look()
        settle(partial, home / id, MANIFEST, manifest.model_dump_json(indent=1))
        return manifest
    except OSError as error:
        raise BackupFailed(f"'{partial}' cannot be written ({error.strerror}): make room, then try again") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _known(source: Source, plan: Plan) -> dict[str, Any]:
    names = ("database", "server", "system", "snapshot", "lsn")
    how = {"format": plan.format, "compression": plan.compression, "client": plan.client.version, "made_at": source.taken}
    return {name: getattr(source, name) for name in names} | how | {"around": source.around()}


def _write(source: Source, plan: Plan, to: Path) -> dict[str, Any]:
    """Dump and, while that runs, count in the same snapshot."""
    store, before = plan.store, source.sequences()
    with running(_dump(source, plan, to), env(store)) as dump:

        def look() -> None:
            plan.look()
            if dump.over:
                dump.wait(plan.look)  # raises at once when it has failed, before hours of counting

        run(say.schema(store, to=str(to / SCHEMA), snapshot=source.snapshot), env(store), look)
        run(say.globals(store, to=str(to / GLOBALS), passwords=source.superuser), env(store), look)
        rows, large = source.rows(look), source.large()
        notes = dump.wait(plan.look)
    after = source.sequences()
    spans = {one: (value, after.get(one, value)) for one, value in before.items()}
    return {"rows": rows, "sequences": spans, "large": large, "shape": digest(normal((to / SCHEMA).read_text())), "notes": notes}


def _dump(source: Source, plan: Plan, to: Path) -> list[str]:
    return say.dump(
        plan.store,
        to=str(to / file(plan.format, plan.compression)),
        form=plan.format,
        compression=plan.compression,
        client=plan.client.major,
        snapshot=source.snapshot,
        jobs=plan.jobs,
        clean=plan.clean,
        statistics=plan.client.statistics,
    )
