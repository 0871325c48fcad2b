"""Restores: a database goes back because a person has asked one release for it."""

from __future__ import annotations

from pydantic import Field

from sluice.core.settings.kind import Duration, Text, Truth
from sluice.core.value import Value


class Instruction(Value):
    """What a person asks of one release: this database goes back to that backup, or to what was put aside."""

    release: Text = Field(description="the id of the release it is for, as preview shows it; void for any other")
    nonce: Text = Field(description="a word not used before for this database: its server knows which were, and does nothing twice")
    database: Text = Field(description="the database that goes back")
    backup: Text | None = Field(default=None, description="the id of the backup that it goes back to")
    aside: Text | None = Field(default=None, description="or what a restore has put aside, by its name, which takes the place again")
    refuse: Truth = Field(
        default=False, description="true: writes are refused from the restore's start, for a database that is being corrupted"
    )


class Aside(Value):
    """What becomes of a database that a restore has put aside: nothing else has the rows that came after the backup."""

    keep: Duration | None = Field(
        default=None,
        gt=0,
        description="how long it stays, at least as long as `window`, and the newest in any case; default: until somebody drops it",
    )
