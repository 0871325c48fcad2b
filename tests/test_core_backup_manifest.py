"""What a backup says about itself."""

from typing import Any

import pytest
from pydantic import ValidationError

from sluice.core.backup import manifest as manifests
from sluice.core.backup.format import Compression, Format
from sluice.core.backup.manifest import Backup, Drilled, Manifest, Part, Rehearsed, name, scratch

ID = "20261124T160000Z-3fa2"


def manifest(**more: Any) -> Manifest:
    """Return a manifest of two tables."""
    known = {"id": ID, "database": "shop", "made_at": 1000.0, "format": "custom", "compression": "gzip", "shape": "a" * 64}
    known |= {"client": "pg_dump (PostgreSQL) 18.6", "server": "18.6", "system": "7", "snapshot": "s", "lsn": "0/1"}
    known |= {"rows": {"public.a": 3, "public.b": 0}, "sequences": {"public.s": (5, 7)}, "seconds": 1.5, "size": 9}
    return Manifest.model_validate({**known, "parts": [Part(name="dump.pgc", size=9, sha256="b" * 64)], **more})


def drilled(**more: Any) -> Drilled:
    """Return a drill that has held."""
    return Drilled.model_validate(
        {
            "at": 1.0,
            "manifest": "c",
            "scratch": "x",
            "kept": True,
            "seconds": {"restore": 2.0},
            "rto": 2.0,
            "compared": ["the schema"],
            **more,
        }
    )


def test_name():
    """An id sorts by time, in UTC, and two of one second differ."""
    assert name(1_795_536_000.9, "3fa2") == ID


def test_scratch():
    """A drill's database is named after what it copies and what it proves; a long name is cut at whole letters, the id never."""
    assert scratch("shop", ID) == "shop_drill_20261124t160000z3fa2"
    long = scratch("ü" * 40, ID)
    assert long == "ü" * 18 + "_drill_20261124t160000z3fa2"
    assert len(scratch("s" * 63, ID)) == 63


def test_wire():
    """A manifest survives its way through JSON."""
    made = manifest(format="plain", paused=True, notes=["n"])
    assert Manifest.model_validate_json(made.model_dump_json()) == made
    assert (made.format, made.compression, made.dump) == (Format.PLAIN, Compression.GZIP, "dump.sql.gz")


def test_verified():
    """A backup is verified when a drill of it has held, and only then."""
    assert not Backup(folder="/f", manifest=manifest()).verified
    assert Backup(folder="/f", manifest=manifest(), drilled=drilled()).verified
    assert Backup(folder="/f", manifest=manifest()).id == ID


@pytest.mark.parametrize("at", [float("nan"), float("inf"), -1.0, 1e20])
def test_a_time_that_is_none(at: float):
    """A record that was edited is never younger than all that can be."""
    with pytest.raises(ValidationError):
        Rehearsed(at=at, steps={}, histories={})


def test_id():
    """What a backup is called can be told from what a team calls things."""
    assert manifests.ID.fullmatch(name(1764000000.0, "0a1f"))
    assert not manifests.ID.fullmatch("y")
