"""The copy of users in the content service's database: kept up to date from here, until a trigger does it.

Writing to two databases is not atomic: who registers while the second one is away goes missing there. So 1.1.0 comes with a trigger,
and with a look for who is missing. Each write is one that may have been done before, by the trigger or by an older version.
"""

from __future__ import annotations

from typing import Any

import psycopg

from redcube.database import Pool
from redcube.log import Log
from redcube.version import since

# Versions before this one know nothing of a trigger, and always write.
TRIGGER = (1, 1, 0)
THERE = "select exists (select from pg_trigger where tgrelid = 'users'::regclass and tgname = 'user_sync') as it"
KEPT = "select to_regclass('user_sync_failures') is not null as it"
ADD = "insert into users (id, email) values (%(id)s, %(email)s) on conflict do nothing"
DROP = "delete from users where id = %(id)s"


class Sync:
    """Writes to the copy what has changed in the service's own database; `failures` are the writes that did not arrive."""

    def __init__(self, own: Pool, copy: Pool, log: Log) -> None:
        self.own, self.copy, self.log, self.failures = own, copy, log, 0

    def add(self, user: dict[str, Any]) -> None:
        """Copy a user who has registered; one who cannot be copied is registered all the same."""
        try:
            if not self.triggered():
                self._write(ADD, user)
        except psycopg.Error as error:
            self.failures += 1
            self.log.line("ERROR", message=f"user {user['id']} is missing in the copy: {str(error).strip()}")

    def drop(self, user: dict[str, Any]) -> None:
        """Delete a user's copy. This comes before the user: half of it leaves one missing, never one too many."""
        if not self.triggered():
            self._write(DROP, user)

    def triggered(self) -> bool:
        """Say whether the trigger writes. Asked after each write of ours, not at start: the trigger may come and go while this serves."""
        return since(TRIGGER) and bool(self._first(THERE))

    def count(self) -> int:
        """Count the failures that are known, those of the trigger too."""
        kept = self._first(KEPT) and self._first("select count(*) as it from user_sync_failures")
        return self.failures + int(kept or 0)

    def _write(self, query: str, user: dict[str, Any]) -> None:
        with self.copy.connection() as connection:
            connection.execute(query.encode(), user)

    def _first(self, query: str) -> Any:
        with self.own.connection() as connection:
            row = connection.execute(query.encode()).fetchone()
        return row and row["it"]
