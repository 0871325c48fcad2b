"""What a proven release was: enough to tell what is live, and to go back to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from pydantic import AwareDatetime, Field, ValidationError

from sluice.core.errors import Unreachable
from sluice.core.value import Value

Kind = Literal["configuration", "patch", "minor", "major", "hotfix"]

# Enough for weeks of daily releases, small enough to travel with every update (a few KiB a record).
KEEP = 20
# It keeps the engine from taking a line for JSON and spreading it out.
MARK = "release "
STRANGE = "a line of the output `proven` is no record that this Sluice can read: update it if a newer one has deployed this stack"


class Built(Value):
    """One service in a release. `name` is `service@version-hash`; `spec` (`core.spec.Spec.text`) all it takes to declare it again."""

    name: str
    version: str
    digest: str = ""
    spec: str = ""


class Record(Value):
    """A release that passed everything. `schema` is the revision of each database that it has migrations for, `backups` what was saved
    before them, ids by database, `took` the seconds of each that it ran, by 'database/key'; `skipped` is what it went without, each with
    who let it (core.settings.permission); `git` is the program's commit, `approvals` the nonces it has spent. `marks` is when it passed
    which, and is written when another one becomes live: until then an output of its own says so."""

    id: str
    version: str
    kind: Kind
    services: dict[str, Built]
    # The wire says `schema`, a name that pydantic keeps for itself.
    schema_: dict[str, str] = Field(default={}, alias="schema")
    backups: dict[str, str] = {}
    took: dict[str, float] = {}
    git: str | None = None
    by: str | None = None
    approvals: list[str] = []
    skipped: dict[str, str] = {}
    at: AwareDatetime
    marks: dict[str, AwareDatetime] = {}

    model_config = Value.model_config | {"populate_by_name": True, "serialize_by_alias": True}

    @property
    def text(self) -> str:
        """Return the record as one line, for `parse`: twenty of them stand below every update, and none is to fill a screen."""
        return MARK + self.model_dump_json(exclude_defaults=True, by_alias=True)

    @classmethod
    def parse(cls, text: str) -> Record:
        """Return the record of a line; Unreachable when it is none that this Sluice can read."""
        try:
            return cls.model_validate_json(text.removeprefix(MARK))
        except ValidationError:
            raise Unreachable(STRANGE) from None

    @property
    def shown(self) -> dict[str, Any]:
        """Return the record as other stacks and people read it, as plain data."""
        return self.brief.model_dump(mode="json", exclude_defaults=True, by_alias=True)

    @property
    def names(self) -> set[str]:
        """Return the names of its versions."""
        return {built.name for built in self.services.values()}

    @property
    def brief(self) -> Record:
        """Return the record without its specs: all that is needed of a release that runs no more."""
        services = {name: built.model_copy(update={"spec": ""}) for name, built in self.services.items()}
        return self.model_copy(update={"services": services})


def prove(record: Record, previous: Iterable[Record], *, keep: int = KEEP) -> list[Record]:
    """Return the proven releases with this one in front, newest first, each id once.

    The live one recorded again keeps its time and its marks; an older one (a rollback) comes to the front with a new time.
    What was once spent stays spent, also when its release falls off the end.
    """
    known = list(previous)
    same = [old for old in known if old.id == record.id]
    spent = [nonce for old in same for nonce in old.approvals]
    live = known[0] if known and known[0].id == record.id else None
    changes: dict[str, Any] = {"at": live.at, "marks": live.marks} if live else {}
    others = [old for old in known if old.id != record.id]
    spent += [nonce for old in others[keep - 1 :] for nonce in old.approvals]
    changes["approvals"] = list(dict.fromkeys(spent + record.approvals))
    ordered = [record.model_copy(update=changes), *others][:keep]
    left = before(ordered)
    # Only what stands is declared from its record; anything older comes back through stack history.
    standing = {ordered[0].id, *([left[0].id] if left else [])}
    return [one if one.id in standing else one.brief for one in ordered]


def before(proven: Sequence[Record]) -> tuple[Record, datetime] | None:
    """Return the newest earlier release that ran other versions than the live one, and when it ceased to be live.

    A release of flags alone runs the versions of the one before it, and does not take the way back.
    """
    for newer, older in pairwise(proven):
        if older.names != proven[0].names and all(built.spec for built in older.services.values()):
            return older, newer.at
    return None
