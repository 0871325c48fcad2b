"""`sluice doctor`: what is wrong with a stack and the machine under it, why, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli import options, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluice.core.diagnosis.finding import Finding

Long = Annotated[str, typer.Option("--long", metavar="DURATION", help="From when a transaction or a statement is told, as in 30s or 5m.")]
# Shorter ones come and go; after a minute somebody has forgotten one.
LONG = "60s"
STYLES = {"problem": "bold red", "unknown": "magenta", "warning": "yellow", "ok": "green"}


@options.spread
def doctor(long: Long = LONG, at: options.At = options.HERE, json: options.Json = False) -> None:
    """Look at everything at once: disks, memory, ports, variables, credentials, programs, services, doors, databases, migrations, backups.

    Each finding says what was seen against what was expected, the cause, and a command to paste. Nothing is changed. Exit code 1 when there
    is a problem, or something could not be asked. In plain Pulumi: `pulumi stack`, `pulumi preview`; the rest is psql, curl, ss, df.
    """
    import time

    from sluice.core.diagnosis.finding import sound, worst
    from sluice.history.examine import examine

    begun, least = time.monotonic(), span("--long", long)
    found = worst(examine(at.pulumi, long=least))
    if json:
        say.data([one.wire() for one in found])
    else:
        show(found, time.monotonic() - begun)
    if not sound(found):
        raise typer.Exit(1)


def span(option: str, given: str) -> float:
    """Read a duration."""
    from sluice.core.errors import Refused
    from sluice.core.settings.duration import seconds

    try:
        return seconds(given)
    except ValueError as error:
        raise Refused([f"{option} {given}: {error}"]) from None


def show(found: Sequence[Finding], took: float) -> None:
    """Print a table on a terminal, lines elsewhere; then what can be pasted, each command whole on a line of its own."""
    import sys

    if sys.stdout.isatty():
        rows = [(one.state.value, one.area, one.what, against(one)) for one in found]
        say.table(("", "area", "what", "seen"), rows, styles=STYLES)
    else:
        say.lines(*(f"{one.state.value:8} {one.area:9} {one.what}: {against(one)}" for one in found))
    say.lines(*(line for one in found if one.state.value != "ok" for line in advice(one)), "", tally(found, took))


def against(one: Finding) -> str:
    """Say what was seen against what was expected."""
    return one.seen + (f" (expected {one.expected})" if one.expected else "")


def advice(one: Finding) -> list[str]:
    """Say why, and what next."""
    why = f"{one.what}: {one.cause or one.seen}"
    return ["", f"{one.state.value}: {why}", *([f"    {one.next}"] if one.next else [])]


def tally(found: Sequence[Finding], took: float) -> str:
    """Count the findings."""
    counts = {name: sum(one.state.value == name for one in found) for name in STYLES}
    told = [_count(name, count) for name, count in counts.items() if count or name == "problem"]
    return f"{', '.join(told)}, in {took:.1f} s"


def _count(name: str, count: int) -> str:
    return f"{count} {name}{'s' if name in ('problem', 'warning') and count != 1 else ''}"
