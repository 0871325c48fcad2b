"""The moment that backups are of: each database locked for its step, a snapshot of each, and whether they are of the same moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from sluice.core.clock import Clock, SystemClock
from sluice.core.errors import Refused
from sluice.core.settings.duration import text as span
from sluice.core.store import Store
from sluice.systems.lock import Lock, held
from sluice.systems.pause import Busy, paused, sessions
from sluice.systems.source import Shot, Source, begin, session, snap, source

STEP = "backup"
# Snapshots are a fraction of a millisecond apart: on a server with a thousand writes a second every other try finds none in between.
TRIES = 40
BETWEEN = 0.02
# Long enough for the writers that one try has held up to be done.
REST = 0.3
# Every transaction that has written anything holds such a lock until it has ended, in all databases of the server.
WRITING = "select count(*) from pg_locks where locktype = 'transactionid' and mode = 'ExclusiveLock'"


@dataclass(frozen=True)
class Taken:
    """A database at a moment: its lock and its snapshot, both held.

    `joint` names the moment where others share it, `idle`: no transaction that writes was open then, on the whole server; `paused`:
    none was in these databases, since writers were held up.
    """

    lock: Lock
    source: Source
    joint: str = ""
    idle: bool = False
    paused: bool = False


@contextmanager
def take(stores: Sequence[Store], *, wait: float = 60.0, pause: float = 0.0, clock: Clock | None = None) -> Iterator[list[Taken]]:
    """Hold the lock and one snapshot of each database for as long as the block.

    Of several the snapshots are tried again until they are of one moment, best one without open writers. `pause` above 0 holds writers up
    for that moment, tries that for so many seconds, and is Refused when they would not end. Waits up to `wait` seconds for each lock.
    """
    clock = clock or SystemClock()
    with ExitStack() as stack:
        # Always in the same order: two deployers cannot wait for each other.
        locks = {one.place: stack.enter_context(held(one, STEP, wait=wait, clock=clock)) for one in sorted(stores, key=_place)}
        group = _Group([locks[one.place] for one in stores], [stack.enter_context(session(one, STEP)) for one in stores], clock)
        yield group.paused(pause) if pause and len(stores) > 1 else group.quiet()


def _place(store: Store) -> str:
    return store.place


class _Group:
    """Databases whose snapshots are being taken."""

    def __init__(self, locks: Sequence[Lock], connections: Sequence[psycopg.Connection[Any]], clock: Clock) -> None:
        self.locks, self.connections, self.clock = locks, connections, clock
        self.servers = {(lock.store.host, lock.store.port) for lock in locks}

    def quiet(self) -> list[Taken]:
        """Take snapshots again and again until they are of one moment; the last ones are as they are."""
        tries = TRIES if len(self.locks) > 1 and len(self.servers) == 1 else 1
        for left in reversed(range(tries)):
            shots = self._shots()
            same = tries > 1 and self._same(shots)
            idle = same and self._idle(shots[0])
            # An open writer may end soon, or never: half of the tries wait for that.
            if not left or idle or (same and left < tries // 2):
                break
            self.clock.wait(BETWEEN)
        return self._taken(shots, joint=shots[0].sees if same else "", idle=idle)

    def paused(self, most: float) -> list[Taken]:
        """Hold writers up, then take the snapshots; Refused when writers do not end for so long."""
        until = self.clock.now() + most
        with sessions([lock.store for lock in self.locks], STEP) as holding:
            while True:
                try:
                    with paused(holding):
                        shots = self._shots()
                    return self._taken(shots, joint=shots[0].sees or shots[0].name, paused=True)
                except Busy as busy:
                    if self.clock.now() >= until:
                        raise Refused([self._busy(most, busy)]) from None
                self.clock.wait(REST)

    def _shots(self) -> list[Shot]:
        for connection in self.connections:
            begin(connection)
        return [snap(connection) for connection in self.connections]

    def _same(self, shots: Sequence[Shot]) -> bool:
        return {shot.sees for shot in shots} == {shots[0].sees} and shots[0].sees != ""

    def _idle(self, shot: Shot) -> bool:
        """Say whether nobody was writing: nobody is, and nobody has ended since."""
        asked = self.locks[0].connection
        writing = asked.execute(WRITING).fetchone()
        now = asked.execute("select pg_current_snapshot()::text").fetchone()
        return writing == (0,) and now == (shot.sees,)

    def _taken(self, shots: Sequence[Shot], **facts: Any) -> list[Taken]:
        pairs = zip(self.locks, self.connections, shots, strict=True)
        return [Taken(lock, source(connection, shot), **facts) for lock, connection, shot in pairs]

    def _busy(self, most: float, busy: Busy) -> str:
        names = ", ".join(f"'{lock.store.dbname}'" for lock in self.locks)
        said = f"writers of {names} were not done within {span(most)} ({busy}): see pg_stat_activity for transactions that stay open"
        return f"{said}, or raise sluice:rollout.backup.pause"
