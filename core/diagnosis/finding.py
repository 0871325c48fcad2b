"""One thing that was looked at: what was seen against what was expected, why, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from enum import StrEnum

from sluice.core.store import Store
from sluice.core.value import Value

KIB, MIB, GIB = 2**10, 2**20, 2**30


class State(StrEnum):
    """How it is. `unknown`: it could not be asked, which is never ok."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


RANK = {State.PROBLEM: 0, State.UNKNOWN: 1, State.WARNING: 2, State.OK: 3}


class Finding(Value):
    """`what` was looked at, in its `area` (machine, stack, services, ...); `seen` against `expected`, the `cause` as far as it is known,
    and `next`, a command that can be pasted. No finding holds a secret."""

    area: str
    what: str
    state: State
    seen: str
    expected: str = ""
    cause: str = ""
    next: str = ""

    @property
    def line(self) -> str:
        """Return it in one line."""
        against = f", expected {self.expected}" if self.expected else ""
        cause = f": {self.cause}" if self.cause else ""
        return f"{self.what}: {self.seen}{against}{cause}" + (f"; run: {self.next}" if self.next else "")


def fine(area: str, what: str, seen: str) -> Finding:
    """Return a finding of something that is as it should be."""
    return Finding(area=area, what=what, state=State.OK, seen=seen)


def unknown(area: str, what: str, why: str, next: str = "") -> Finding:
    """Return a finding of something that could not be asked."""
    return Finding(area=area, what=what, state=State.UNKNOWN, seen=why, next=next)


def worst(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, the worst first, else in their order."""
    return sorted(findings, key=lambda one: RANK[one.state])


def sound(findings: Iterable[Finding]) -> bool:
    """Say whether all was asked, and nothing is a problem."""
    return all(one.state in (State.OK, State.WARNING) for one in findings)


def size(bytes: float) -> str:
    """Write bytes for people."""
    if bytes >= GIB:
        return f"{bytes / GIB:.1f} GiB"
    return f"{bytes / MIB:.0f} MiB" if bytes >= MIB or bytes == 0 else f"{bytes / KIB:.0f} KiB"


def psql(store: Store, query: str) -> str:
    """Write a question to a database as it is typed; the password stays in its file."""
    return client(store, "psql", "-c", query)


def dropping(store: Store, name: str) -> str:
    """Write the command that drops another database of a server, whatever is in its name."""
    quoted = name.replace('"', '""')
    return psql(store.at("postgres"), f'drop database "{quoted}"')


def client(store: Store, program: str, *words: str) -> str:
    """Write the call of one of PostgreSQL's programs as it is typed; the password stays in its file."""
    named = f"{store.tools.rstrip('/')}/{program}" if store.tools else program
    where = ["-h", store.host, "-p", str(store.port), "-U", store.user, "-d", store.dbname]
    secret = f"PGPASSFILE={shlex.quote(store.passfile)} " if store.passfile else ""
    return secret + shlex.join([named, *where, *words])
