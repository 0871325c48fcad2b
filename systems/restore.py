"""A backup's dump brought into an empty copy, which reaches nobody from before its first row."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from sluice.core.backup.archive import refreshes, split
from sluice.core.backup.format import Format
from sluice.core.backup.manifest import Backup
from sluice.core.backup.plain import between
from sluice.core.commands import dump as say
from sluice.core.store import Store
from sluice.systems.aside import PROTECT, compute, outside, protect
from sluice.systems.lock import connect
from sluice.systems.shelf import unpacked
from sluice.systems.tool import env, run, running

# For building indexes, for each job; the server's default of 64 MB sorts on disk. A crash costs a scratch database: it need not wait.
OPTIONS = "-c maintenance_work_mem=128MB -c synchronous_commit=off"

Look = Callable[[], None]


def restore(copy: Store, backup: Backup, *, jobs: int, look: Look) -> list[str]:
    """Restore a backup into an empty database and return what could not be done in a copy, each a sentence.

    A plain dump is one transaction, in which a computed view that reads another system fails the whole: use another format there.
    """
    dump, manifest = Path(backup.folder) / backup.manifest.dump, backup.manifest
    refresh = _archive(copy, dump, jobs, look) if manifest.format is not Format.PLAIN else _plain(copy, backup, look)
    with connect(copy, "drill") as connection:
        protect(connection)
        return [*outside(connection), *_refresh(connection, refresh, look)]


def _archive(copy: Store, dump: Path, jobs: int, look: Look) -> list[str]:
    """Restore in two runs, and return how to compute the views, which run a user's functions: what reaches out is put aside in between."""
    run(say.restore(copy, str(dump), sections=("pre-data",)), _env(copy), look)
    with connect(copy, "drill") as connection:
        protect(connection)
    with tempfile.TemporaryDirectory() as folder:
        rest, views = split(_said(say.contents(copy, str(dump)), copy, look))
        only = Path(folder) / "rest"
        only.write_text(rest)
        words = say.restore(copy, str(dump), sections=("data", "post-data"), only=str(only) if views else "", jobs=jobs)
        run(words, _env(copy), look)
        only.write_text(views)
        return refreshes(_said(say.script(copy, str(dump), only=str(only)), copy, look)) if views else []


def _plain(copy: Store, backup: Backup, look: Look) -> list[str]:
    chunks = between(unpacked(Path(backup.folder) / backup.manifest.dump, backup.manifest.compression), PROTECT.encode())
    with running(say.psql(copy), _env(copy), stdin=subprocess.PIPE) as psql:
        try:
            for chunk in chunks:
                psql.feed.write(chunk)
            psql.feed.close()
        except BrokenPipeError:
            psql.process.wait()  # it has said why
        psql.wait(look)
    return []


def _env(copy: Store) -> dict[str, str]:
    return env(copy, PGOPTIONS=OPTIONS)


def _said(argv: list[str], copy: Store, look: Look) -> str:
    with tempfile.TemporaryFile() as out:
        run(argv, env(copy), look, stdout=out)
        out.seek(0)
        return out.read().decode()


def _refresh(connection: psycopg.Connection[Any], statements: list[str], look: Look) -> list[str]:
    notes = []
    for statement in statements:
        look()
        notes += compute(connection, statement)
    return notes
