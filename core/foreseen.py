"""What a preview foresees: the reasons by which the update would be refused, in the engine's own events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sluice.core.rollback.failure import messages

REFUSES = "as things are now, `pulumi up` will refuse this release:"
BULLET = "\n  - "


def foresee(refusals: Sequence[str]) -> str:
    """Say in a preview why an update would be refused, for `read`."""
    return BULLET.join([REFUSES, *refusals])


def read(lines: Iterable[str]) -> list[str]:
    """Return the reasons that a preview's event log has, an engine event a line."""
    said = [text.partition(REFUSES)[2] for text in messages(lines, "warning") if REFUSES in text]
    return [why.strip() for text in said for why in text.split(BULLET)[1:]]
