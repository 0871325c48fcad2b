"""Walking a journey through a running system.

Each cookie that an answer sets goes to every later request of the journey, whatever the host: on their own addresses the services
of one front door are on different ones. Each request has a connection of its own and an `x-request-id` to be found by in logs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as rest
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

from sluice.core.clock import Clock
from sluice.core.errors import ConfigError, GateFailed, Interrupted, Unreachable
from sluice.core.journey import RUN, Journey, Query, Request, Unmet, compare, grow, sentence
from sluice.core.reading import Number
from sluice.core.wait import until
from sluice.systems import http, postgres

# How often a step is tried again, in seconds: what is eventually so is so soon, or never.
POLL = 0.5
# How often a step that is being answered looks up, in seconds: told to stop, it ends within one.
GLANCE = 0.05
# From this status on an answer says that nothing was done.
BAD = 400


@dataclass(frozen=True)
class World:
    """What a journey goes through: a URL a service, a server (as `systems.postgres` takes it) a database, `deadline` in seconds."""

    targets: Mapping[str, str]
    databases: Mapping[str, Mapping[str, Any]]
    run: str
    clock: Clock
    deadline: float
    begun: float

    @property
    def left(self) -> float:
        """Return the seconds until the deadline of all journeys."""
        return self.begun + self.deadline - self.clock.now()


def walk(journey: Journey, world: World, retreat: Callable[[str], None] = lambda why: None) -> list[str]:
    """Go through a journey, clean up whatever happened, and return warnings; raise GateFailed with all that failed.

    `retreat` is called between a failure and the cleaning up, which may take its time.
    """
    trip = Trip(journey, world)
    broken: Exception | None = None
    try:
        trip.go()
    except Exception as error:
        broken = error
    if broken or trip.failures:
        retreat(str(broken or trip.failures[0]))
    trip.clean()
    if broken:
        raise _also(broken, trip.failures)
    if trip.failures:
        raise GateFailed("; also ".join(trip.failures))
    return trip.warnings


def _also(error: Exception, failures: Sequence[str]) -> Exception:
    """Return what a broken journey ends in: a wrong setting as such, an interruption with what failed in cleaning up."""
    if isinstance(error, ValueError):
        return ConfigError([str(error), *failures])
    return Interrupted("; also ".join([str(error), *failures])) if isinstance(error, Interrupted) else error


class Trip:
    """One way through a journey: what has been saved, what has gone wrong."""

    def __init__(self, journey: Journey, world: World) -> None:
        self.journey, self.world = journey, world
        self.values: dict[str, Any] = {RUN: world.run}
        self.cookies: dict[str, str] = {}
        self.warnings: list[str] = []
        self.failures: list[str] = []
        self.where = ""

    def go(self) -> None:
        """Take the steps, up to the first critical one that fails."""
        for number, step in enumerate(self.journey.steps, 1):
            lacking = step.lacks(self.values)
            if lacking:
                place = f"step {number} '{step.name}'"
                self.warnings.append(f"smoke '{self.journey.name}' {place} is left out: there is no '{lacking[0]}'")
                continue
            self.take(step, "step", number, self.world.left)
            if self.failures:
                return

    def clean(self) -> None:
        """Take every step of the cleanup whose values are there: what was not made needs none."""
        for number, step in enumerate(self.journey.cleanup, 1):
            if not step.lacks(self.values):
                self.take(step, "cleanup", number, step.deadline + step.within)

    def take(self, step: Request | Query, kind: str, number: int, left: float) -> None:
        """Take one step, again as long as it may be; note what it came to."""
        clock, self.where = self.world.clock, "nothing was asked"
        end = clock.now() + left

        def look() -> Unmet | None:
            spare = end - clock.now()
            if spare <= 0:
                return Unmet(f"all steps within {self.world.deadline:g} s", "this far")
            return self.watched(lambda: self.attempt(step, f"{kind}-{number}", min(step.deadline, spare)))

        unmet = until(look, lambda found: found is None, clock=clock, deadline=max(0.0, min(step.within, left)), poll=POLL)
        if unmet:
            text = sentence(self.journey.name, f"{kind} {number} '{step.name}'", unmet, within=step.within, where=self.where)
            (self.failures if step.critical else self.warnings).append(text)

    def watched(self, ask: Callable[[], Unmet | None]) -> Unmet | None:
        """Ask in a thread, and let the clock look up meanwhile; whoever is told to stop does not wait for the answer."""
        pool = ThreadPoolExecutor(1)
        try:
            answer = pool.submit(ask)
            while not rest([answer], GLANCE).done:
                self.world.clock.wait(0)
            return answer.result()
        finally:
            pool.shutdown(wait=False)

    def attempt(self, step: Request | Query, place: str, timeout: float) -> Unmet | None:
        """Try one step once."""
        return self.send(step, f"smoke-{self.world.run}-{place}", timeout) if isinstance(step, Request) else self.query(step, timeout)

    def send(self, step: Request, trace: str, timeout: float) -> Unmet | None:
        """Send a request and compare its answer."""
        of = step.filled(self.values)
        of["url"] = url = self.world.targets[step.target or self.journey.target] + of.pop("path")
        cookies = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        of["headers"] = {"x-request-id": trace, **cookies, **of["headers"]}
        self.where = f"{step.method} {http.shown(url)} (trace '{trace}')"
        end = time.monotonic() + timeout
        try:
            with http.answer(of, timeout) as response:
                body, status = http.body(response, end), response.status_code
                self.keep(response.headers.get_list("set-cookie"))
        except Unreachable as error:
            return Unmet("an answer", str(error).replace(f"no answer from {http.shown(url)}", "none"))
        data = _document(body)
        # Kept before anything is compared: what was made must be cleaned up, also when it is not as expected.
        if status < BAD:
            self.values |= {name: found[0] for name, path in step.save.items() if (found := http.pick(path, data))}
        return step.answered(status) or self.compare(step, data)

    def keep(self, headers: Sequence[str]) -> None:
        """Keep the cookies that an answer sets, and forget those that it takes back."""
        for name, morsel in (pair for header in headers for pair in SimpleCookie(header).items()):
            if morsel.value and morsel["max-age"] != "0":
                self.cookies[name] = morsel.value
            else:
                self.cookies.pop(name, None)

    def compare(self, step: Request, data: Any) -> Unmet | None:
        """Compare what is in an answer; what is to be kept of it must be there too."""
        if data is None and (step.expect or step.save):
            return Unmet("a JSON body", "something else")
        for condition in step.expect:
            found = http.pick(condition.path, data)
            unmet = compare(condition, http.plain(found[0]) if found else None, self.values)
            if unmet:
                return unmet
        gone = [path for path in step.save.values() if not http.pick(path, data)]
        return Unmet(f"{gone[0]} to keep", "nothing") if gone else None

    def query(self, step: Query, timeout: float) -> Unmet | None:
        """Ask a database and compare."""
        server = self.world.databases[step.database]
        self.where = f"database '{step.database}' at {server['host']}:{int(server.get('port', postgres.PORT))}/{server['dbname']}"
        of = {**server, "query": step.query, "params": grow(step.params, self.values)}
        try:
            reading = postgres.ask("sql" if step.value else "sql.rows", of, timeout)
        except Unreachable as error:
            return Unmet("an answer", f"none: {error}")
        seen = reading.value if isinstance(reading, Number) else None
        return compare(step.value, seen, self.values) if step.value else step.counted(float(seen or 0))


def _document(body: bytes) -> Any:
    """Return the JSON of a body; None when it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None
