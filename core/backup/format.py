"""Formats and compressions of a dump, and what a client can do, read from its own words."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum


class Format(StrEnum):
    """How a dump is laid out: `custom` one file, `directory` many (dumped in parallel), `plain` SQL for psql."""

    CUSTOM = "custom"
    DIRECTORY = "directory"
    PLAIN = "plain"


class Compression(StrEnum):
    """What packs a dump, best first: at gzip's size zstd takes a third of its time."""

    ZSTD = "zstd"
    LZ4 = "lz4"
    GZIP = "gzip"
    NONE = "none"

    @property
    def level(self) -> str:
        """Return what `--compress` takes; levels 1 to 5 of zstd and 1 to 3 of gzip rank best in speed and size together."""
        return {Compression.ZSTD: "zstd:3", Compression.LZ4: "lz4:1", Compression.GZIP: "gzip:3", Compression.NONE: "none"}[self]


# Clients before 16 take a number for --compress, and know gzip only.
METHODS = 16
VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.\d+)?")
# A client that has accepted all options fails at the server that the probe names, which is not there.
ACCEPTED = re.compile(r"connection to server .* failed")
# Plain dumps are unpacked here, while psql reads: Python 3.11 brings gzip only.
PLAIN = (Compression.GZIP, Compression.NONE)
SUFFIX = {Compression.GZIP: ".gz", Compression.NONE: ""}


def major(version: str) -> int:
    """Return a client's major version from what `--version` prints; ValueError for anything else."""
    found = VERSION.search(version)
    if not found:
        raise ValueError(f"'{version.strip()[:80]}' names no version of PostgreSQL")
    return int(found[1])


def accepted(said: str) -> bool:
    """Say whether a client took its options: a probe (`commands.dump.probe`) then fails at its server, not before."""
    return ACCEPTED.search(said) is not None


def best(offered: Callable[[Compression], bool], form: Format) -> Compression:
    """Return the best compression that a client offers for a format; none when it offers nothing.

    It is asked best first, and no further than needed: each question may start a process.
    """
    fit = PLAIN if form is Format.PLAIN else tuple(Compression)
    return next((one for one in fit if offered(one)), Compression.NONE)


def file(form: Format, compression: Compression) -> str:
    """Return the name of a dump inside its backup."""
    if form is Format.PLAIN:
        return f"dump.sql{SUFFIX[compression]}"
    return "dump.pgc" if form is Format.CUSTOM else "dump"
