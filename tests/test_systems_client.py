"""What the client programs on this machine can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.core.backup.format import Compression, Format
from sluice.core.errors import BackupFailed, Refused
from sluice.core.store import Store
from sluice.systems.client import client, packing
from tests.fixtures.postgres import BIN

STORE = Store(host="db", user="u", dbname="shop", tools=str(BIN))


def fake(folder: Path, script: str) -> Store:
    """Put a pg_dump of ours into a folder."""
    (folder / "pg_dump").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "pg_dump").chmod(0o755)
    return STORE.model_copy(update={"tools": str(folder)})


def test_real():
    """The real client says its version, that it has statistics, and takes no compression that it was not built with."""
    seen = client(STORE)
    assert (seen.major, seen.statistics) == (18, True)
    assert seen.version.startswith("pg_dump (PostgreSQL) 18.")
    assert [packing(STORE, seen, form) for form in Format] == [Compression.GZIP] * 3


def test_old(tmp_path: Path):
    """A client before 16 has gzip, and is asked nothing more."""
    store = fake(tmp_path, "echo 'pg_dump (PostgreSQL) 15.18 (Debian)'")
    seen = client(store)
    assert (seen.major, seen.statistics) == (15, False)
    assert packing(store, seen, Format.CUSTOM) is Compression.GZIP


def test_best(tmp_path: Path):
    """The best compression that a client takes is chosen, for plain the best that Python unpacks."""
    store = fake(
        tmp_path,
        """case "$1" in
            --version) echo 'pg_dump (PostgreSQL) 18.6';;
            --compress=zstd*) echo 'pg_dump: error: this build does not support compression with ZSTD' >&2; exit 1;;
            --compress*) echo 'pg_dump: error: connection to server on socket "/nonexistent" failed: none' >&2; exit 1;;
        esac""",
    )
    seen = client(store)
    assert [packing(store, seen, form) for form in Format] == [Compression.LZ4, Compression.LZ4, Compression.GZIP]


def test_none(tmp_path: Path):
    """A client that takes nothing packs nothing; one that is no pg_dump, or is not there, is told."""
    assert packing(fake(tmp_path, "exit 1"), client(STORE), Format.CUSTOM) is Compression.NONE
    with pytest.raises(Refused, match=rf"^{tmp_path}/pg_dump: 'hello' names no version of PostgreSQL$"):
        client(fake(tmp_path, "echo hello"))
    with pytest.raises(BackupFailed, match=r"^'/none/pg_dump' cannot be started \(No such file or directory\): install it"):
        client(STORE.model_copy(update={"tools": "/none"}))
