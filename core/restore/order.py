"""A restore that was asked for, and how far it has come: a row beside the databases, in their own server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from sluice.core.backup.manifest import NAME
from sluice.core.value import Value

# `begun` may be a restore that runs, or one whose deployer died; `left` has been undone; `swapped` is final.
State = Literal["begun", "swapped", "left"]
# The setting of a whole database by which its writes are refused.
READONLY = "default_transaction_read_only"


class Order(Value):
    """Who wants which backup in place of a database.

    `nonce` is a word not used before: a restore that is done is never done again. `release` is the release that it is part of.
    """

    nonce: str
    backup: str
    release: str = ""


class Restore(Value):
    """An order on its way. `copy_` is the database that takes the place, `made` whether this order has made it.

    `refused`: writes are refused meanwhile, by a setting that had the value `before`. `revision` is the old database's, None when nobody
    knows. Once swapped, `aside` is what the old database is called (its oid is `old`), `rows` what the new one had by table, and `seconds`
    for how long nobody could write.
    """

    database: str
    nonce: str
    backup: str
    release: str = ""
    copy_: str
    made: bool = False
    state: State = "begun"
    refused: bool = False
    before: str | None = None
    revision: str | None = None
    old: int | None = None
    aside: str = ""
    rows: dict[str, int] = {}
    seconds: float = 0.0


class Aside(Value):
    """A database that was put aside: `since` in seconds since the epoch, `size` in bytes, `backup` what took its place.

    `revision` is its schema's, None when nobody knows: nobody can look into it.
    """

    database: str
    name: str
    since: float
    size: int
    backup: str
    revision: str | None = None

    @property
    def line(self) -> str:
        """Return what people are told of it."""
        at = f"{datetime.fromtimestamp(self.since, UTC):%Y-%m-%d %H:%M:%S} UTC"
        why = f"'{self.backup}' took its place, and nothing else has all of its rows"
        return f"'{self.name}' was put aside at {at}, {self.size / 2**20:.1f} MiB: {why}"


class Restored(Value):
    """A restore that is done: what people are told. `again`: it had been done before, and nothing was done now."""

    database: str
    backup: str
    aside: str
    seconds: float
    revision: str | None = None
    lines: tuple[str, ...] = ()
    again: bool = False


def aside(dbname: str, at: float, mark: str) -> str:
    """Return the name for a database that is put aside at a time; a long database's own name is cut, never the time."""
    tail = f"_aside_{datetime.fromtimestamp(at, UTC):%Y%m%dt%H%M%Sz}{mark}"
    return dbname.encode()[: NAME - len(tail)].decode(errors="ignore") + tail


def expired(found: Sequence[Aside], keep: float, now: float) -> list[Aside]:
    """Return those of one database's, newest first, that may go after `keep` seconds: never the newest, which is the last way back."""
    return [one for one in found[1:] if one.since + keep < now]
