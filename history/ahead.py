"""What bringing out a release takes, as the plain commands that anybody may type; and what it would be, before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sluice.core.errors import Refused
from sluice.core.record import Record
from sluice.core.rollback.block import data
from sluice.core.settings.parse import draft
from sluice.core.settings.permission import leave, production
from sluice.core.settings.release import Release
from sluice.core.settings.rollout import Rollout
from sluice.core.settings.tree import RELEASE, ROLLOUT
from sluice.core.update import proven
from sluice.history import orders
from sluice.history.orders import Argv, Orders
from sluice.history.pulumi import UP, Pulumi
from sluice.systems import actor

# What the command's flags ask for, by what they are called in config.
FLAGS = {"backup": "--skip-backup", "tests": "--skip-tests"}


@dataclass(frozen=True)
class Ahead:
    """A release that is to come: its `id` and `kind`, the stack's rollout, what it goes without, each with who lets it, and its commands:
    the first one writes all of its config at once."""

    id: str
    kind: str
    rollout: Rollout
    skipped: Mapping[str, str]
    orders: Orders = field(repr=False)


def plain(pulumi: Pulumi, words: Sequence[str], message: str) -> Orders:
    """Return the commands of a release that is allowed nothing for itself; `words` are what `config set-all` is told."""
    return Orders(before=[_set(pulumi, words)], up=pulumi.argv(*UP, "--message", message))


def ahead(pulumi: Pulumi, words: Sequence[str], message: str, skips: Sequence[str] = ()) -> Ahead:
    """Return a release with what it goes without (`skips`, as in config), allowed to it alone; Refused where nothing lets it.

    Its id is that of config as it will be: a permission names it. One that an earlier attempt has left serves again.
    """
    with pulumi.changed(_set(pulumi, words)) as file:
        block, text = pulumi.configs(RELEASE, ROLLOUT, file=file)
    release = draft(RELEASE, Release, data(block or "null")).value
    id = release.id
    rollout = draft(ROLLOUT, Rollout, data(text) if text else {}).value
    _production(pulumi, rollout, skips)
    spent = nonces(pulumi)
    known = leave(rollout.permissions, id, spent)
    missing = [what for what in skips if what not in known.skipped]
    given = [{"release": id, "by": actor.user(), "nonce": orders.nonce(), "skip": what} for what in missing]
    there = orders.Rollout.of(text)
    added = [word for key, value in there.added({orders.PERMISSIONS: given}).items() for word in ("--plaintext", f"{key}={value}")]
    used = frozenset(one.nonce for one in rollout.permissions if one.release == id and one.nonce not in spent and one.skip in skips)
    used |= {one["nonce"] for one in given}
    after = [pulumi.argv("config", "rm", *rest) for rest in there.having({orders.PERMISSIONS: given}).cleared(used)]
    told = Orders(before=[_set(pulumi, [*words, *added])], up=pulumi.argv(*UP, "--message", message), after=after, used=used)
    return Ahead(id, release.kind, rollout, {**known.skipped, **dict.fromkeys(missing, actor.user())}, told)


def nonces(pulumi: Pulumi) -> set[str]:
    """Return what proven releases have spent."""
    return {nonce for line in proven(pulumi.state()) for nonce in Record.parse(line).approvals}


def _production(pulumi: Pulumi, rollout: Rollout, skips: Sequence[str]) -> None:
    requires = rollout.requires.stack.rsplit("/", 1)[-1] if rollout.requires else ""
    why = production(pulumi.short, requires, rollout.approvals.required)
    if why and skips:
        flags = " and ".join(FLAGS[what] for what in skips)
        raise Refused([f"{flags}: nothing is left out in production, and '{pulumi.stack}' is: {why}; nothing was touched"])


def _set(pulumi: Pulumi, words: Sequence[str]) -> Argv:
    return pulumi.argv("config", "set-all", "--path", *words)
