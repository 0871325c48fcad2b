"""Approvals: facts in config, each for one release and for one attempt."""

from __future__ import annotations

import shlex
from collections.abc import Set
from itertools import count

from pydantic import Field

from sluice.core.settings.kind import Name, Text, Truth
from sluice.core.value import Value


class Given(Value):
    """What somebody has approved."""

    release: Text = Field(description="the id of the release it is for, as preview shows it; void for any other")
    by: Text = Field(description="who approves")
    role: Name = Field(description="in which role")
    nonce: Text = Field(description="a word not used before; a release that has been proven has spent it")


class Approvals(Value):
    """Who must approve a release before it begins, and who has."""

    required: list[Name] = Field(default=[], description="the roles that must approve")
    given: list[Given] = Field(default=[], description="the approvals; what they do not fit they do not count for")
    migrations: Truth = Field(
        default=False, description="true: each migration that a release brings must be in the list `REVIEWED` beside it, as it is"
    )


def missing(approvals: Approvals, release: str, spent: Set[str]) -> list[str]:
    """Return a reason, with the command that mends it, for each required role whose approval of a release does not count yet."""
    roles = [role for role in dict.fromkeys(approvals.required) if not _counts(approvals, role, release, spent)]
    taken = {given.nonce for given in approvals.given} | spent
    fresh = (str(number) for number in count(1) if str(number) not in taken)
    start = len(approvals.given)
    return [
        f"'{role}' has not approved '{release}'{_void(approvals, role, release)}; run: {command(index, release, role, next(fresh))}"
        for index, role in enumerate(roles, start)
    ]


def _counts(approvals: Approvals, role: str, release: str, spent: Set[str]) -> bool:
    return any(given.role == role and given.release == release and given.nonce not in spent for given in approvals.given)


def _void(approvals: Approvals, role: str, release: str) -> str:
    """Say why the last approval in a role does not count."""
    mine = [given for given in approvals.given if given.role == role]
    if not mine:
        return ""
    if any(given.release == release for given in mine):
        return " again (its nonce is spent)"
    return f" ('{mine[-1].by}' has approved '{mine[-1].release}')"


def command(index: int, release: str, role: str, nonce: str) -> str:
    """Return the command by which a person approves a release."""
    values = {"release": release, "role": role, "nonce": nonce}
    path = f"sluice:rollout.approvals.given[{index}]"
    # The shell of whoever runs it says who that is.
    words = [shlex.quote(f"{path}.{key}={value}") for key, value in values.items()] + [f'"{path}.by=$(id -un)"']
    return "pulumi config set-all --path " + " ".join(f"--plaintext {word}" for word in words)
