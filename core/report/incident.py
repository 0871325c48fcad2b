"""What is to be done after a release that failed or was gone back from: the "Incident Checklist" of runbook 004, filled in where known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import AwareDatetime

from sluice.core.contact import Contact
from sluice.core.journal import Event
from sluice.core.moment import Moment
from sluice.core.report.attempt import Attempt, Impact
from sluice.core.report.gravity import LEVELS, gravity, trouble
from sluice.core.report.word import clock, count, share, span, when
from sluice.core.rollback.symptom import Severity
from sluice.core.value import Value

# Runbook 004, "Incident Checklist", 6: "Postmortem (within 48 hours)".
POSTMORTEM = timedelta(hours=48)
# Words in a role that say who commands an incident; without one it is the first who is called.
COMMANDS = ("commander", "incident")


class Item(Value):
    """A box: ticked by Sluice, with what it knows, or left for a person."""

    text: str
    done: bool = False
    note: str = ""


class Chapter(Value):
    """Boxes that belong together; `within` is how long they may take."""

    title: str
    within: str = ""
    items: list[Item]


class Incident(Value):
    """What is known for whoever takes over. `due` is when the postmortem has to be written."""

    severity: Severity
    why: str
    todo: str
    commander: str
    reach: str
    escalation: list[Contact]
    impact: str
    due: AwareDatetime
    chapters: list[Chapter]


def incident(attempt: Attempt, *, left: Event | None, returned: Attempt | None, contacts: Sequence[Contact]) -> Incident:
    """Return what has to be done about an attempt.

    `left`: the command that went back from it, if one did; `returned`: the attempt by which a proven release came back; `contacts`: who
    is called, in order, where the journal does not know it.
    """
    chain = sorted(attempt.contacts or contacts, key=lambda one: one.after)
    level, why = severity(attempt, left)
    gone = left.at if left else returned.begun if returned else attempt.ended
    due = (attempt.ended if attempt.why else gone) + POSTMORTEM
    who, reach = commander(chain)
    scene = Scene(attempt, left, returned, level, why, f"{who} ({reach})")
    return Incident(
        severity=level,
        why=why,
        todo=level.todo,
        commander=who,
        reach=reach,
        escalation=chain,
        impact=impact(attempt.impact),
        due=due,
        chapters=[scene.identify, scene.assess, scene.communicate, scene.mitigate, scene.verify, scene.postmortem(due)],
    )


def severity(attempt: Attempt, left: Event | None) -> tuple[Severity, str]:
    """Return how bad it was, and by which rule: what people say counts before what was seen."""
    if left and (said := LEVELS.get(str(left.figures.get("severity")))):
        return said, f"as {left.actor.user} said"
    if found := gravity(trouble(attempt), attempt):
        return found
    if attempt.why:
        return Severity.P3, "it was ended, and nothing that was seen is in the matrix"
    return Severity.P2, "nobody said how bad it was: `sluice rollback --severity` does"


def commander(chain: Sequence[Contact]) -> tuple[str, str]:
    """Return who commands, and how they are reached: whoever has that role, else the first who is called. It is a proposal."""
    named = [one for one in chain if any(word in one.role.lower() for word in COMMANDS)]
    first = next(iter(named or chain), None)
    if first is None:
        return "nobody yet", "sluice:rollout.contacts is empty"
    return first.name, ", ".join(word for word in (first.role, first.address, "proposed") if word)


def impact(seen: Impact) -> str:
    """Say what users met."""
    if not seen.requests:
        return "No request reached the new version"
    whole = seen.requests + seen.others
    part = f"{share(seen.requests, whole)} of all {count(whole, 'request')}" if seen.others else f"{count(seen.requests, 'request')}"
    failed = f"{count(seen.errors, 'request')} failed, {share(seen.errors, seen.requests)} of those that it answered"
    return f"The new version answered {part} in {span(seen.seconds)}, at most {seen.weight} % of the traffic; {failed}"


@dataclass(frozen=True)
class Scene:
    """The chapters of the checklist, each with what is known."""

    attempt: Attempt
    left: Event | None
    returned: Attempt | None
    level: Severity
    why: str
    commander: str

    @property
    def identify(self) -> Chapter:
        """Say what was seen."""
        seen = self.attempt.why or (self.left.text if self.left else "")
        known = Item(text="What failed is known", done=bool(seen), note=seen)
        return Chapter(title="Identify", within="1 to 2 min", items=[known, *boxes("Error logs read", "Affected users and features named")])

    @property
    def assess(self) -> Chapter:
        """Say how bad it is."""
        items = [
            Item(text=f"Severity {self.level}: {self.level.todo}", done=True, note=self.why),
            Item(text="Impact estimated", done=True, note=impact(self.attempt.impact)),
            Item(text="Decided whether to go back", done=bool(self.back), note=self.back),
        ]
        return Chapter(title="Assess", within="2 to 3 min", items=items)

    @property
    def communicate(self) -> Chapter:
        """Say who knows."""
        told = [message for message in self.attempt.messages if message.to]
        note = (
            "; ".join([f"{', '.join(told[-1].to)}, {clock(told[-1].at)}", *told[-1].missed]) if told else "sluice:rollout.notify is empty"
        )
        assign = Item(text="Incident commander assigned", note=self.commander)
        items = [Item(text="Team told", done=bool(told), note=note), *boxes("Status page updated, if there is one"), assign]
        return Chapter(title="Communicate", within="1 min", items=items)

    @property
    def mitigate(self) -> Chapter:
        """Say what was done."""
        back = Item(text="Traffic taken back", done=bool(self.back) and not self.waits, note=self.back)
        others = boxes("Hotfix brought out, if there is one", "Affected feature switched off, if it has a flag")
        return Chapter(title="Mitigate", within="5 to 15 min", items=[back, *others])

    @property
    def verify(self) -> Chapter:
        """Say what was proven since."""
        tested = [bar for bar in (self.returned.bars if self.returned else []) if bar.moment is Moment.SMOKE and bar.state == "passed"]
        smoke = Item(text="Smoke tests passed", done=bool(tested), note=f"by the next release, {clock(tested[-1].ended)}" if tested else "")
        return Chapter(title="Verify", within="5 min", items=[smoke, *boxes("Error rates are down again", "Users confirm it")])

    def postmortem(self, due: AwareDatetime) -> Chapter:
        """Say what has to be written, and until when."""
        timeline = Item(text="Timeline documented", done=True, note="this page")
        items = [timeline, *boxes("Root cause identified", "Action items created")]
        return Chapter(title="Postmortem", within=f"within 48 hours: {when(due)}", items=items)

    @property
    def waits(self) -> bool:
        """Say whether somebody has asked to go back, and no proven release has come in since."""
        asked = self.left is not None and self.left.moment is Moment.ROLLBACK
        return asked and self.returned is None and self.attempt.aborted is None

    @property
    def back(self) -> str:
        """Say how traffic went back; "" when it did not, as far as is known."""
        if self.attempt.aborted:
            return f"all traffic back on what was live, {clock(self.attempt.aborted)}"
        if self.left:
            return f"{self.left.text}, {clock(self.left.at)}, by {self.left.actor.text}"
        return "" if self.attempt.impact.requests else "not needed: the new version had no traffic"


def boxes(*texts: str) -> list[Item]:
    """Return boxes for people."""
    return [Item(text=text) for text in texts]
