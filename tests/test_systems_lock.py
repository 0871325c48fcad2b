"""One step at a time on a database."""

from __future__ import annotations

import re
import threading

import psycopg
import pytest

from sluice.core.clock import ManualClock
from sluice.core.errors import Interrupted, Refused, Unreachable
from sluice.core.store import Store
from sluice.systems import lock
from sluice.systems.lock import MAINTENANCE, held
from tests.fixtures.front import free
from tests.fixtures.store import connect, databases

pytestmark = pytest.mark.embedded


def test_held(bare: Store):
    """While a step holds the lock another is refused after its wait, and told who holds it and how to end that; afterwards it may."""
    clock = ManualClock()
    with held(bare, "backup") as one:
        one.check()
        with pytest.raises(Refused) as caught, held(bare, "drill", wait=5, clock=clock):
            pass
        stamp = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z0-9+]+"
        assert re.sub(stamp, "since T", str(caught.value)) == (
            f"drill of {bare.place} waited 5 s for its lock, held by 'sluice backup' (pid {one.pid}, from 127.0.0.1, since T): "
            f"wait for it; if it hangs, psql -h 127.0.0.1 -p {bare.port} -d {MAINTENANCE} -c 'select pg_terminate_backend({one.pid})'"
        )
        assert clock.at == pytest.approx(1_700_000_005, abs=0.5)
    with held(bare, "drill", wait=0):
        pass


def test_other(bare: Store):
    """The lock is of one database: another's steps go on."""
    with held(bare, "backup"), held(bare.at("elsewhere"), "backup", wait=0):
        pass


def test_rename(bare: Store):
    """The lock survives a rename of the database that it protects."""
    with held(bare, "restore") as one, connect(bare.at("postgres")) as connection:
        connection.execute(f"alter database {bare.dbname} rename to {bare.dbname}_old")
        one.check()
        with pytest.raises(Refused), held(bare, "drill", wait=0):
            pass


def test_fence(bare: Store):
    """Ending the lock's backend stops its step at the next look, and lets another in."""
    with held(bare, "expand") as one:
        with connect(bare.at("postgres")) as connection:
            connection.execute("select pg_terminate_backend(%s, 5000)", [one.pid])
        assert not one.alive()
        wanted = f"expand of {bare.place} lost its lock: its session was ended; see who did, then `pulumi up` again"
        with pytest.raises(Interrupted, match=f"^{re.escape(wanted)}$"):
            one.check()
        with held(bare, "drill", wait=0):
            pass


def test_waits(bare: Store):
    """A step that is waited for long enough lets the next one in."""
    begun, done = threading.Event(), []

    def second() -> None:
        begun.set()
        with held(bare, "drill", wait=10):
            done.append("second")

    thread = threading.Thread(target=second)
    with held(bare, "backup"):
        thread.start()
        begun.wait()
        done.append("first")
    thread.join()
    assert done == ["first", "second"]


def test_made(bare: Store):
    """The maintenance database is made by whoever needs it first; two at once do not disturb each other."""
    with connect(bare.at("postgres")) as connection:
        connection.execute(f"drop database if exists {MAINTENANCE} with (force)")
    errors: list[Exception] = []

    def take(name: str) -> None:
        try:
            with held(bare.at(name), "backup"):
                pass
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=take, args=[f"{bare.dbname}_{n}"]) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Those that do not exist are not needed: the lock is about a name.
    assert errors == []
    assert MAINTENANCE in databases(bare)


def test_keepalive(bare: Store):
    """The server itself notices a deployer that has vanished, within a minute, and never ends an idle lock."""
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "idle_session_timeout")
    with held(bare, "backup") as one:
        row = one.connection.execute(f"select {', '.join(f'current_setting({name!r})' for name in names)}").fetchone()
    assert row == ("30", "10", "3", "0")


def test_gone(bare: Store):
    """A server that is not there is told with its address."""
    nowhere = bare.model_copy(update={"port": free()})
    with (
        pytest.raises(Unreachable, match=rf"^database 127\.0\.0\.1:{nowhere.port}/{MAINTENANCE}: Connection refused"),
        held(nowhere, "backup"),
    ):
        pass


def test_pooler(bare: Store, monkeypatch: pytest.MonkeyPatch):
    """A pooler gives out backend numbers of its own, by which it is seen: it would give the lock's session to others."""
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda self: 1))
    wanted = f"127.0.0.1:{bare.port} is a pooler, and a lock needs a session of its own: name the server itself"
    with pytest.raises(Refused, match=f"^{re.escape(wanted)}$"), held(bare, "backup"):
        pass


def test_ended(bare: Store):
    """A step whose session is ended while it waits for the lock is told so, with the server's address."""

    class Ending(ManualClock):
        def wait(self, seconds: float) -> None:
            with connect(bare.at("postgres")) as connection:
                connection.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'sluice drill'")

    wanted = rf"^database 127\.0\.0\.1:{bare.port}/{MAINTENANCE}: terminating connection due to administrator command$"
    with held(bare, "backup"), pytest.raises(Unreachable, match=wanted), held(bare, "drill", clock=Ending()):
        pass


def test_let_go(bare: Store):
    """A lock that is let go while its holder is looked up is told as such."""
    with held(bare, "backup") as one:
        other = bare.at("elsewhere")
        assert (
            lock._busy(one.connection, other, "drill", 1)
            == f"drill of {other.place} waited 1 s for its lock, which was let go just now: try again"
        )
