"""Mark: a live release is looked at again, some time after it was proven. It moves no traffic, whatever it finds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import DiffResult, Resource

from sluice.hooks import journal
from sluice.hooks.base import Hook, Props, due

if TYPE_CHECKING:
    from sluice.core.clock import Clock
    from sluice.core.verdict import Verdict


class MarkProvider(Hook):
    """Looks at all marks that are due as one, and writes down when they were passed.

    Inputs beside every hook's: `passed`, when each was, by name (ISO 8601, as outputs have it); `due`, the names of those to pass now.
    Where there are some: `versions` (core.version.Version), `checks` (core.check.Check; `split.*` are answered from the splitter's own
    figures, core.traffic), `split`, a runtime's descriptor, `window` and `patience` in seconds, `back`, what to say about the way back;
    and optionally `smoke`, the `journeys`, `targets` and `databases` of `hooks.smoke`.
    Outputs: `passed`, and `verdicts`, a sentence a check.
    """

    moment = "mark"

    def diff(self, _id: str, _olds: Any, _news: Any) -> DiffResult:
        """Report a change when marks are due, with every new release, and when the last one's are still here: its update was cut short."""
        return DiffResult(changes=due(_olds, _news) or bool(_news["due"]) or _olds.get("passed") != _news["passed"])

    def run(self, props: Props) -> Props:
        """Look; without anything due only take over what was passed."""
        passed = dict(props["passed"])
        if not props["due"]:
            return {"passed": passed, "verdicts": []}
        from datetime import UTC, datetime

        from sluice.core.errors import GateFailed, Unreachable
        from sluice.core.mark import iso
        from sluice.hooks.stop import Stop, WatchedClock

        try:
            verdicts = look(props, WatchedClock(Stop()))
        except (GateFailed, Unreachable) as error:
            raise GateFailed(f"{_named(error, props)}; {props['back']}") from None
        now = dict.fromkeys(props["due"], iso(datetime.now(UTC)))
        return {"passed": passed | now, "verdicts": [verdict.text for verdict in verdicts]}


class Mark(Resource, module="sluice", name="Mark"):
    """The marks of a release in a stack; `props` are those of `MarkProvider`."""

    passed: pulumi.Output[dict[str, str]]
    verdicts: pulumi.Output[list[str]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        # `passed` is an input too, and an output of the same name.
        super().__init__(MarkProvider(), name, {**props, "verdicts": None}, opts)


def look(props: Props, clock: Clock) -> list[Verdict]:
    """Count traffic for `window` seconds, then judge all checks in one round; what has no answer yet may take `patience` more.

    A failure ends it at once: it has already lasted as long as its check says. Raise GateFailed.
    """
    from sluice.core.gate import Gate, On
    from sluice.core.moment import Moment
    from sluice.core.version import Version
    from sluice.hooks.gate import wait
    from sluice.hooks.smoke import SmokeProvider
    from sluice.systems import splits
    from sluice.systems.sight import Sight

    sight = Sight(splits.open(props["split"]), [Version.read(one) for one in props["versions"]], clock)
    if props.get("smoke"):
        # Before the checks: what it asks is traffic too, and leaves lines in logs.
        SmokeProvider().run({**props["smoke"], "release": props["release"]})
    clock.wait(sight.begun + props["window"] - clock.now())
    rules = {"moment": Moment.MARK, "subject": _subject(props), "checks": props["checks"], "deadline": props["patience"]}
    return wait(Gate.read({**rules, "on": On(failed="fail")}), clock, sight.verdict, told=partial(journal.judged, props))


def _subject(props: Props) -> str:
    return f"{props['release']} at {', '.join(props['due'])}"


def _named(error: Exception, props: Props) -> str:
    text = str(error)
    return text if text.startswith("mark of ") else f"mark of {_subject(props)}: {text}"
