"""`sluice:rollout`: how a release is brought out on this stack. A rollback never restores it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from sluice.core.backup.format import Compression, Format
from sluice.core.contact import Contact
from sluice.core.ladder import Ladder
from sluice.core.ladder import Step as Walked
from sluice.core.rollout import DEADLINE, HEARTBEAT, HOLD, POLL
from sluice.core.settings import defaults
from sluice.core.settings.approval import Approvals
from sluice.core.settings.check import Checks, Threshold
from sluice.core.settings.kind import Duration, Length, Name, StackName, Text, Truth, Whole, block
from sluice.core.settings.mark import Mark, Marked
from sluice.core.settings.people import Escalation, Person, Webhook
from sluice.core.settings.permission import Permission
from sluice.core.settings.restore import Aside, Instruction
from sluice.core.settings.step import Rung, Step
from sluice.core.settings.window import Windows
from sluice.core.value import Value

# More steps than this prove nothing that these do not.
STEPS = 20


class Deadlines(Value):
    """How long a moment may take."""

    health: Duration = Field(default=defaults.HEALTH, gt=0, description="until a new version is well on its own address")
    smoke: Duration = Field(default=defaults.SMOKE, gt=0, description="until the smoke tests have passed")


class Requires(Value):
    """What must have been proven elsewhere."""

    stack: StackName = Field(description="the stack that must have proven the same versions, with the same content, before this one begins")


class Backup(Value):
    """What is saved before a migration, and restored to prove it."""

    when: Literal["pending", "always"] = Field(
        default="pending", description="pending: when a database has statements to run; always: with every release but a quick return"
    )
    format: Format = Field(
        default=Format.CUSTOM, description="pg_dump's format: custom, directory (dumped in parallel), or plain with gzip"
    )
    compression: Compression | None = Field(
        default=None, description="what packs the dump; default: the best that pg_dump was built with (plain: gzip)"
    )
    jobs: Whole = Field(
        default=defaults.JOBS, ge=1, le=64, description="how many tables a directory dump, a restore and its checks take at once"
    )
    clean: Truth = Field(default=False, description="a plain dump begins by dropping what it makes (--clean --if-exists)")
    encrypt: list[Text] = Field(
        default=[],
        description="a program and its arguments, run for each file: it reads the file from stdin and writes it, encrypted, to stdout; "
        "what it writes is kept beside the file as `.enc`",
    )
    pause: Duration = Field(
        default=0,
        description="how long to try to hold up writers, who wait and do not fail, so that several databases are saved as of one moment; "
        "0: nobody waits, and the manifest says what was so",
    )
    keep: Whole = Field(default=defaults.BACKUPS, ge=1, description="how many verified backups stay, beside those of proven releases")


class Rollout(Value):
    """How far, how fast, by whose leave, and who is told."""

    ladder: list[Rung] = Field(
        default_factory=lambda: [Step(weight=weight) for weight in defaults.WEIGHTS],
        min_length=1,
        max_length=STEPS,
        description="the steps to 100 %; a number alone is a weight",
    )
    soak: Duration = Field(default=defaults.SOAK, description="how long all must be well at a step that says nothing else")
    samples: Whole = Field(
        default=defaults.SAMPLES, ge=0, description="how many requests the new version must answer at a step that says nothing else"
    )
    patience: Duration = Field(
        default=defaults.PATIENCE, description="how long missing data may hold a step after its soak, before it fails"
    )
    deadline: Duration = Field(default=DEADLINE, gt=0, description="how long the whole canary may take")
    poll: Duration = Field(default=POLL, gt=0, description="how often the canary is judged")
    until: Whole = Field(
        default=100,
        ge=1,
        le=100,
        description="the weight at which this update ends; below 100 the keeper holds the release there, unproven",
    )
    hold: Duration = Field(
        default=HOLD, gt=0, description="how long the keeper holds a release, from when it came to `until`; then its traffic goes back"
    )
    heartbeat: Duration = Field(
        default=HEARTBEAT, ge=1, description="how long a canary's traffic may have nobody at work; then the keeper takes it back"
    )
    checks: Checks = block("what is watched while a canary climbs")
    marks: list[Marked] = Field(
        default_factory=lambda: [Mark(after=after, smoke=after == defaults.MARK_SMOKE) for after in defaults.MARKS],
        description="when a live release is looked at again; a duration alone is a mark, `[]` is none",
    )
    backup: Backup = block("what is saved before a database changes")
    deadlines: Deadlines = block("how long other moments may take")
    windows: Windows | None = Field(default=None, description="when releases may begin; default: at any time")
    approvals: Approvals = block("who must approve a release, and who has")
    permissions: list[Permission] = Field(default=[], description="what one release may do once; what they do not fit they do not allow")
    restore: list[Instruction] = Field(default=[], description="the databases that go back with one release, once")
    aside: Aside = block("what becomes of databases that a restore has put aside")
    requires: Requires | None = Field(default=None, description="what must have been proven elsewhere first")
    contacts: dict[Name, Person] = Field(default={}, description="who has which role")
    escalation: list[Escalation] = Field(default=[], description="who is next when a release fails; default: all of `contacts`")
    notify: list[Webhook] = Field(default=[], description="where notices go")
    window: Length = Field(default=defaults.WINDOW, description="how long the previous version stays up for a quick return")

    @property
    def walked(self) -> Ladder:
        """Return the ladder as it is walked, every step with its proof; a cohort stays with the new version on the steps after it."""
        steps: list[Walked] = []
        for step in self.ladder:
            cohort = steps[-1].cohort if steps else None
            steps.append(step.rung(soak=self.soak, samples=self.samples, cohort=cohort))
        return Ladder(steps=steps, patience=self.patience)

    @property
    def thresholds(self) -> dict[str, Threshold]:
        """Return the limits that are watched, by the name of their check."""
        return self.checks.table

    @property
    def webhooks(self) -> list[dict[str, Any]]:
        """Return where notices go, as hooks take it."""
        return [hook.wire() for hook in self.notify]

    @property
    def chain(self) -> list[Contact]:
        """Return who is told of a failure, in order, each with a backup."""
        turns = [(turn.to, turn.after) for turn in self.escalation] or [(role, 0.0) for role in self.contacts]
        return [contact for role, after in turns for contact in self._people(role, after)]

    def _people(self, role: str, after: float) -> Iterator[Contact]:
        person = self.contacts[role]
        yield Contact(name=person.name, address=person.contact, role=role, after=after)
        if person.backup:
            yield Contact(name=person.backup, role=f"backup of {role}", after=after)
