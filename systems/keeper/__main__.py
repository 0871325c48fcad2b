"""`python -m sluice.systems.keeper DESCRIPTOR`: keep the splitter that a runtime's descriptor (JSON, without routes) names."""

from __future__ import annotations

import json
import signal
import sys

from sluice.core.clock import SystemClock
from sluice.systems.keeper.keeper import Keeper


def main(descriptor: str) -> None:
    """Keep it until SIGTERM or SIGINT."""
    keeper = Keeper(json.loads(descriptor), SystemClock())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: keeper.stop("the keeper was told to stop"))
    keeper.run()


if __name__ == "__main__":
    main(sys.argv[1])
