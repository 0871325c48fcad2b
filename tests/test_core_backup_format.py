"""Formats, compressions, and what a client says about itself."""

import pytest

from sluice.core.backup.format import Compression, Format, accepted, best, file, major

ALL = list(Compression)


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("pg_dump (PostgreSQL) 18.6\n", 18),
        ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15),
        ("pg_dump (PostgreSQL) 19beta1", 19),
    ],
)
def test_major(said: str, number: int):
    """The major version is read whatever the packager appends."""
    assert major(said) == number


def test_no_version():
    """Something else that calls itself pg_dump is refused."""
    with pytest.raises(ValueError, match=r"^'command not found' names no version of PostgreSQL$"):
        major("command not found\n")


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ('pg_dump: error: connection to server on socket "/nonexistent/.s.PGSQL.5432" failed: No such file', True),
        ("pg_dump: error: invalid compression specification: this build does not support compression with ZSTD", False),
        ('pg_dump: error: invalid value "zstd:3" for option -Z/--compress', False),
        ("", False),
    ],
)
def test_accepted(said: str, taken: bool):
    """Only a client that got as far as its server has accepted the compression: silence is no consent."""
    assert accepted(said) is taken


@pytest.mark.parametrize(
    ("offered", "form", "chosen"),
    [
        (ALL, Format.CUSTOM, Compression.ZSTD),
        ([Compression.GZIP, Compression.LZ4], Format.DIRECTORY, Compression.LZ4),
        ([Compression.GZIP, Compression.NONE], Format.CUSTOM, Compression.GZIP),
        (ALL, Format.PLAIN, Compression.GZIP),
        ([], Format.CUSTOM, Compression.NONE),
    ],
)
def test_best(offered: list[Compression], form: Format, chosen: Compression):
    """The first of zstd, lz4, gzip, none that the client offers is taken; plain dumps are unpacked by Python, which has gzip."""
    assert best(offered.__contains__, form) is chosen


def test_file():
    """Each format has a name that says how to read it."""
    named = [file(form, Compression.GZIP) for form in Format] + [file(Format.PLAIN, Compression.NONE)]
    assert named == ["dump.pgc", "dump", "dump.sql.gz", "dump.sql"]
