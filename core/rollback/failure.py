"""What failed in an update, by the engine's own events: which resource, at which moment, and what the matrix says of that. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sluice.core.errors import GONE, TOLD
from sluice.core.rollback.database import Action
from sluice.core.rollback.plan import Plan
from sluice.core.rollback.symptom import Severity, Symptom, Trouble
from sluice.core.thresholds import LABELS, worded
from sluice.core.value import Value

# How the engine marks colours in what it says.
MARKUP = re.compile(r"<\{%.*?%\}>")
# An error of ours begins with its class; a runtime's has the module before it.
NAMED = re.compile(r"(?:error: )?(?:sluice\.[\w.]+\.)?([A-Z]\w+): ")
# Somebody did it, or somebody else is at work: nobody goes back behind their back.
PERSON = ("Interrupted", "Superseded")
# A canary says so in the sentence of its own failure.
STOPPED = tuple(f": {why}" for why in (TOLD, GONE))

# By the resource's type (docs/state.md). What is no step of ours is what a service runs on.
STEPS: Mapping[str, Trouble | None] = {
    "sluice:Preflight": Trouble.REFUSED,
    "sluice:Backup": Trouble.REFUSED,
    "sluice:Migration": Trouble.MIGRATION,
    "sluice:Gate": Trouble.HEALTH,
    "sluice:Smoke": Trouble.SMOKE,
    "sluice:Canary": Trouble.HEALTH,
    "sluice:Restore": Trouble.CORRUPTION,
    "sluice:Flag": Trouble.REFUSED,
    "sluice:Guard": None,
    "sluice:Notify": None,
    "sluice:Record": None,
    "sluice:Mark": None,
}
# What a canary saw, by the words of its checks: slowness and load are one row of the matrix, errors another, all else is health.
SLOW = ("latency", "latency_delta", "connections", "cpu", "memory")
ERRORS = ("error_rate", "error_delta")
# What pulumi-docker and pulumi-command do of a version, by what its type ends with: a container that is made is started, and the door is
# told of it. An image, and the copy that one is built of, come before that.
STARTS = (":Container", ":Command")
# Its step comes after the new version has passed everything and has all traffic.
SETTLE = "-settle-run"


class Failure(Value):
    """The first resource that failed: its `name` and `kind` (its type, ours without the engine's prefix), the `error`'s class and its
    text. Without a resource it is the program that failed."""

    name: str = ""
    kind: str = ""
    error: str = ""
    text: str = ""

    @classmethod
    def of(cls, kind: str, text: str) -> Failure:
        """Return the failure of a kind of resource by what it said."""
        return cls(kind=kind, **_told(text))

    @property
    def settling(self) -> bool:
        """Say whether the new version had passed everything already."""
        return self.name.endswith(SETTLE)

    @property
    def trouble(self) -> Trouble | None:
        """Return its row of the matrix; None where that is for a person to say."""
        if self.error in PERSON or any(why in self.text for why in STOPPED):
            return None
        if not self.kind:
            # The program has found no artifact, or else it was its settings.
            return Trouble.ARTIFACT if self.error == "Unreachable" else Trouble.REFUSED
        if self.kind == "sluice:Canary":
            return _seen(self.text)
        if self.kind == "sluice:Backup" and self.error == "MigrationFailed":
            return Trouble.MIGRATION
        if self.kind in STEPS:
            return STEPS[self.kind]
        # A version that is there and does not run has another error than one that is not there.
        starts = self.error == "RuntimeFailed" or self.kind.endswith(STARTS)
        return Trouble.SERVICE if starts else Trouble.ARTIFACT

    def symptom(self, severity: Severity | None = None) -> Symptom | None:
        """Return what is seen; `severity` where people know better."""
        return Symptom(trouble=self.trouble, severity=severity) if self.trouble else None


def read(lines: Iterable[str]) -> Failure | None:
    """Return the first failure in an event log, an engine event a line; None when nothing says what failed."""
    events = [event for line in lines if (event := _event(line))]
    failed = next((one["resOpFailedEvent"]["metadata"] for one in events if "resOpFailedEvent" in one), None)
    said = [one["diagnosticEvent"] for one in events if "diagnosticEvent" in one]
    errors = [one for one in said if one.get("severity") == "error"]
    if failed is None:
        return Failure(**_told(_text(errors))) if errors else None
    of = [one for one in errors if one.get("urn") == failed["urn"]]
    kind = str(failed.get("type", "")).rpartition("/")[2]
    return Failure(name=str(failed["urn"]).rpartition("::")[2], kind=kind, **_told(_text(of)))


def messages(lines: Iterable[str], severity: str) -> list[str]:
    """Return what an event log has of messages of a severity, as people read them."""
    said = [event["diagnosticEvent"] for line in lines if (event := _event(line)) and "diagnosticEvent" in event]
    return [_text([one]) for one in said if one.get("severity") == severity]


def _event(line: str) -> Any:
    try:
        found = json.loads(line)
    except ValueError:
        # The last line of an engine that was killed.
        return None
    return found if isinstance(found, dict) else None


def _text(errors: Sequence[Mapping[str, Any]]) -> str:
    return MARKUP.sub("", "\n".join(str(one.get("message", "")) for one in errors)).strip()


def _told(text: str) -> dict[str, str]:
    found = NAMED.match(text)
    return {"error": found[1] if found else "", "text": text}


def _seen(text: str) -> Trouble:
    """Return which row a canary's sentence belongs to: its checks have names."""
    said = {name for name, label in LABELS.items() if re.search(rf": {worded(label)}[ :]", text)}
    if said & {*ERRORS}:
        return Trouble.ERRORS
    return Trouble.PERFORMANCE if said & {*SLOW} else Trouble.HEALTH


def waits(failure: Failure | None, plan: Plan, live: str | None) -> str:
    """Return why a person has to decide what follows a failed release, "" where going back by itself is safe.

    `live` is what was proven and served when the release began: nothing else is gone back to by itself.
    """
    if failure is None or failure.trouble is None:
        return "what failed is for a person to judge"
    if failure.settling:
        return "the new version has passed everything, and serves: mend its last migrations, then `pulumi up`"
    if plan.action is Action.NOTHING:
        return "the matrix says to mend it, and to try again"
    if plan.action is Action.REFUSE:
        return "there is no way back that could be taken"
    if plan.target != live or plan.failing == live:
        return "the release that serves is not the one that would be gone back to"
    if plan.restores:
        return "a restore loses what was written since"
    return "the way back of its migrations loses data" if plan.loses else ""
