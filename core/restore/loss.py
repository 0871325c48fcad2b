"""What going back costs, counted: a backup knows nothing of what came after its snapshot."""

from __future__ import annotations

from collections.abc import Mapping

UNCOUNTED = "not counted: rows changed since, and rows deleted that new ones have replaced; all of them are as they were then"
SAME = "no table has another number of rows than the backup"


def losses(now: Mapping[str, int], saved: Mapping[str, int]) -> list[str]:
    """Return a sentence for each table whose rows, now and in what takes its place, differ in number; the last one says what it cannot."""
    lines = [line for name in sorted({*now, *saved}) if (line := _table(name, now.get(name), saved.get(name)))]
    return [*(lines or [SAME]), UNCOUNTED]


def _table(name: str, now: int | None, saved: int | None) -> str:
    if now is None:
        return f"table {name}: comes back with {saved} rows, it is not there now"
    if saved is None:
        return f"table {name}: is lost with its {now} rows, it was not there then"
    if now > saved:
        return f"table {name}: at least {now - saved} rows are lost, {now} now and {saved} then"
    return f"table {name}: {saved - now} rows come back, {now} now and {saved} then" if now < saved else ""


def repeats(now: Mapping[str, int], saved: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return a sentence for each sequence that goes back: whoever kept its numbers, outside of the database, meets them again."""
    back = [(name, now[name], max(ends)) for name, ends in sorted(saved.items()) if now.get(name, max(ends)) > max(ends)]
    return [f"sequence {name}: goes back from {high} to {low}, numbers in between are given out again" for name, high, low in back]
