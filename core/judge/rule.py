"""From evidence to a verdict, with the sentence that says why."""

from __future__ import annotations

from sluice.core.judge.pace import EFFECT, Pace
from sluice.core.judge.rates import Counts, Rates
from sluice.core.judge.wager import ALPHA, MINIMUM
from sluice.core.verdict import Outcome, Severity, Verdict


def errors(check: str, rates: Rates, *, alpha: float = ALPHA, minimum: int = MINIMUM, severity: Severity = Severity.P2) -> Verdict:
    """Fail a canary whose error rate is proven worse than live's by more than the margin, and pass one that is not, given enough data.

    Strong evidence fails with few requests too: six errors in a hundred when live has none need no more.
    """
    allowed = f" by more than {rates.margin * 100:g} %" if rates.margin else ""
    failed = rates.p <= alpha
    word = "worse" if failed else "not shown to be worse"
    text = f"{check}: {_share(rates.canary)} against live's {_share(rates.live)}, {word}{allowed} (p {rates.p:.2g})"
    return _verdict(check, failed, text, _few(check, rates.live.total, rates.canary.total, minimum), severity)


def latency(
    check: str,
    pace: Pace,
    *,
    alpha: float = ALPHA,
    effect: float = EFFECT,
    minimum: int = MINIMUM,
    severity: Severity = Severity.P2,
) -> Verdict:
    """Fail a canary that is proven slower than live and by much (`effect`), and pass one that is not, given enough data.

    Slow by few requests is no verdict yet, one way or the other: a busy moment slows all requests of a version in it, and until there
    have been more of them it looks like proof.
    """
    live, canary = pace.live.total, pace.canary.total
    word = "proven" if pace.p <= alpha else "not proven"
    text = (
        f"{check}: slower than live in {pace.effect * 100:.0f} of 100 pairs, {effect * 100:g} matter, "
        f"{word} (p {pace.p:.2g}, {canary} requests against {live})"
    )
    slow = pace.p <= alpha and pace.effect >= effect
    few = _few(check, live, canary, max(minimum, MINIMUM) if slow else minimum)
    return _verdict(check, slow and not few, text, few, severity)


def _verdict(check: str, failed: bool, text: str, few: str, severity: Severity) -> Verdict:
    if failed:
        return Verdict.of(check, Outcome.FAILED, text, severity)
    return Verdict.of(check, Outcome.INCONCLUSIVE if few else Outcome.PASSED, few or text, severity)


def _few(check: str, live: int, canary: int, minimum: int) -> str:
    """Say which side has too few requests; empty when neither has."""
    who, seen = ("the canary", canary) if canary <= live else ("live", live)
    return f"{check}: {seen} of at least {minimum} samples of {who}" if seen < minimum else ""


def _share(counts: Counts) -> str:
    return f"{counts.rate * 100:.2f} % ({counts.errors} of {counts.total})"
