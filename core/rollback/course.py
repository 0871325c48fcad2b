"""What was live one after the other, and what was left by going back: with the command, or by hand. Pure.

A release is older than another one when it was proven first. Who brings out an older one again goes back, however they do it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from sluice.core.record import MARK
from sluice.core.rollback.block import release_id
from sluice.core.update import Outcome, Update

# How an update says which release it goes back from: of one that was never proven nothing else tells it.
BACK = "sluice rollback from "


@dataclass
class Course:
    """A walk through history. `left` are the releases that somebody went back from, or tried to, and that did not come back since;
    `last` the one that the last update was to leave, "" when that was no way back."""

    proven: Sequence[str]
    live: str = ""
    born: dict[str, int] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    last: str = ""
    _ids: dict[str, str] = field(default_factory=dict)

    def step(self, update: Update) -> None:
        """Go on by an update that deployed something."""
        self.last = ""
        tried = self._id(update.release, _release) if update.release else ""
        # Most lines are in many updates, and hold far more than an id.
        self.lives([self._id(line, _line) for line in update.proven] or self._only(update, tried))
        if update.message.startswith(BACK):
            self._leave(update.message.removeprefix(BACK).split(" ")[0])
        elif self._older(tried):
            self._leave(self.live)
        elif update.outcome is Outcome.SUCCEEDED and tried == self.live:
            self.left.discard(self.live)

    def lives(self, ids: Sequence[str]) -> None:
        """Go on by what was proven then, newest first: of updates that were killed this is the only trace."""
        since = list(takewhile(lambda id: id != self.live, ids))
        for id in reversed(ids):
            self.born.setdefault(id, len(self.born))
        for id in reversed(since):
            self.last = ""
            if self._older(id):
                self._leave(self.live)
            self.live = id
            self.left.discard(id)

    def _older(self, id: str) -> bool:
        return id in self.born and self.live in self.born and self.born[id] < self.born[self.live]

    def _leave(self, id: str) -> None:
        self.left.add(id)
        self.last = id

    def _only(self, update: Update, tried: str) -> list[str]:
        """Return what became live where history keeps no state: what went through and is proven, as far as that is known."""
        return [tried] if tried in self.proven and update.outcome is Outcome.SUCCEEDED else []

    def _id(self, text: str, read: Callable[[str], str]) -> str:
        if text not in self._ids:
            self._ids[text] = read(text)
        return self._ids[text]


def _release(text: str) -> str:
    return release_id(text) or ""


def _line(text: str) -> str:
    return str(json.loads(text.removeprefix(MARK))["id"])


def course(proven: Sequence[str], updates: Iterable[Update]) -> Course:
    """Walk through a history, newest first; `proven` are the ids of what is proven now, newest first as well."""
    made = Course(proven)
    for update in reversed([one for one in updates if one.deploys]):
        made.step(update)
    made.lives(proven)
    return made
