"""The walk through processes: what can go wrong with a migration as well.

1.4.0's breaks in its rehearsal; staging shows a way back that would lose data (1.7.0), and a migration that is cut in two (1.8.0).
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from examples.redcube.demo.runtime import PROJECT
from examples.redcube.demo.stacks import PROGRAM, configure, output
from examples.redcube.demo.traffic import load, session
from examples.redcube.demo.walk import SCHEMA, Walk


class Whole(Walk):
    """All of it."""

    def run(self) -> None:
        """Walk through it; the order is the runbook's."""
        self.begin(early=True)
        with load() as running:
            self.release("1.1.0")
            self.rehearsed("1.4.0", back="1.1.0")
            self.lossy("1.7.0", back="1.1.0")
            self.half("1.8.0")
            self.release("1.2.0", bad=True)
            self.back("1.1.0")
            tally = running.stop()
        self.close(tally)

    def rehearsed(self, version: str, *, back: str) -> None:
        """Show a migration that fails on real data: on a copy, before anything is touched."""
        session(output("staging", "url"))
        configure("staging", {"sluice:release.version": version, SCHEMA: "0004"})
        self.up("staging", f"{version} to staging, with a migration that breaks", bad=True)
        configure("staging", {"sluice:release.version": back, SCHEMA: "0001"})

    def lossy(self, version: str, *, back: str) -> None:
        """Show a way back that loses data: refused with what it would cost, then allowed by the command that the refusal prints."""
        configure("staging", {"sluice:release.version": version, SCHEMA: "0007"})
        self.up("staging", f"{version} to staging, whose contract drops a column")
        configure("staging", {"sluice:release.version": back, SCHEMA: "0001"})
        told = self.refused("staging", f"config set back to {back}, which needs that column")
        shell(told[-1].partition("runs: ")[2])
        self.up("staging", f"{back} again, allowed to lose what that column held")

    def half(self, version: str) -> None:
        """Show a migration whose session dies between its statements: what is said of it, and how it is finished."""
        configure("staging", {"sluice:release.version": version, SCHEMA: "0008"})
        with cut("staging"):
            self.up("staging", f"{version} to staging, its migration cut in two", bad=True)
        told = self.refused("staging", f"{version} again: was the second half done?")
        # Whoever has looked says so: it was not, the index is not valid.
        ask("staging", told[0].partition("if not, run in psql: ")[2].partition(";")[0])
        self.up("staging", f"{version} to staging, from where it was")


@contextmanager
def cut(stack: str) -> Iterator[None]:
    """End the session that builds an index of the user database, as a crash would: between the statements of its migration."""
    begun = threading.Event()
    ender = threading.Thread(target=_end, args=(stack, begun), daemon=True)
    ender.start()
    begun.wait(10)
    yield
    ender.join(10)


def _end(stack: str, begun: threading.Event) -> None:
    building = "datname = current_database() and query ilike 'create unique index concurrently%' and wait_event_type = 'Lock'"
    # An index is built concurrently only once older snapshots are gone: this is one.
    with connected(stack) as old, connected(stack) as other:
        old.execute("begin transaction isolation level repeatable read")
        old.execute("select count(*) from pg_class")
        begun.set()
        for _ in range(1200):
            if other.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {building}").fetchall():
                return
            time.sleep(0.05)


def connected(stack: str) -> psycopg.Connection[Any]:
    """Connect to the user database of a stack as its server's owner, each statement by itself."""
    from sluice.runtimes.process.folder import Folder

    passfile = Folder(Path(os.environ["SLUICE_HOME"]) / f"{PROJECT}-{stack}").passfile("redcube-database-server")
    where = output(stack, "databases")["redcube_users"]
    return psycopg.connect(**where, user="sluice", passfile=str(passfile), autocommit=True)


def ask(stack: str, query: str) -> None:
    """Run a statement in the user database of a stack."""
    print(f"  psql redcube_users: {query}")
    with connected(stack) as connection:
        connection.execute(query.encode())


def shell(command: str) -> None:
    """Run a command that was printed, as a person would paste it."""
    print(f"  {os.environ.get('USER', 'somebody')} allows it, with that command")
    subprocess.run(["bash", "-c", command], cwd=PROGRAM, check=True, capture_output=True)
