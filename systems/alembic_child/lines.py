"""The talk with the parent, a line of JSON each way at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from sluice.systems.alembic_child.error import Stopped


class Lines:
    """The talk with the parent: nobody else may print into it, or read from it."""

    def __init__(self) -> None:
        self.out, self.back = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(0))
        os.dup2(2, 1)
        # Who asks a person is told that there is none.
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

    def say(self, said: Mapping[str, Any]) -> None:
        """Write one line."""
        self.out.write(json.dumps(said) + "\n")
        self.out.flush()

    def hear(self) -> Any:
        """Return the next line; None at the end, when the parent is gone."""
        line = self.back.readline()
        return json.loads(line) if line else None

    def ask(self, said: Mapping[str, Any]) -> None:
        """Ask whether to go on."""
        self.say(said)
        answer = self.hear()
        if not answer or answer.get("stop"):
            raise Stopped((answer or {}).get("stop", "the deployer is gone"))
