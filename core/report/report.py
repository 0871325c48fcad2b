"""The report of one release, from the journal, stack history, records and the databases' own histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime

from sluice.core.contact import Contact
from sluice.core.errors import Refused
from sluice.core.journal import Event
from sluice.core.migration.row import Row
from sluice.core.record import Record
from sluice.core.report.attempt import Attempt
from sluice.core.report.criterion import Criterion
from sluice.core.report.incident import Chapter, Incident
from sluice.core.settings.approval import Given
from sluice.core.update import Update
from sluice.core.value import Value


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a stack. `events` in the order of the journal, `skipped` its lines that say nothing; `updates` and `records`
    newest first; `rows` by database; `due`, by release, the marks to come; `notes` what could not be found out."""

    stack: str
    events: Sequence[Event]
    skipped: int = 0
    updates: Sequence[Update] = ()
    records: Sequence[Record] = ()
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    approvals: Sequence[Given] = ()
    contacts: Sequence[Contact] = ()
    due: Mapping[str, Sequence[tuple[str, datetime]]] = field(default_factory=dict)
    notes: Sequence[str] = ()


class Came(StrEnum):
    """What became of a release."""

    LIVE = "live"
    REPLACED = "replaced"
    BACK = "gone back from"
    FAILED = "failed"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"
    HELD = "held"
    UNFINISHED = "unfinished"


class Migrated(Value):
    """A migration that a release ran, as the database's own history has it."""

    database: str
    name: str
    phase: str
    state: str
    way: str
    seconds: float | None = None
    error: str = ""


class Asked(Value):
    """What somebody asked for by the command, or what stack history says that they did; `came` is what came of it, where the command
    says so itself."""

    at: AwareDatetime
    who: str
    what: str
    why: str = ""
    came: str = ""


class Next(Value):
    """The release that came after it."""

    release: str
    at: AwareDatetime
    end: str
    said: str = ""


class Report(Value):
    """All that is known of one release. `before` is what was live when it began; `skipped` what it was proven without, each with
    who let it; `attempts` without the looks at a live release later, which are `marks`."""

    stack: str
    release: str
    version: str
    kind: str
    came: Came
    line: str
    who: str
    job: str | None = None
    git: str | None = None
    begun: AwareDatetime
    ended: AwareDatetime
    before: str = ""
    services: dict[str, str] = {}
    approvals: list[Given] = []
    skipped: dict[str, str] = {}
    attempts: list[Attempt] = []
    marks: list[Attempt] = []
    backups: dict[str, str] = {}
    migrations: list[Migrated] = []
    asked: list[Asked] = []
    next: Next | None = None
    incident: Incident | None = None
    criteria: list[Criterion] = []
    after: list[Chapter] = []
    log: list[Event] = []
    notes: list[str] = []
    made: AwareDatetime

    @property
    def last(self) -> Attempt:
        """Return the attempt that counts."""
        return self.attempts[-1]

    @property
    def seconds(self) -> float:
        """Return how long it took, from the first attempt's beginning."""
        return (self.ended - self.begun).total_seconds()


def choose(known: Known, asked: str | None) -> str:
    """Return the id of the release that is meant: by id or version, the newest of several; without a word the newest attempt."""
    written = dict.fromkeys(event.release for event in reversed(known.events) if event.run)
    if asked is None and written:
        return next(iter(written))
    found = [id for id in written if asked in (id, id.rpartition("-")[0])]
    if not found:
        missing = f"'{asked}' is not in the journal of '{known.stack}'"
        what = missing if asked is not None else f"the journal of '{known.stack}' has no release yet"
        raise Refused([f"{what}: {'known are ' + ', '.join(list(written)[:10]) if written else 'it begins with the next one'}"])
    return found[0]
