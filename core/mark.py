"""Which marks a live release has passed, and which are due: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime

from sluice.core.check import Unit, show
from sluice.core.record import Record
from sluice.core.settings.check import Threshold
from sluice.core.settings.duration import text
from sluice.core.settings.mark import Mark
from sluice.core.value import Value

# They compare a new version with the live one, and after a release there is only one.
COMPARING = ("error_delta", "latency_delta")


class Standing(Value):
    """The marks of one release, which was proven at `since`; `passed` is when each was passed, by name."""

    release: str
    since: AwareDatetime
    marks: list[Mark]
    passed: dict[str, AwareDatetime] = {}

    @classmethod
    def of(cls, record: Record, marks: Sequence[Mark], output: Mapping[str, Any] | None) -> Standing:
        """Return where a proven release stands, by the `marks` of the stack's last outputs: those of any other release are not its own."""
        bare = cls(release=record.id, since=record.at, marks=list(marks))
        if not output or (output["release"], datetime.fromisoformat(output["since"])) != (record.id, record.at):
            return bare
        return cls.read({**bare.wire(), "passed": output["passed"]})

    @property
    def owed(self) -> list[Mark]:
        """Return the marks that have not been passed, due or not."""
        return [mark for mark in self.marks if mark.name not in self.passed]

    def due(self, now: datetime) -> list[Mark]:
        """Return the marks whose time has come."""
        return [mark for mark in self.owed if self.at(mark) <= now]

    def at(self, mark: Mark) -> datetime:
        """Return from when on a mark is due."""
        return self.since + timedelta(seconds=mark.after)

    @property
    def shown(self) -> dict[str, Any]:
        """Return it as other stacks and people read it. When a mark is due is a time, which needs no update to come true."""
        owed = [{"name": mark.name, "due_at": iso(self.at(mark))} for mark in self.owed]
        passed = {name: iso(at) for name, at in self.passed.items()}
        told = {"release": self.release, "since": iso(self.since), "due": owed, "passed": passed}
        return told | ({"next": owed[0]} if owed else {})


def iso(at: datetime) -> str:
    """Write a time the one way in which all of them are written: they compare as texts."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def strictest(marks: Sequence[Mark]) -> Mark:
    """Return one mark that is passed only where all of these are."""
    return Mark(
        after=max(mark.after for mark in marks),
        error_rate=min(mark.error_rate for mark in marks),
        latency=min(mark.latency for mark in marks),
        window=max(mark.window for mark in marks),
        smoke=any(mark.smoke for mark in marks),
    )


def limits(mark: Mark, thresholds: Mapping[str, Threshold]) -> dict[str, Threshold]:
    """Return a canary's limits as a mark has them: its own for errors and latency, and none that compares two versions."""
    own = {"error_rate": mark.error_rate, "latency": mark.latency}
    kept = {name: threshold for name, threshold in thresholds.items() if name not in COMPARING}
    return {name: one.model_copy(update={"max": own[name]} if name in own else {}) for name, one in kept.items()}


def story(standing: Standing, now: datetime) -> str:
    """Say which marks are due, since when, and what they want; nothing when none is."""
    due = standing.due(now)
    if not due:
        return ""
    wants = strictest(due)
    names = ", ".join(f"{mark.name} (since {iso(standing.at(mark))})" for mark in due)
    smoke = ", smoke tests" if wants.smoke else ""
    rates = f"errors at most {show(wants.error_rate, Unit.RATIO)}, latency at most {show(wants.latency, Unit.SECONDS)}"
    return f"marks of {standing.release} that are due: {names}: {rates} over {text(wants.window)}{smoke}"
