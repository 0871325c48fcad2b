"""The rules between keys. Each is told what it reads, and is asked only when all of that is right by itself."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import zip_longest

from sluice.core.backup.format import PLAIN, Format
from sluice.core.settings import duration
from sluice.core.settings.body import unfit
from sluice.core.settings.problem import Problem, nearest
from sluice.core.settings.release import Release
from sluice.core.settings.rollout import Rollout
from sluice.core.settings.step import Step
from sluice.core.settings.tree import RELEASE, ROLLOUT, path
from sluice.core.settings.window import DAY

# What a kind of notice may have beside its URL, and what it must have.
OWN = {"email": ("to", "sender"), "json": ("token", "body")}
NEEDED = {"email": ("to", "sender")}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What rules look at. `declared` are the services of the program; None: it has not said."""

    release: Release
    rollout: Rollout
    now: datetime
    declared: frozenset[str] | None = None


Check = Callable[[Case], Iterator[Problem]]


@dataclass(frozen=True)
class Rule:
    """A check of keys against each other, and the top-level keys that it reads. Its docstring is its documentation."""

    check: Check
    reads: frozenset[str]

    @property
    def name(self) -> str:
        """Return the name that problems and tests have for it."""
        return self.check.__name__

    def problems(self, case: Case) -> list[Problem]:
        """Return what it finds."""
        return [replace(problem, rule=self.name) for problem in self.check(case)]


RULES: list[Rule] = []


def rule(*reads: str) -> Callable[[Check], Check]:
    """Register a rule under its function's name."""

    def register(check: Check) -> Check:
        RULES.append(Rule(check, frozenset(reads)))
        return check

    return register


@rule(f"{RELEASE}.services")
def declared(case: Case) -> Iterator[Problem]:
    """Every service of the release is one that the program declares."""
    known = dict.fromkeys(sorted(case.declared or ()))
    for name in case.release.services if case.declared is not None else ():
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean '{near}'?" if near else f"known are {', '.join(known) or 'none'}"
            yield Problem(path(RELEASE, ["services", name]), f"the program declares no service '{name}': {hint}")


@rule(f"{ROLLOUT}.ladder")
def climbs(case: Case) -> Iterator[Problem]:
    """Weights climb from step to step."""
    steps = case.rollout.ladder
    for number in range(1, len(steps)):
        weight, before = steps[number].weight, steps[number - 1].weight
        if 0 < weight <= before:
            yield Problem(f"{ROLLOUT}.ladder[{number}].weight", f"{weight} is not above {before}: weights must climb")


@rule(f"{ROLLOUT}.ladder")
def arrives(case: Case) -> Iterator[Problem]:
    """The last step is 100 %."""
    last = case.rollout.ladder[-1].weight
    if last != 100:
        yield Problem(f"{ROLLOUT}.ladder", f"its last weight is {last}, not 100: the new version would never have all the traffic")


@rule(f"{ROLLOUT}.ladder")
def shares(case: Case) -> Iterator[Problem]:
    """Only a first step with a cohort has no share of the traffic."""
    for number, step in enumerate(case.rollout.ladder):
        if step.weight == 0 and (number > 0 or step.cohort is None):
            text = "0 is only for a first step that has a cohort: nobody else would see the new version"
            yield Problem(f"{ROLLOUT}.ladder[{number}].weight", text)


@rule(f"{ROLLOUT}.ladder")
def cohorts(case: Case) -> Iterator[Problem]:
    """A cohort is told by a header or by a cookie."""
    for number, step in enumerate(case.rollout.ladder):
        if step.cohort and bool(step.cohort.header) == bool(step.cohort.cookie):
            has = "both" if step.cohort.header else "neither"
            yield Problem(f"{ROLLOUT}.ladder[{number}].cohort", f"needs a header or a cookie, and has {has}")


@rule(f"{ROLLOUT}.ladder")
def calendar(case: Case) -> Iterator[Problem]:
    """No step may begin before one that it comes after."""
    latest: datetime | None = None
    for number, step in enumerate(case.rollout.ladder):
        if step.not_before and latest and step.not_before < latest:
            text = f"{step.not_before.isoformat()} is before {latest.isoformat()}, which an earlier step waits for"
            yield Problem(f"{ROLLOUT}.ladder[{number}].not_before", text)
        latest = step.not_before or latest


@rule(f"{ROLLOUT}.marks")
def follow(case: Case) -> Iterator[Problem]:
    """Each mark comes later than the one before it."""
    marks = case.rollout.marks
    for number in range(1, len(marks)):
        mark, before = marks[number], marks[number - 1]
        if mark.after <= before.after:
            yield Problem(f"{ROLLOUT}.marks[{number}].after", f"'{mark.name}' is not later than '{before.name}': marks follow each other")


