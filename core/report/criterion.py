"""What makes a release a success, criterion by criterion: the list that runbook 002 ends with, each with what was seen and by whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from sluice.core.moment import Moment
from sluice.core.report.attempt import Attempt, Bar, End, Ruling, State, Table
from sluice.core.report.word import clock, count, share, span, when
from sluice.core.settings.permission import without
from sluice.core.thresholds import common
from sluice.core.value import Value

DATA = (Moment.BACKUP, Moment.EXPAND, Moment.SETTLE)


class Word(StrEnum):
    """What a criterion came to. Nothing that was not asked counts as passed."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT = "left out"  # by somebody's leave
    NEVER = "not asked"
    LATER = "to come"  # a mark that is not due


class Criterion(Value):
    """One line: `figure` is what was seen, `source` who saw it, and when."""

    name: str
    word: Word
    figure: str = ""
    source: str = ""


def criteria(last: Attempt, skipped: Mapping[str, str], looks: Sequence[Attempt], due: Sequence[tuple[str, datetime]]) -> list[Criterion]:
    """Return the criteria of an attempt. `skipped` is what it went without, each with who let it; `looks` are the later looks at it, and
    `due` those that are to come, each with its time."""
    return [*_health(last), *_smoke(last, skipped), *_canary(last), *_data(last, skipped), *_told(last), *_marks(looks, due), _proven(last)]


def _health(last: Attempt) -> Iterator[Criterion]:
    found = [table for table in last.tables if table.moment is Moment.HEALTH]
    yield _gate("all services healthy", last, Moment.HEALTH, found[-1:])
    yield from _own(found[-1:], "health gate")


def _smoke(last: Attempt, skipped: Mapping[str, str]) -> Iterator[Criterion]:
    name, tables = "all smoke tests passing", [table for table in last.tables if table.moment is Moment.SMOKE]
    if "tests" in skipped:
        yield Criterion(name=name, word=Word.LEFT, figure=without({"tests": skipped["tests"]}).removeprefix(", "))
        return
    yield _gate(name, last, Moment.SMOKE, tables, none="the journal has no journey of it")
    rows = {one.check: (one, table) for table in tables for one in table.verdicts}
    yield from (_row(one, f"smoke test, {clock(table.at)}") for one, table in rows.values())


def _canary(last: Attempt) -> Iterator[Criterion]:
    found = [table for table in last.tables if table.moment is Moment.CANARY]
    yield _gate("new version as good as live, under traffic", last, Moment.CANARY, found)
    met = last.impact
    if met.requests:
        text = (
            f"{share(met.errors, met.requests)} of {count(met.requests, 'request')} failed, at up to {met.weight} % for {span(met.seconds)}"
        )
        yield Criterion(name="requests answered", word=_word(last, Moment.CANARY), figure=text, source="the splitter's counters")
    yield from _own(found[-1:], "canary")


def _gate(name: str, last: Attempt, moment: Moment, tables: Sequence[Table], *, none: str = "") -> Criterion:
    """Return what a gate came to: its checks where it has written them down, else how its steps ended."""
    bars = [bar for bar in last.bars if bar.moment is moment]
    if not bars or not (tables or moment is not Moment.SMOKE or _failed(bars)):
        return Criterion(name=name, word=Word.NEVER, figure=none if bars else "it did not come to that")
    rows = [one for table in tables for one in table.verdicts]
    well = sum(one.outcome == "passed" for one in rows)
    bad = [f"{one.check}: {one.observed}" for one in rows if one.outcome != "passed"]
    tally = f"{well} of {count(len(rows), 'check')} passed" if rows else ""
    figure = "; ".join(text for text in (tally, *bad, last.why if _failed(bars) and not bad else "") if text)
    return Criterion(name=name, word=_word(last, moment), figure=figure, source=f"{moment.value}, {clock(bars[-1].ended)}")


def _failed(bars: Sequence[Bar]) -> bool:
    return any(bar.state is State.FAILED for bar in bars)


def _word(last: Attempt, moment: Moment) -> Word:
    """Return how the steps of a moment ended, all of them together."""
    states = {bar.state for bar in last.bars if bar.moment is moment}
    if State.FAILED in states or (last.moment is moment and last.end is not End.PROVEN):
        return Word.FAILED
    return Word.PASSED if states == {State.PASSED} else Word.NEVER


def _own(tables: Sequence[Table], source: str) -> Iterator[Criterion]:
    """Yield the checks that a team adds, by their own names: those of Sluice are in the gate's count."""
    rows = {one.check: (one, table) for table in tables for one in table.verdicts if not common(one.check)}
    yield from (_row(one, f"{source}, {clock(table.at)}") for one, table in rows.values())


def _row(one: Ruling, source: str) -> Criterion:
    word = {"passed": Word.PASSED, "failed": Word.FAILED}.get(one.outcome, Word.NEVER)
    wanted = f" (wanted {one.expected})" if one.expected else ""
    return Criterion(name=one.check, word=word, figure=f"{one.observed}{wanted}", source=source)


def _data(last: Attempt, skipped: Mapping[str, str]) -> Iterator[Criterion]:
    bars = [bar for bar in last.bars if bar.moment in DATA]
    if not bars:
        return
    lines = [line for moment in DATA for line in last.came.get(moment.value, [])]
    words = {_word(last, moment) for moment in {bar.moment for bar in bars}}
    word = Word.FAILED if Word.FAILED in words else Word.PASSED if words == {Word.PASSED} else Word.NEVER
    figure = "; ".join(lines) or ("nothing was pending" if word is Word.PASSED else last.why)
    yield Criterion(name="databases saved and migrated", word=word, figure=figure + without(_only(skipped, "backup")), source=_ended(bars))


def _only(skipped: Mapping[str, str], what: str) -> dict[str, str]:
    return {what: skipped[what]} if what in skipped else {}


def _ended(bars: Sequence[Bar]) -> str:
    return f"{', '.join(dict.fromkeys(bar.moment.value for bar in bars))}, {clock(bars[-1].ended)}"


def _told(last: Attempt) -> Iterator[Criterion]:
    name = "people told"
    if not last.messages:
        yield Criterion(name=name, word=Word.NEVER, figure="sluice:rollout.notify names nobody")
        return
    missed = [one for message in last.messages for one in message.missed]
    to = ", ".join(dict.fromkeys(kind for message in last.messages for kind in message.to))
    figure = "; ".join(dict.fromkeys(missed)) or f"{count(len(last.messages), 'message')} to {to}"
    yield Criterion(name=name, word=Word.FAILED if missed else Word.PASSED, figure=figure, source=f"notify, {clock(last.messages[-1].at)}")


def _marks(looks: Sequence[Attempt], due: Sequence[tuple[str, datetime]]) -> Iterator[Criterion]:
    name = "well when looked at later"
    for one in looks:
        word = Word.PASSED if one.end is End.PROVEN else Word.FAILED
        yield Criterion(name=name, word=word, figure=one.why, source=f"mark, {when(one.ended)}")
    for mark, at in due:
        yield Criterion(name=name, word=Word.LATER, figure=f"{mark} after it was proven", source=f"mark, due {when(at)}")


def _proven(last: Attempt) -> Criterion:
    word = {End.PROVEN: Word.PASSED, End.HELD: Word.NEVER}.get(last.end, Word.FAILED)
    return Criterion(
        name="live and proven", word=word, figure=f"{last.end.value}, after {span(last.seconds)}", source=f"journal, {clock(last.ended)}"
    )
