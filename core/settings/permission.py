"""Permissions: what one release may do once that no release may by itself."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Literal

from pydantic import Field

from sluice.core.database import Downgrade
from sluice.core.settings.kind import Loss, Text, Truth
from sluice.core.value import Value

# What people call the stack that everybody uses.
PRODUCTION = ("production", "prod", "live")
# What a release may go without, as people call it.
SKIPS = {"backup": "a backup", "tests": "its smoke tests"}


class Permission(Value):
    """What somebody allows one release: on its way to an older revision of its databases, past where others are held, without what all
    others go through."""

    release: Text = Field(description="the id of the release it is for, as preview shows it; void for any other")
    by: Text = Field(description="who allows it")
    nonce: Text = Field(description="a word not used before; a release that has been proven has spent it")
    downgrade: Downgrade | None = Field(
        default=None,
        description="needed: undo the contracts that the older version cannot run with; exact: undo all that is newer than its revision",
    )
    lossy: list[Loss] = Field(default=[], description="the migrations whose way back may lose data, each as 'database/revision'")
    whole: Truth = Field(default=False, description="go all the way, wherever `until` holds other releases")
    skip: Literal["backup", "tests"] | None = Field(
        default=None,
        description="backup: nothing is saved before this release, where it has no statements to run; tests: its smoke tests are left out, "
        "and it proves nothing to stacks that require it; neither in production",
    )


class Leave(Value):
    """What the permissions of a release come to; `lossy` are 'database/revision', `skipped` is what it may go without, each
    with who lets it."""

    downgrade: Downgrade | None = None
    lossy: tuple[str, ...] = ()
    whole: bool = False
    skipped: dict[str, str] = {}

    def of(self, database: str) -> tuple[str, ...]:
        """Return the revisions of a database whose way back may lose data."""
        return tuple(id for name, _, id in (one.rpartition("/") for one in self.lossy) if name == database)


class Ask(Value):
    """All it takes to write the command that asks for leave: the place in config, and whose it is. `void` says why what is there
    does not count."""

    release: str
    stack: str
    index: int = 0
    void: str = ""

    def command(self, downgrade: str, lossy: Sequence[str], nonce: str) -> str:
        """Return the command by which a person allows it."""
        path = f"sluice:rollout.permissions[{self.index}]"
        values = {"release": self.release, "nonce": nonce, "downgrade": downgrade}
        values |= {f"lossy[{number}]": one for number, one in enumerate(lossy)}
        # The shell of whoever runs it says who that is.
        words = [shlex.quote(f"{path}.{key}={value}") for key, value in values.items()] + [f'"{path}.by=$(id -un)"']
        return f"pulumi config set-all --path {' '.join(f'--plaintext {word}' for word in words)} --stack {shlex.quote(self.stack)}"


def leave(permissions: Iterable[Permission], release: str, spent: Set[str]) -> Leave:
    """Return what counts of them for a release: its own, with nonces that no proven release has spent."""
    mine = [one for one in permissions if one.release == release and one.nonce not in spent]
    asked = {one.downgrade for one in mine}
    how: Downgrade | None = "exact" if "exact" in asked else "needed" if "needed" in asked else None
    lossy = tuple(dict.fromkeys(id for one in mine for id in one.lossy))
    skipped = {what: who for what in SKIPS if (who := next((one.by for one in mine if one.skip == what), ""))}
    return Leave(downgrade=how, lossy=lossy, whole=any(one.whole for one in mine), skipped=skipped)


def without(skipped: Mapping[str, str]) -> str:
    """Say what a release goes without and by whose leave, as the end of a sentence; "" of one that goes through all."""
    told = [f"without {SKIPS.get(what, what)} by leave of '{who}'" for what, who in skipped.items()]
    return f", {' and '.join(told)}" if told else ""


def production(stack: str, requires: str, approvals: Sequence[str]) -> str:
    """Return why a stack is one on which nothing is left out, "" when it is not: `requires`, the stack that must prove its releases first,
    and `approvals`, the roles that must approve them."""
    if stack in PRODUCTION:
        return f"it is called '{stack}'"
    if requires:
        return f"its releases are proven on '{requires}' first"
    return f"its releases are approved by '{approvals[0]}'" if approvals else ""


def ask(permissions: Sequence[Permission], release: str, spent: Set[str], stack: str) -> Ask:
    """Return how to ask for leave where it is missing."""
    used = any(one.release == release and one.nonce in spent for one in permissions)
    other = permissions[-1] if permissions else None
    void = " again (the nonce of its permission is spent)" if used else ""
    if not used and other and other.release != release:
        void = f" ('{other.by}' has allowed '{other.release}')"
    return Ask(release=release, stack=stack, index=len(permissions), void=void)