@rule(f"{ROLLOUT}.ladder", f"{ROLLOUT}.soak", f"{ROLLOUT}.deadline", f"{ROLLOUT}.until")
def lasts(case: Case) -> Iterator[Problem]:
    """All soaks together, up to where this update ends, fit into the deadline."""
    total = sum(soaks(case.rollout))
    if total > case.rollout.deadline:
        text = f"'{duration.text(case.rollout.deadline)}' is shorter than the soaks of the ladder together, '{duration.text(total)}'"
        yield Problem(f"{ROLLOUT}.deadline", text)


@rule(f"{ROLLOUT}.ladder", f"{ROLLOUT}.soak", f"{ROLLOUT}.deadline", f"{ROLLOUT}.until")
def reaches(case: Case) -> Iterator[Problem]:
    """A step begins while this update still has time for it and for those after it, up to where it ends."""
    left, end = soaks(case.rollout), case.now + timedelta(seconds=case.rollout.deadline)
    for number, step in enumerate(walked(case.rollout)):
        latest = end - timedelta(seconds=sum(left[number:]))
        if step.not_before and step.not_before > max(latest, case.now):
            text = (
                f"{step.not_before.isoformat()} is too late for this update, whose deadline leaves time until "
                f"{latest.isoformat(timespec='seconds')}: hold the step before it with {ROLLOUT}.until and promote then, or raise "
                f"{ROLLOUT}.deadline"
            )
            yield Problem(f"{ROLLOUT}.ladder[{number}].not_before", text)


def soaks(rollout: Rollout) -> list[float]:
    """Return how long each step of this update lasts at least, in seconds."""
    return [rollout.soak if step.soak is None else step.soak for step in walked(rollout)]


def walked(rollout: Rollout) -> list[Step]:
    """Return the steps up to where this update ends."""
    return [step for step in rollout.ladder if step.weight <= rollout.until]


@rule(f"{ROLLOUT}.ladder", f"{ROLLOUT}.soak", f"{ROLLOUT}.poll")
def looks(case: Case) -> Iterator[Problem]:
    """Every soak has at least one look."""
    shortest = min((soak for soak in soaks(case.rollout) if soak > 0), default=case.rollout.poll)
    if case.rollout.poll > shortest:
        text = f"'{duration.text(case.rollout.poll)}' is longer than the shortest soak, '{duration.text(shortest)}': nobody would look"
        yield Problem(f"{ROLLOUT}.poll", text)


@rule(f"{ROLLOUT}.ladder", f"{ROLLOUT}.until")
def holds(case: Case) -> Iterator[Problem]:
    """An update ends at a step of the ladder."""
    weights, until = [step.weight for step in case.rollout.ladder], case.rollout.until
    if until not in weights and until < 100:
        yield Problem(f"{ROLLOUT}.until", f"no step of the ladder has {until} %: they have {', '.join(str(one) for one in weights if one)}")


@rule(f"{ROLLOUT}.checks")
def silent(case: Case) -> Iterator[Problem]:
    """A check that is off says nothing else."""
    checks = case.rollout.checks
    for name in type(checks).model_fields:
        check = getattr(checks, name)
        others = [other for other in type(check).model_fields if other in check.model_fields_set - {"off"}]
        if check.off and others:
            text = f"is off, so {', '.join(others)} would mean nothing: remove either"
            yield Problem(f"{ROLLOUT}.checks.{name}", text)


@rule(f"{ROLLOUT}.backup")
def packs(case: Case) -> Iterator[Problem]:
    """A plain dump is packed by gzip or not at all, since this is what reads it again."""
    backup = case.rollout.backup
    if backup.format is Format.PLAIN and backup.compression not in (None, *PLAIN):
        text = f"'{backup.compression}' does not pack a plain dump: write gzip or none, or format: custom"
        yield Problem(f"{ROLLOUT}.backup.compression", text)


@rule(f"{ROLLOUT}.backup")
def cleans(case: Case) -> Iterator[Problem]:
    """Only a plain dump drops what it makes: pg_restore does so for the others when it is told to."""
    backup = case.rollout.backup
    if backup.clean and backup.format is not Format.PLAIN:
        text = f"means nothing in a {backup.format} dump, whose pg_restore takes --clean: remove it, or write format: plain"
        yield Problem(f"{ROLLOUT}.backup.clean", text)


@rule(f"{ROLLOUT}.windows")
def opens(case: Case) -> Iterator[Problem]:
    """A time of the week opens on a day, and closes."""
    for number, span in enumerate((case.rollout.windows and case.rollout.windows.open) or []):
        if span.from_ == DAY:
            yield Problem(f"{ROLLOUT}.windows.open[{number}].from", "'24:00' is on no day: write '00:00', and the day after in days")
        elif span.from_ == span.to:
            text = "is as late as from: for a whole day write from '00:00' to '24:00'"
            yield Problem(f"{ROLLOUT}.windows.open[{number}].to", text)


