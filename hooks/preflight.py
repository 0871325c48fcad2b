"""Preflight: all that must be true before a release touches anything, with every problem told at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, Resource

from sluice.hooks.base import Hook, Props, due

if TYPE_CHECKING:
    from sluice.core.check import Check

# With it the engine goes on after a failed gate, to steps that do not depend on it. The flag cannot be seen, the variable can.
CARELESS = "PULUMI_CONTINUE_ON_ERROR"
# A keeper that has died is started again within a second or two.
SPEAKS = 5.0


class PreflightProvider(Hook):
    """Refuses a release that should not begin; then takes traffic away from whatever an earlier release left behind.

    Inputs beside every hook's, all optional: `facts` (`core.requirement.Fact`), `checks` (asked once), `requirements`
    (`core.requirement.Requirement`), `databases` (`core.database.Database`) with `when`, `ask` and `skip` as a backup has them and `room`
    for it (`core.backup.room.Room`), `restore` (the inputs of a `hooks.restore`), and `split`, a runtime's descriptor, with `until`, the
    weight at which a keeper is to hold the release.
    """

    moment = "preflight"

    def check(self, _olds: Any, news: Any) -> CheckResult:
        """Refuse, in preview already, checks that could never be asked."""
        return CheckResult(news, failures(news) if due(_olds, news) else [])

    def run(self, props: Props) -> Props:
        """Look at everything, then clear the split."""
        from sluice.core.errors import Refused

        found = reasons(props)
        if found:
            raise Refused(found, headline=_headline(props["release"], len(found)))
        if props.get("split"):
            from sluice.systems import deployer, splits

            splits.clear(props["split"], props["release"], since=deployer.began())
        return {}


class Preflight(Resource, module="sluice", name="Preflight"):
    """A preflight in a stack; `props` are those of `PreflightProvider`."""

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(PreflightProvider(), name, {**props}, opts)


def failures(props: Props) -> list[CheckFailure]:
    """Say what is wrong with the checks, as far as they are known in preview."""
    if not props.get("checks"):
        return []
    from sluice.hooks import gate

    return gate.failures({"moment": "preflight", "release": "", "checks": props["checks"], "deadline": 0})


def reasons(props: Props) -> list[str]:
    """Return every reason not to begin, each with what to do about it."""
    from sluice.core.requirement import Fact, Requirement
    from sluice.systems import runner

    facts = [Fact.read(fact) for fact in props.get("facts") or []]
    return [
        *_careless(),
        *(fact.line for fact in facts if not fact.ok),
        *runner.lacks(Requirement.read(props.get("requirements") or {})),
        *asked(props.get("checks") or []),
        *_barred(props),
        *_unkept(props),
    ]


def _careless() -> list[str]:
    # The words that Go's ParseBool, and so the engine, takes for true.
    if os.environ.get(CARELESS) not in ("1", "t", "T", "TRUE", "true", "True"):
        return []
    return [f"{CARELESS} is set, and would go on after a failed gate; run: unset {CARELESS}"]


def asked(wires: list[Props]) -> list[str]:
    """Ask each check once, and return why those that do not hold speak against a release."""
    if not wires:
        return []
    from sluice.core.check import Check
    from sluice.core.clock import SystemClock
    from sluice.core.gate import reason
    from sluice.hooks.gate import verdicts
    from sluice.systems.crowd import crowd

    checks: list[Check] = [Check.read(wire) for wire in wires]
    with crowd(len(checks)) as pool:
        answers = verdicts(pool, checks, SystemClock())
    return [reason(verdict, check) for verdict, check in zip(answers, checks, strict=True) if not verdict.passed]


def _barred(props: Props) -> list[str]:
    """Return where databases cannot go, or not be saved, so that nobody is told of a release that ends there."""
    if not (props.get("databases") or props.get("restore")):
        return []
    from sluice.core.backup.room import Room
    from sluice.core.database import Database
    from sluice.core.errors import SluiceError
    from sluice.core.settings.permission import Ask
    from sluice.hooks import restore
    from sluice.systems import able

    ask = Ask.read(props["ask"]) if props.get("ask") else None
    try:
        asked, wrong = restore.look(props["restore"]) if props.get("restore") else ([], [])
        # What goes back is judged by what it will be; a backup looks at it again then.
        gone = {one.database.name for one in asked}
        stay = [one for one in map(Database.read, props.get("databases") or []) if one.name not in gone]
        place = Room.read(props["room"]) if props.get("room") else None
        return wrong + able.refusals(stay, props.get("when") or "pending", ask, skip=props.get("skip") or "", place=place)
    except SluiceError as error:
        return [str(error)]


def _unkept(props: Props) -> list[str]:
    """Return why nobody would hold the release on the way. A keeper that was just started gets the time to speak."""
    if not props.get("until"):
        return []
    from sluice.core.clock import SystemClock
    from sluice.core.wait import until
    from sluice.systems import splits

    split, clock = splits.open(props["split"]), SystemClock()
    if until(lambda: split.kept(clock.now()), bool, clock=clock, deadline=SPEAKS):
        return []
    hold = f"the keeper beside the splitter does not answer, and is to hold the release at {int(props['until'])} %"
    return [f"{hold}: see its log, or run: pulumi config set --path sluice:rollout.until 100"]


def _headline(release: str, count: int) -> str:
    return f"{release} does not begin, nothing was touched: {count} thing{'s' if count != 1 else ''} to mend"
