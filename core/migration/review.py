"""Which migrations somebody has read: the file REVIEWED beside them, a line for each, `<sha256>  <name>  <who>`.

The SHA-256 is that of both ways, as the history has it: a file that changes after its review is one that nobody has read. Pure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from sluice.core.errors import ConfigError
from sluice.core.migration.file import Migration
from sluice.core.requirement import Fact
from sluice.core.value import Value

FILE = "REVIEWED"
LINE = re.compile(r"([0-9a-f]{64}) +(\S+) +(\S.*)")
WHO = '"$(git config user.name)"'


class Review(Value):
    """Who has read which text of which migration."""

    sha256: str
    name: str
    by: str


def read(path: str, text: str) -> list[Review]:
    """Read a list; `#` begins a comment. ConfigError has every line that is no review, each with its place."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    told = [(number, LINE.fullmatch(line)) for number, line in lines if line and not line.startswith("#")]
    if wrong := [f"{path}: line {number}: is not '<sha256>  <migration>  <who has read it>'" for number, found in told if not found]:
        raise ConfigError(wrong)
    return [Review(sha256=found[1], name=found[2], by=found[3].strip()) for _, found in told if found]


def unread(database: str, path: str, pending: Sequence[Migration], reviews: Sequence[Review]) -> Iterator[Fact]:
    """Yield what of pending migrations nobody has read as it is, with the command of whoever has; `path` is the list's."""
    known = {(one.name, one.sha256) for one in reviews}
    before = {one.name: one.by for one in reviews}
    for one in pending:
        if (one.name, one.sha256) not in known:
            who = f", and '{before[one.name]}' has read another text of it" if one.name in before else ""
            line = shlex.quote(f"{one.sha256}  {one.name}  ")
            why = f"nobody has reviewed '{one.name}' of database '{database}' as it is{who}: once you have read it"
            yield Fact(name="review", ok=False, why=why, command=f"echo {line}{WHO} >> {shlex.quote(path)}")