@rule(f"{ROLLOUT}.windows")
def thaws(case: Case) -> Iterator[Problem]:
    """A freeze ends after it has begun."""
    for number, freeze in enumerate(case.rollout.windows.freeze if case.rollout.windows else []):
        if freeze.to < freeze.from_:
            yield Problem(f"{ROLLOUT}.windows.freeze[{number}].to", f"{freeze.to} is before its first day, {freeze.from_}")


@rule(f"{ROLLOUT}.approvals")
def once(case: Case) -> Iterator[Problem]:
    """No nonce is used twice."""
    yield from _twice(f"{ROLLOUT}.approvals", "given", "approval", [given.nonce for given in case.rollout.approvals.given])


@rule(f"{ROLLOUT}.permissions")
def single(case: Case) -> Iterator[Problem]:
    """No nonce is used twice for permissions either."""
    yield from _twice(ROLLOUT, "permissions", "permission", [one.nonce for one in case.rollout.permissions])


@rule(f"{ROLLOUT}.permissions")
def meant(case: Case) -> Iterator[Problem]:
    """A permission allows something, and what a downgrade may lose goes with one."""
    for number, one in enumerate(case.rollout.permissions):
        where = f"{ROLLOUT}.permissions[{number}]"
        if not one.downgrade and one.lossy:
            yield Problem(f"{where}.lossy", "means nothing without downgrade: say 'needed' or 'exact'")
        elif not (one.downgrade or one.whole or one.skip):
            yield Problem(where, "allows nothing: it needs a downgrade, whole, or skip: backup or tests")


@rule(f"{ROLLOUT}.restore")
def named(case: Case) -> Iterator[Problem]:
    """A restore names a backup or what was put aside, and only a backup takes the time to refuse writes."""
    for number, one in enumerate(case.rollout.restore):
        where = f"{ROLLOUT}.restore[{number}]"
        if bool(one.backup) == bool(one.aside):
            yield Problem(where, f"needs a backup or aside, and has {'both' if one.backup else 'neither'}")
        elif one.aside and one.refuse:
            text = "means nothing for what was put aside, which takes the place at once: remove it"
            yield Problem(f"{where}.refuse", text)


@rule(f"{ROLLOUT}.restore")
def apart(case: Case) -> Iterator[Problem]:
    """No nonce is used twice for a database that goes back."""
    asked = case.rollout.restore
    yield from _twice(ROLLOUT, "restore", "restore", [one.nonce for one in asked], [one.database for one in asked])


def _twice(root: str, name: str, what: str, nonces: Sequence[str], of: Sequence[str] = ()) -> Iterator[Problem]:
    """Say which nonces are there twice; `of`: what each is for, where that makes it another one."""
    seen: dict[tuple[str, str], int] = {}
    for number, (nonce, thing) in enumerate(zip_longest(nonces, of, fillvalue="")):
        first = seen.setdefault((nonce, thing), number)
        if first != number:
            text = f"'{nonce}' is also the nonce of {name}[{first}]: each {what} needs its own"
            yield Problem(f"{root}.{name}[{number}].nonce", text)


@rule(f"{ROLLOUT}.notify")
def posted(case: Case) -> Iterator[Problem]:
    """A notice has what its kind needs, and nothing of another kind."""
    for number, hook in enumerate(case.rollout.notify):
        where, own = f"{ROLLOUT}.notify[{number}]", OWN.get(hook.kind, ())
        for name in ("to", "sender", "token", "body"):
            if name not in own and getattr(hook, name):
                yield Problem(f"{where}.{name}", f"means nothing to '{hook.kind}': remove it")
        for name in NEEDED.get(hook.kind, ()):
            if not getattr(hook, name):
                yield Problem(f"{where}.{name}", f"is missing: '{hook.kind}' needs it")
        if hook.body and (why := unfit(hook.body)):
            yield Problem(f"{where}.body", why)


@rule(f"{ROLLOUT}.contacts", f"{ROLLOUT}.escalation")
def staffed(case: Case) -> Iterator[Problem]:
    """Every role of the escalation has a contact."""
    contacts = case.rollout.contacts
    for number, turn in enumerate(case.rollout.escalation):
        if turn.to not in contacts:
            command = f"pulumi config set --path {shlex.quote(path(ROLLOUT, ['contacts', turn.to, 'name']))} NAME"
            text = f"nobody has the role '{turn.to}': known are {', '.join(contacts) or 'none'}; run: {command}"
            yield Problem(f"{ROLLOUT}.escalation[{number}].to", text)


@rule(f"{ROLLOUT}.escalation")
def waits(case: Case) -> Iterator[Problem]:
    """Who comes later waits longer."""
    turns = case.rollout.escalation
    for number in range(1, len(turns)):
        after, before = turns[number].after, turns[number - 1].after
        if after <= before:
            text = f"'{duration.text(after)}' is not above '{duration.text(before)}': who comes later must wait longer"
            yield Problem(f"{ROLLOUT}.escalation[{number}].after", text)
