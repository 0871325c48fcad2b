"""What a backup says about itself, and what its drill has proved."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pydantic import Field

from sluice.core.backup.around import Around
from sluice.core.backup.format import Compression, Format, file
from sluice.core.value import Value

MANIFEST = "manifest.json"
DRILLED = "drilled.json"
REHEARSED = "rehearsed.json"
GLOBALS = "globals.sql"
SCHEMA = "schema.sql"
# The server's limit for names, in bytes.
NAME = 63
TRIAL = "_trial"
# What `name` writes. A record is a file, and files can be edited: nothing is dropped for a name that is none of these.
ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
# In seconds since the epoch: no time of a backup is beyond.
LATEST = 1e11


class Part(Value):
    """A file of a backup: its name inside, bytes, and SHA-256; of its encrypted copy (`name`.enc) too when there is one."""

    name: str
    size: int
    sha256: str
    sealed_size: int | None = None
    sealed_sha256: str | None = None


class Manifest(Value):
    """A whole backup: written last, so that a folder without it is none.

    `made_at` is when its snapshot was taken, in seconds since the epoch, `seconds` how long it took, `size` its bytes. `rows` is the exact
    count per `schema.table`, in the same snapshot as the dump. `sequences` is each one's value before and after the dump: sequences
    know no snapshot. `large` is how many large objects there are, and a digest of their contents. `shape` is the SHA-256 of the schema's
    text. `joint` names the moment of the snapshot where backups of other databases share it: theirs is the same text. `idle`: no
    transaction of the server was writing at that moment; `paused`: writers of these databases were held up for it. `first` says that an
    empty database was allowed. `owner` is the stack that made it, and the only one that may remove it; `around` what the database had
    around it.
    """

    id: str
    database: str
    made_at: float
    format: Format
    compression: Compression
    parts: tuple[Part, ...]
    client: str
    server: str
    system: str
    snapshot: str
    lsn: str
    revision: str | None = None
    rows: dict[str, int]
    sequences: dict[str, tuple[int, int]] = Field(default_factory=dict)
    large: tuple[int, str] | None = None
    shape: str
    seconds: float
    size: int
    joint: str = ""
    idle: bool = False
    paused: bool = False
    first: bool = False
    owner: str = ""
    around: Around | None = None
    for_release: str = ""
    notes: tuple[str, ...] = ()

    @property
    def dump(self) -> str:
        """Return the name of the dump itself, a file or, in directory format, a folder."""
        return file(self.format, self.compression)


class Drilled(Value):
    """A restore that held. `seconds` is by stage; `rto` is their sum up to the restored and compared copy, `at` in seconds since the epoch.

    `manifest` is the SHA-256 of the manifest that was proved: another manifest under the same name is not verified. `agreed` is what was
    found, by name, where the copies of several databases must come to the same.
    """

    at: float
    manifest: str
    scratch: str
    kept: bool
    seconds: dict[str, float]
    rto: float
    compared: tuple[str, ...]
    notes: tuple[str, ...] = ()
    agreed: dict[str, str] = {}


class Rehearsed(Value):
    """Migrations that went through on a copy of a backup; nothing else may run on the live database.

    By phase: `steps`, what ran (`Plan.contents`), and `histories`, the history that it was planned for (`Plan.basis`). `seconds` is what
    each took upwards, by its name, `lines` are for people. `late` has the SHA-256 of files that came up only as revisions ran. `at` is
    when all of a release's databases were ready, in seconds since the epoch; `manifest` as in `Drilled`.
    """

    at: float = Field(default=0.0, ge=0, le=LATEST, allow_inf_nan=False)
    manifest: str = ""
    steps: dict[str, tuple[str, ...]]
    histories: dict[str, str]
    seconds: dict[str, float] = {}
    lines: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


class Backup(Value):
    """A backup in a folder, with its drill and its rehearsal when they have held."""

    folder: str
    manifest: Manifest
    drilled: Drilled | None = None
    rehearsed: Rehearsed | None = None

    @property
    def id(self) -> str:
        """Return its name."""
        return self.manifest.id

    @property
    def verified(self) -> bool:
        """Say whether a restore of it has held."""
        return self.drilled is not None


def name(at: float, mark: str) -> str:
    """Return a backup's id: the time in UTC, and a random mark for two in one second."""
    return f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%SZ}-{mark}"


def scratch(dbname: str, id: str) -> str:
    """Return the name of the database that a drill restores into; a long database's own name is cut, never the id."""
    tail = f"_drill_{id.replace('-', '').lower()}"
    return dbname.encode()[: NAME - len(tail)].decode(errors="ignore") + tail


def trial(copy: str) -> str:
    """Return the name of the database in which a rehearsal works: never the copy's own, however long that is."""
    return copy.encode()[: NAME - len(TRIAL)].decode(errors="ignore") + TRIAL
