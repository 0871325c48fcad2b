"""The journal of a stack: what commands add to it, and what a report takes from it and from all else that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluice.core.contact import Contact
from sluice.core.errors import Refused, SluiceError, Unreachable
from sluice.core.journal import Event, Happened, Source, parse
from sluice.core.migration.row import Row
from sluice.core.moment import Moment
from sluice.core.report.attempt import Attempt
from sluice.core.report.lines import attempts
from sluice.core.report.report import Known
from sluice.core.report.word import when
from sluice.core.rollback.block import data
from sluice.core.settings.approval import Given
from sluice.core.settings.parse import draft
from sluice.core.settings.rollout import Rollout
from sluice.core.settings.tree import ROLLOUT
from sluice.history.stack import Stack
from sluice.history.watch import ended
from sluice.systems import actor, home, journal, splits


def note(
    seen: Stack,
    moment: Moment,
    text: str,
    *,
    release: str = "",
    figures: Mapping[str, Any] | None = None,
    event: Happened = Happened.ASKED,
) -> list[str]:
    """Write down what somebody asks for, and why, or what came of it; return a warning where that was not possible. A stack that never
    ran has no journal."""
    path = seen.outputs.get("journal")
    if not path:
        return []
    about = release or seen.configured or (seen.live.id if seen.live else "")
    source = Source(path=path, stack=seen.pulumi.short, run="", actor=actor.here(seen.pulumi.folder))
    said = {"release": about, "moment": moment, "event": event, "text": text, "figures": dict(figures or {})}
    try:
        journal.write(source, said, journal.secrets({}))
    except Unreachable as error:
        return [str(error)]
    return []


def known(seen: Stack) -> Known:
    """Return all that is known of a stack. Refused when it has no journal; what else cannot be found out is a note."""
    events, skipped = _read(seen)
    others, apart = _apart(seen)
    rollout, wrong = _rollout(seen)
    rows, missing = _rows(seen)
    return Known(
        stack=seen.pulumi.short,
        events=_merged(events, others),
        skipped=skipped,
        updates=seen.updates,
        records=seen.records,
        rows=rows,
        approvals=_approvals(rollout),
        contacts=_contacts(rollout),
        due=_due(seen),
        notes=[*_kept(seen), *apart, *wrong, *missing],
    )


def _read(seen: Stack) -> tuple[list[Event], int]:
    """Return the events of a stack's journal, and how many of its lines say nothing. State forgets with `pulumi destroy` where it is, and
    the file stays: then it is looked for where such a stack lives."""
    told = seen.outputs.get("journal")
    path = Path(told) if told else home.journal(seen.pulumi.project, seen.pulumi.short)
    if not told and not path.is_file():
        why = f"'{seen.pulumi.stack}' has no journal: state names none, and '{path}' is not there"
        raise Refused([f"{why}; the next release begins one, and one that was destroyed is found where SLUICE_HOME was then"])
    events, skipped = journal.read(path)
    # Two projects may have made their folders' names of the same letters.
    return [one for one in events if told or one.stack == seen.pulumi.short], skipped


def tried(seen: Stack) -> Attempt | None:
    """Return what the journal has of the last update, which failed to bring out what is in config; None where it has nothing."""
    path, last = seen.outputs.get("journal"), next((one for one in seen.updates if one.deploys), None)
    if not path or last is None:
        return None
    try:
        events, _ = journal.read(Path(path))
    except Unreachable:
        return None
    mine = [one for one in _merged(events, _apart(seen)[0]) if one.release == seen.configured and int(one.at.timestamp()) >= last.begun]
    return next(reversed(attempts(mine, seen.updates)), None)


def _apart(seen: Stack) -> tuple[list[Event], list[str]]:
    """Return what a keeper that does not see the journal has written beside its splitter, and why that cannot be read, if so."""
    try:
        found = splits.lines(seen.split) if seen.split else []
    except Unreachable as error:
        return [], [f"what the keeper has written is not known: {error}"]
    return [event for line in found if (event := parse(line))], []


def _merged(events: list[Event], others: list[Event]) -> list[Event]:
    """Put what others have written where it belongs; a file's own lines stay in their order."""
    return sorted([*events, *others], key=lambda one: one.at) if others else events


def _kept(seen: Stack) -> list[str]:
    """Say what the keeper took back last, where it could not write that down itself."""
    last = ended(seen)
    if not last or last.get("noted"):
        return []
    return [f"the keeper took back the traffic of {last['release']} at {when(datetime.fromtimestamp(last['at'], UTC))}: {last['why']}"]


def _rollout(seen: Stack) -> tuple[Rollout | None, list[str]]:
    if not seen.rollout:
        return None, []
    found = draft(ROLLOUT, Rollout, data(seen.rollout))
    return (None, ["approvals and contacts are not known, as sluice:rollout is not valid"]) if found.problems else (found.value, [])


def _due(seen: Stack) -> dict[str, list[tuple[str, datetime]]]:
    told = seen.outputs.get("marks") or {}
    due = [(str(one["name"]), datetime.fromisoformat(one["due_at"])) for one in told.get("due") or ()]
    return {str(told["release"]): due} if due else {}


def _approvals(rollout: Rollout | None) -> Sequence[Given]:
    return rollout.approvals.given if rollout else ()


def _contacts(rollout: Rollout | None) -> Sequence[Contact]:
    return rollout.chain if rollout else ()


def _rows(seen: Stack) -> tuple[dict[str, list[Row]], list[str]]:
    """Ask each database for its history; a stack without one does not wait for the drivers."""
    rows: dict[str, list[Row]] = {}
    notes: list[str] = []
    if seen.stores:
        from sluice.systems import migrations

        for name, store in seen.stores.items():
            try:
                rows[name] = migrations.look(store)
            except SluiceError as error:
                notes.append(f"the migrations of '{name}' are not known: {error}")
    return rows, notes
