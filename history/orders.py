"""What carrying out a plan takes, as the plain commands that anybody may type: what is written to config, the update, what is cleared."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from sluice.core.rollback.block import data
from sluice.core.rollback.past import Past
from sluice.core.rollback.plan import Plan
from sluice.core.settings.permission import leave
from sluice.core.settings.tree import RELEASE, ROLLOUT, path
from sluice.history.facts import shown
from sluice.history.pulumi import UP, Pulumi
from sluice.history.stack import Stack
from sluice.systems import actor

PERMISSIONS, RESTORE = "permissions", "restore"
# The lists with what is for one release alone.
ONCE = (PERMISSIONS, RESTORE)
Argv = list[str]
Given = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Orders:
    """Commands in order: `before`, the `up`, and `after` it has gone through, as config is now; `used` are the nonces that are cleared
    then."""

    before: list[Argv] = field(default_factory=list)
    up: Argv = field(default_factory=list)
    after: list[Argv] = field(default_factory=list)
    used: frozenset[str] = frozenset()

    @property
    def shown(self) -> list[str]:
        """Return all of them as they are typed."""
        return shown([*self.before, *([self.up] if self.up else []), *self.after])


def orders(stack: Stack, plan: Plan, message: str) -> Orders:
    """Return the commands of a plan; none of one that is not carried out."""
    base = _base(stack, plan)
    if not plan.runs or base is None or base.config is None:
        return Orders()
    rollout = Rollout.of(stack.rollout)
    given = {PERMISSIONS: _permission(stack, plan), RESTORE: _restores(plan, rollout)}
    # Leave first: it is for this release alone, and without its block it does nothing.
    after = rollout.having(given)
    used = after.nonces(plan.target)
    block = [] if plan.edits and stack.configured == base.id else written(stack.pulumi, base.config)
    return Orders(
        before=[*_set(stack.pulumi, rollout.added(given)), *block, *_set(stack.pulumi, _edits(plan))],
        up=stack.pulumi.argv(*UP, "--message", message),
        after=[stack.pulumi.argv("config", "rm", *words) for words in after.cleared(used)],
        used=used,
    )


def cleared(pulumi: Pulumi, told: Orders) -> list[Argv]:
    """Return the commands that take away what was used up, wherever it is in config by now: others may have written there meanwhile."""
    if not told.used:
        return []
    (rollout,) = pulumi.configs(ROLLOUT)
    return [pulumi.argv("config", "rm", *words) for words in Rollout.of(rollout).cleared(told.used)]


def _base(stack: Stack, plan: Plan) -> Past | None:
    """Return the release whose block is written: the target, or the live one when databases go back alone."""
    alone = [stack.pasts[0]] if plan.edits else [past for past in stack.pasts if past.id == plan.target]
    return next(iter(alone), None)


def _edits(plan: Plan) -> dict[str, str]:
    return {path(RELEASE, where.split(".", 1)): value for where, value in plan.edits.items()}


def _set(pulumi: Pulumi, values: Mapping[str, str]) -> list[Argv]:
    words = [word for key, value in values.items() for word in ("--plaintext", f"{key}={value}")]
    return [pulumi.argv("config", "set-all", "--path", *words)] if words else []


def _permission(stack: Stack, plan: Plan) -> list[dict[str, Any]]:
    """Ask for what databases need that go back by their down files, and to go all the way where releases are held on theirs: half-way back
    most of the traffic would be on what is to be left. What an earlier attempt has asked for is there already."""
    known = leave(stack.settings.permissions, plan.target, stack.spent)
    down = plan.downgrade is not None and not (known.downgrade == plan.downgrade and set(plan.lossy) <= set(known.lossy))
    whole = stack.settings.until < 100 and not known.whole
    if not (down or whole):
        return []
    asked = {**({"downgrade": plan.downgrade} if down else {}), **({"lossy": plan.lossy} if down and plan.lossy else {})}
    return [{"release": plan.target, "by": actor.user(), "nonce": nonce(), **asked, **({"whole": "true"} if whole else {})}]


def _restores(plan: Plan, rollout: Rollout) -> list[dict[str, Any]]:
    """Ask for each restore; an instruction that is still there is one that has not come to its end, and goes on by its nonce."""
    known = {(one.get("release"), one.get("database"), one.get("backup")) for one in rollout.of_list(RESTORE)}
    wanted = [one for one in plan.restores if (plan.target, one.database, one.backup) not in known]
    return [
        {
            "release": plan.target,
            "nonce": nonce(),
            "database": one.database,
            "backup": one.backup,
            **({"refuse": "true"} if one.refuse else {}),
        }
        for one in wanted
    ]


def nonce() -> str:
    """Return a word that was not used before."""
    # A letter first: the CLI would make a number of digits.
    return f"n{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Rollout:
    """`sluice:rollout` as it is."""

    data: Mapping[str, Any]

    @classmethod
    def of(cls, text: str | None) -> Rollout:
        """Read it from JSON text; None where there is none."""
        found = data(text) if text else {}
        return cls(found if isinstance(found, Mapping) else {})

    def of_list(self, name: str) -> list[Mapping[str, Any]]:
        """Return the entries of one of its lists, each in its place: of one that is no map, nothing."""
        found = self.data.get(name)
        return [one if isinstance(one, Mapping) else {} for one in found] if isinstance(found, list) else []

    def added(self, given: Given) -> dict[str, str]:
        """Return the keys and values that add entries at the ends of lists."""
        return dict(
            pair
            for name, entries in given.items()
            for number, entry in enumerate(entries, len(self.of_list(name)))
            for key, value in entry.items()
            for pair in _pairs([name, number, key], value)
        )

    def having(self, given: Given) -> Rollout:
        """Return it with those entries added."""
        return Rollout({**self.data, **{name: [*self.of_list(name), *entries] for name, entries in given.items()}})

    def nonces(self, release: str) -> frozenset[str]:
        """Return what a release uses up: the nonces of its own entries."""
        return frozenset(
            str(one["nonce"]) for name in ONCE for one in self.of_list(name) if one.get("release") == release and "nonce" in one
        )

    def cleared(self, used: Set[str]) -> list[list[str]]:
        """Return what `pulumi config rm` is told to take away the entries with those nonces, from the last to the first."""
        return [words for name in ONCE for words in self._cleared(name, used)]

    def _cleared(self, name: str, used: Set[str]) -> list[list[str]]:
        entries = self.of_list(name)
        gone = [number for number, one in enumerate(entries) if str(one.get("nonce")) in used]
        if gone and len(gone) == len(entries):
            return [["--path", path(ROLLOUT, [name])]]
        return [["--path", path(ROLLOUT, [name, number])] for number in reversed(gone)]


def _pairs(place: Sequence[str | int], value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, list):
        return [(path(ROLLOUT, [*place, number]), str(one)) for number, one in enumerate(value)]
    return [(path(ROLLOUT, place), str(value))]


def written(pulumi: Pulumi, config: str) -> list[Argv]:
    """Return the commands that put a release into config. What is there goes first: where a text was, the CLI would write a number
    as a text too, since it keeps the quotes."""
    return [pulumi.argv("config", "rm", RELEASE), pulumi.argv("config", "set-all", "--json", block(config))]


def block(config: str) -> str:
    """Write a release as `pulumi config set-all --json` takes it: as the map that it was, secrets still encrypted."""
    found = json.loads(config)
    # The CLI reads a map from the text in `value`, and wants `objectValue` only as the sign that it is one.
    value = {"value": config, "objectValue": {}} if isinstance(found, dict) else {"value": found}
    return json.dumps({RELEASE: {**value, "secret": False}}, ensure_ascii=False)
