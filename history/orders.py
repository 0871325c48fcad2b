"""What carrying out a plan takes, as the plain commands that anybody may type: what is written to config, the update, what is cleared."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.core.rollback.past import Past, data
from sluice.core.rollback.plan import Plan
from sluice.core.settings.permission import leave
from sluice.core.settings.tree import RELEASE, ROLLOUT, path
from sluice.history.facts import shown
from sluice.history.pulumi import UP, Pulumi
from sluice.history.stack import Stack
from sluice.systems import actor

PERMISSIONS, RESTORE = "permissions", "restore"
Argv = list[str]


@dataclass(frozen=True)
class Orders:
    """Commands in order: `before`, the `up`, and `after` it has gone through."""

    before: list[Argv] = field(default_factory=list)
    up: Argv = field(default_factory=list)
    after: list[Argv] = field(default_factory=list)

    @property
    def shown(self) -> list[str]:
        """Return all of them as they are typed."""
        return shown([*self.before, *([self.up] if self.up else []), *self.after])


def orders(stack: Stack, plan: Plan, message: str) -> Orders:
    """Return the commands of a plan; none of one that is not carried out."""
    base = _base(stack, plan)
    if not plan.runs or base is None or base.config is None:
        return Orders()
    rollout = Rollout.of(stack)
    given = {PERMISSIONS: _permission(stack, plan), RESTORE: _restores(plan, rollout)}
    # Leave first: it is for this release alone, and without its block it does nothing.
    leaves = rollout.added(given)
    block = [] if plan.edits and stack.configured == base.id else written(stack.pulumi, base.config)
    return Orders(
        before=[*_set(stack.pulumi, leaves | _whole(stack)), *block, *_set(stack.pulumi, _edits(plan))],
        up=stack.pulumi.argv(*UP, "--message", message),
        after=[*(stack.pulumi.argv("config", "rm", *words) for words in rollout.cleared(given, plan.target)), *_held(stack)],
    )


def _whole(stack: Stack) -> dict[str, str]:
    """Go all the way, where releases are held on theirs: half-way back most of the traffic would be on what is to be left."""
    return {path(ROLLOUT, ["until"]): "100"} if stack.settings.until < 100 else {}


def _held(stack: Stack) -> list[Argv]:
    """Hold the releases after it again."""
    until = stack.settings.until
    return _set(stack.pulumi, {path(ROLLOUT, ["until"]): str(until)}) if until < 100 else []


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
    """Ask for what databases need that go back by their down files, unless an earlier attempt has it already."""
    if plan.downgrade is None:
        return []
    known = leave(stack.settings.permissions, plan.target, stack.spent)
    if known.downgrade == plan.downgrade and set(plan.lossy) <= set(known.lossy):
        return []
    given = {"release": plan.target, "by": actor.user(), "nonce": _nonce(), "downgrade": plan.downgrade}
    return [{**given, **({"lossy": plan.lossy} if plan.lossy else {})}]


def _restores(plan: Plan, rollout: Rollout) -> list[dict[str, Any]]:
    """Ask for each restore; an instruction that is still there is one that has not come to its end, and goes on by its nonce."""
    known = {(one.get("release"), one.get("database"), one.get("backup")) for one in rollout.of_list(RESTORE)}
    wanted = [one for one in plan.restores if (plan.target, one.database, one.backup) not in known]
    return [
        {
            "release": plan.target,
            "nonce": _nonce(),
            "database": one.database,
            "backup": one.backup,
            **({"refuse": "true"} if one.refuse else {}),
        }
        for one in wanted
    ]


def _nonce() -> str:
    # A letter first: the CLI would make a number of digits.
    return f"n{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Rollout:
    """`sluice:rollout` as it is; `there` says whether config has it at all."""

    data: Mapping[str, Any]
    there: bool

    @classmethod
    def of(cls, stack: Stack) -> Rollout:
        """Read it."""
        found = data(stack.rollout) if stack.rollout else {}
        return cls(found if isinstance(found, Mapping) else {}, bool(stack.rollout))

    def of_list(self, name: str) -> list[Mapping[str, Any]]:
        """Return the entries of one of its lists."""
        found = self.data.get(name)
        return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []

    def added(self, given: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str]:
        """Return the keys and values that add entries at the ends of lists."""
        return dict(
            pair
            for name, entries in given.items()
            for number, entry in enumerate(entries, len(self.of_list(name)))
            for key, value in entry.items()
            for pair in _pairs([name, number, key], value)
        )

    def cleared(self, given: Mapping[str, Sequence[Mapping[str, Any]]], release: str) -> list[list[str]]:
        """Return what `pulumi config rm` is told to take away what a release has used up: its own entries, from the last to the first."""
        return [words for name, entries in given.items() for words in self._cleared(name, len(entries), release)]

    def _cleared(self, name: str, more: int, release: str) -> list[list[str]]:
        count = len(self.of_list(name))
        mine = [number for number, one in enumerate(self.of_list(name)) if one.get("release") == release]
        gone = [*mine, *range(count, count + more)]
        if not gone:
            return []
        if len(gone) == count + more:
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
