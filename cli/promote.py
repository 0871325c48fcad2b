"""`sluice promote`: let a release that is held go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice.cli import options, say
from sluice.cli.release import done
from sluice.cli.rollback import confirm
from sluice.cli.status import lease

if TYPE_CHECKING:
    from sluice.history.stack import Stack

Until = Annotated[
    int, typer.Option("--until", metavar="WEIGHT", min=1, max=100, help="The weight of the step to hold at next; 100 is all the way.")
]


@options.spread
def promote(
    until: Until = 100,
    message: options.Why = "",
    yes: options.Yes = False,
    at: options.At = options.HERE,
) -> None:
    """Go on from the step at which a release is held: all gates run again, and the step is proven again before the next one.

    In plain Pulumi: `pulumi config set --path sluice:rollout.until 100`, then `pulumi up`.
    """
    import time

    from sluice.cli.journal import note
    from sluice.core.moment import Moment
    from sluice.core.settings.tree import ROLLOUT, path
    from sluice.history import facts
    from sluice.history.locks import turn
    from sluice.history.pulumi import UP
    from sluice.history.stack import look

    pulumi = at.pulumi
    with turn(pulumi):
        seen = look(pulumi)
        held = check(seen, until)
        wanted = pulumi.argv("config", "set", "--path", path(ROLLOUT, ["until"]), str(until))
        up = pulumi.argv(*UP, "--message", f"promote {held['release']} to {until} %")
        say.lines("in plain Pulumi:", *(f"  {line}" for line in facts.shown([wanted, up])))
        confirm(f"promote '{held['release']}' from {held['weight']} % to {until} % on '{pulumi.stack}'?", yes)
        note(seen, Moment.PROMOTE, message or f"to {until} %", release=held["release"], until=until)
        begun = time.monotonic()
        pulumi.do(wanted)
        code = pulumi.attend(up, None) or done(pulumi, begun)
        if not code and until == 100:
            again = pulumi.argv("config", "set", "--path", path(ROLLOUT, ["until"]), str(held["weight"]))
            say.lines("later releases go all the way too, unless config holds them again:", *(f"  {line}" for line in facts.shown([again])))
        raise typer.Exit(code)


def check(seen: Stack, until: int) -> dict[str, Any]:
    """Return the hold; Refused, before anything is touched, when there is none or it would not go on."""
    from sluice.core.errors import Refused
    from sluice.history.locks import held as locks

    found = lease(seen)
    hold: dict[str, Any] | None = found["held"]
    ended = found["ended"]
    if hold is None:
        last = f"; the keeper's last word: {ended['why']}" if ended else ""
        raise Refused([f"nothing is held on '{seen.pulumi.stack}': nothing was touched{last}"])
    wrong = [f"{lock}; nothing was touched" for lock in locks(seen.pulumi, seen.backend)]
    if hold["release"] != seen.configured:
        wrong.append(f"'{hold['release']}' is held, and config names '{seen.configured}': `pulumi up` would take its traffic back first")
    if until <= hold["weight"]:
        wrong.append(f"'{hold['release']}' is held at {hold['weight']} % already: --until has to be above that, and is {until}")
    steps = [step.weight for step in seen.settings.ladder if step.weight]
    if until not in [*steps, 100]:
        wrong.append(f"no step of the ladder has {until} %: they have {', '.join(map(str, steps))}")
    if wrong:
        raise Refused(wrong)
    return hold
