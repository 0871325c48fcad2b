"""How a hook writes to the stack's journal. A line that cannot be written is a warning: it fails nothing and holds nothing up for long."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluice.core.check import Check
    from sluice.core.journal import Happened, Source
    from sluice.core.tape import Write
    from sluice.core.verdict import Verdict

Props = Mapping[str, Any]


def note(props: Props, event: Happened, text: str = "", figures: Mapping[str, Any] | None = None, *, at: float | None = None) -> list[str]:
    """Write one event of a step, at a time in seconds since the epoch (now); return a warning where that was not possible.

    Without the input `journal` (core.journal.Source as text) there is nothing to write to: of a settled release, or of a hook on its own.
    """
    if not props.get("journal") or not moment(props):
        return []
    from sluice.core.errors import Unreachable
    from sluice.hooks.failure import locate

    try:
        _write(props, {"event": event, "text": text, "figures": dict(figures or {})}, at)
    except Unreachable as error:
        return [str(error)]
    except Exception as error:
        return [f"the journal was not written: {locate(error)}"]
    return []


def _write(props: Props, said: Mapping[str, Any], at: float | None) -> None:
    from sluice.core.journal import Source
    from sluice.systems import journal

    about = {"release": props["release"], "moment": moment(props)}
    journal.write(Source.parse(props["journal"]), {**about, **said}, journal.secrets(props), at=at)


def source(props: Props) -> Source | None:
    """Return where an update is written down; None where it is not."""
    if not props.get("journal"):
        return None
    from sluice.core.journal import Source

    return Source.parse(props["journal"])


def stack(props: Props) -> str:
    """Return the stack that an update is of, as far as it is written down."""
    found = source(props)
    return found.stack if found else ""


def moment(props: Props) -> str:
    """Return which moment a step is; "" of one that is none (a notice)."""
    # Migrations call it their phase.
    return str(props.get("moment") or props.get("phase") or "")


def say(props: Props, event: Happened, text: str = "", figures: Mapping[str, Any] | None = None, *, at: float | None = None) -> None:
    """Write one event, and show a warning as a message of the update. Where nobody reads it any more, as the deployer is dead, the step
    goes on with what it does: it may be taking traffic back."""
    with suppress(OSError):
        for warning in note(props, event, text, figures, at=at):
            print(warning, file=sys.stderr, flush=True)


def told(props: Props, text: str, missed: Sequence[str]) -> list[str]:
    """Write whom a message was posted to, and where it did not arrive; return a warning as `note` does."""
    from sluice.core.journal import Happened

    return note(props, Happened.TOLD, text, {"to": [hook["kind"] for hook in props.get("notify") or []], "missed": list(missed)})


def judged(props: Props, verdicts: Sequence[Verdict], checks: Sequence[Check]) -> None:
    """Write what a gate has come to, check by check."""
    if not props.get("journal"):
        return
    from sluice.core.journal import Happened, row

    say(props, Happened.JUDGED, "", {"verdicts": [row(one, check) for one, check in zip(verdicts, checks, strict=True)]})


def writer(props: Props) -> Write:
    """Return what a climb writes with."""
    return lambda at, event, text, figures: say(props, event, text, figures, at=at)
