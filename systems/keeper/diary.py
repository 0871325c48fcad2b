"""What the keeper writes to the stack's journal. It never fails for it: what cannot be written is said in its log."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from sluice.core.errors import Unreachable
from sluice.core.journal import Actor, Happened, Source
from sluice.core.lease import Lease
from sluice.core.moment import Moment
from sluice.systems import journal

# Who acts, in place of a user: nobody does.
NAME = "keeper"


class Diary:
    """The lines about one lease, among those of the update that has left it; it is the `core.tape.Write` of a climb. `say` hears what
    could not be written; `told` says whether that the traffic went back is written down."""

    def __init__(self, lease: Lease, say: Callable[[str], None]) -> None:
        self.lease, self.say = lease, say
        self.told = False

    def __call__(self, at: float, event: Happened, text: str, figures: dict[str, Any]) -> None:
        """Write one event, at a time in seconds since the epoch."""
        if not self.lease.journal:
            return
        try:
            said = {"release": self.lease.release, "moment": Moment.CANARY, "event": event, "text": text, "figures": figures}
            journal.write(self._source, said, self._secrets, at=at)
            self.told = self.told or event is Happened.ABORTED
        except Unreachable as error:
            self.say(str(error))
        except Exception as error:
            self.say(f"the journal was not written: {type(error).__name__}")

    def back(self, at: float, why: str, *, followed: bool) -> None:
        """Write that all traffic went back, unless a climb has written so already; `followed`: the splitter has confirmed it."""
        if self.told:
            return
        if followed:
            self(at, Happened.SHIFTED, "0 %", {"weight": 0})
        self(at, Happened.ABORTED, why, {"weight": 0})

    @property
    def source(self) -> Source | None:
        """Return where it writes; None where that is nowhere, or a newer Sluice says it."""
        try:
            return self._source if self.lease.journal else None
        except ValidationError:
            return None

    @cached_property
    def _source(self) -> Source:
        return Source.parse(self.lease.journal).model_copy(update={"actor": Actor(user=NAME, host=socket.gethostname())})

    @cached_property
    def _secrets(self) -> list[str]:
        return journal.secrets(self.lease.wire())
