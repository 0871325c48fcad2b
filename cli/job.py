"""What a job of a CI says by variables: which stack is meant, and where people can be told."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sluice.cli import say

if TYPE_CHECKING:
    from pathlib import Path

    from sluice.history.pulumi import Pulumi

STACK = "CI_ENVIRONMENT"
# By their usual names (runbook 002, "CI/CD Integration"), with the kind of notice that each is for.
USUAL = {"SLACK_WEBHOOK_URL": "slack", "DISCORD_WEBHOOK_URL": "discord", "PROMETHEUS_PUSHGATEWAY": "pushgateway"}


def chosen(folder: Path) -> str | None:
    """Return the stack that a job names, None where no job does: on a terminal a person has selected one. Refused when there is no such
    stack, with those that there are."""
    from sluice.core.errors import Refused
    from sluice.history.pulumi import find

    stack = os.environ.get(STACK)
    if not stack or sys.stdin.isatty():
        return None
    known = find(folder, stack).known()
    if stack not in known and stack.rsplit("/", 1)[-1] not in known:
        raise Refused([f"{STACK} is '{stack}', and there is no such stack: known are {', '.join(sorted(known)) or 'none'}"])
    # Not where a program reads JSON.
    print(f"stack '{stack}', as {STACK} says", file=sys.stderr, flush=True)
    return stack


def unheard(pulumi: Pulumi) -> None:
    """Say which usual variables are set that nobody is told by, each with the command that changes it: what is in config alone counts."""
    import json

    from sluice.history.orders import Rollout
    from sluice.history.pulumi import typed

    given = [name for name in USUAL if os.environ.get(name)]
    if not given:
        return
    # A key that was set as a text is JSON inside.
    notify = Rollout.of(json.dumps(pulumi.settings().get("sluice:rollout"))).of_list("notify")
    heard = {str(hook.get("url")) for hook in notify}
    for number, name in enumerate((one for one in given if f"env:{one}" not in heard), len(notify)):
        place = f"sluice:rollout.notify[{number}]"
        words = ["--plaintext", f"{place}.kind={USUAL[name]}", "--plaintext", f"{place}.url=env:{name}"]
        say.lines(f"{name} is set, and nobody is told there; run: {typed(pulumi.argv('config', 'set-all', '--path', *words))}")
