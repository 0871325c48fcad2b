"""`sluice check`: a gate's questions, put now and without a release."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice.cli import options, say
from sluice.cli.stop import CODE, Patient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluice.core.questions import Questions
    from sluice.core.verdict import Outcome, Verdict


class Gate(StrEnum):
    """The gates that can be asked."""

    PREFLIGHT = "preflight"
    HEALTH = "health"
    SMOKE = "smoke"
    MARK = "mark"


# A mark counts traffic for minutes: who wants that names it.
USUAL = (Gate.PREFLIGHT, Gate.HEALTH, Gate.SMOKE)
# How long `--wait` waits when nobody says, and how often it asks, in seconds: runbook 002 gives its health check a minute.
TIMEOUT, POLL = "60s", 1.0
NOTHING = "  inconclusive  nothing is declared that could be asked"
CODES = {"passed": 0, "failed": 1, "inconclusive": 2, "errored": 2}

Which = Annotated[
    Gate | None,
    typer.Argument(
        metavar="GATE", help="preflight, health, smoke or mark; without one the first three.", show_default=False, show_choices=False
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="Ask again and again until all passes, or the timeout is over.")]
Timeout = Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long to wait, as in 60s or 5m.")]


@options.spread
def check(
    gate: Which = None,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT,
    at: options.At = options.HERE,
    json: options.Json = False,
) -> None:
    """Ask a gate's checks now, as the program declares them, without a release and without changing anything.

    Health is asked of the release that config names; smoke tests and marks look at the live one. Exit code 0: all passed; 1: something
    failed; 2: something could not be asked, or there is no evidence. In plain Pulumi: `pulumi preview` says what a gate would do; the
    checks themselves are curl, psql and tail, which are printed for what did not pass.
    """
    from sluice.core.errors import SluiceError

    clock = Patient()
    try:
        code = _check(USUAL if gate is None else (gate,), _span(timeout) if wait else 0.0, at, json, clock)
    except SluiceError as error:
        say.error(at.told(error))
        # What was not asked has not failed; and Ctrl-C reaches the program's preview too, which then fails.
        code = CODE if clock.asked else CODES["errored"]
    raise typer.Exit(code)


def _span(given: str) -> float:
    from sluice.cli.doctor import span

    return span("--timeout", given)


def _check(gates: Sequence[Gate], timeout: float, at: options.At, json: bool, clock: Patient) -> int:
    from sluice.core.verdict import worst
    from sluice.core.wait import until

    round_ = Round(gates, at)
    found = until(lambda: round_.ask(clock), round_.good, clock=clock, deadline=timeout, poll=POLL)
    outcome = worst(verdict for verdicts in found.values() for verdict in verdicts)
    if json:
        say.data(told(round_.asked, found, outcome))
    else:
        show(round_.asked, found, at.doctor)
        say.lines(outcome.value)
    return CODES[outcome]


class Round:
    """Asks gates again and again; the program is asked again only while a version that is meant does not run yet."""

    asked: Questions

    def __init__(self, gates: Sequence[Gate], at: options.At) -> None:
        self.gates, self.at, self.known = gates, at, False

    def ask(self, clock: Patient) -> dict[str, list[Verdict]]:
        """Ask every gate once."""
        from sluice.history.questions import ask
        from sluice.systems import gates as put

        if not self.known or (Gate.HEALTH in self.gates and self.asked.health.absent):
            self.asked, self.known = ask(self.at.look()), True
        # A stack without journeys has no smoke test to speak of, unless somebody asks for it.
        named = [one for one in self.gates if one is not Gate.SMOKE or self.asked.smoke or len(self.gates) == 1]
        return {gate.value: put.look(gate, self.asked, clock) for gate in named}

    def good(self, found: dict[str, list[Verdict]]) -> bool:
        """Say whether all passed."""
        from sluice.core.verdict import Outcome, worst

        return all(worst(verdicts) is Outcome.PASSED for verdicts in found.values())


def told(asked: Questions, found: dict[str, list[Verdict]], outcome: Outcome) -> dict[str, Any]:
    """Return what came out as data."""
    from sluice.core.verdict import worst

    gates = {gate: {"outcome": worst(some).value, "verdicts": [one.wire() for one in some]} for gate, some in found.items()}
    return {"release": asked.release, "live": asked.live or None, "outcome": outcome.value, "gates": gates}


def show(asked: Questions, found: dict[str, list[Verdict]], doctor: str) -> None:
    """Print a line for each verdict, and for what did not pass the command that asks the same; where something could not be asked, the one
    that looks for the cause."""
    from sluice.core.diagnosis.plain import plain
    from sluice.core.verdict import Outcome

    checks = {one.name: one for one in (*asked.health.checks, *(asked.mark.checks if asked.mark else []))}
    for gate, verdicts in found.items():
        subject = asked.release if gate in ("preflight", "health") else asked.live
        say.lines(f"{gate} of {subject or 'nothing: no release is proven yet'}", *([] if verdicts else [NOTHING]))
        for one in verdicts:
            command = plain(checks[one.check]) if one.check in checks and not one.passed else ""
            say.lines(f"  {one.outcome.value:12}  {one.text}", *([f"                {command}"] if command else []))
    if any(one.outcome is Outcome.ERRORED for verdicts in found.values() for one in verdicts):
        say.lines(f"{doctor} looks for the cause")
