"""Walking journeys through a real web server and a real database."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sluice.core.clock import Clock, ManualClock, SystemClock
from sluice.core.errors import ConfigError, GateFailed, Interrupted
from sluice.core.journey import Journey, parse
from sluice.systems.trip import World, walk
from tests.fixtures.front import free
from tests.fixtures.postgres import PASSWORD, Postgres
from tests.fixtures.web import Answer, Web

Wire = dict[str, Any]


def journey(*steps: Wire, cleanup: list[Wire] | None = None) -> Journey:
    named = [{"name": f"s{number}", **step} for number, step in enumerate(steps, 1)]
    gone = [{"name": f"c{number}", **step} for number, step in enumerate(cleanup or [], 1)]
    return parse([{"name": "j", "target": "web", "steps": named, "cleanup": gone}])[0]


def world(web: Web, clock: Clock | None = None, deadline: float = 60, **databases: Any) -> World:
    at = clock or SystemClock()
    return World({"web": web.url}, databases, "r1", at, deadline, at.now())


def body(data: Any, **headers: str) -> Answer:
    return Answer(200, json.dumps(data).encode(), headers)


def failure(one: Journey, where: World, retreat: Callable[[str], None] = lambda why: None) -> str:
    with pytest.raises(GateFailed) as caught:
        walk(one, where, retreat)
    return str(caught.value)


def test_values(web: Web):
    """A value that one step keeps is sent by the next, and its kind stays."""
    web.tell("/make", body({"items": [{"id": 7}]}))
    web.tell("/use/7", body({"id": 7}))
    use = {"method": "POST", "path": "/use/${id}", "body": {"id": "${id}", "run": "${run}"}}
    one = journey({"path": "/make", "save": {"id": "$.items[0].id"}}, use | {"expect": [{"path": "$.id", "is": "==", "value": "${id}"}]})
    assert walk(one, world(web)) == []
    assert json.loads(web.asked[1].body) == {"id": 7, "run": "r1"}
    assert [asked.headers["x-request-id"] for asked in web.asked] == ["smoke-r1-step-1", "smoke-r1-step-2"]


def test_cookies(web: Web):
    """A cookie goes to every later request, also of another host, until an answer takes it back."""
    web.tell("/in", Answer(200, b"", {"set-cookie": "session=abc; Path=/; Secure; HttpOnly"}))
    web.tell("/me", Answer(200))
    web.tell("/out", Answer(200, b"", {"set-cookie": "session=gone; Max-Age=0"}))
    one = journey({"path": "/in"}, {"path": "/me", "target": "other"}, {"path": "/out"}, {"path": "/me"})
    start = world(web)
    walk(one, World({**start.targets, "other": web.url.replace("127.0.0.1", "localhost")}, {}, "r1", start.clock, 60, start.begun))
    assert [asked.headers.get("cookie") for asked in web.asked] == [None, "session=abc", "session=abc", None]


def test_status(web: Web):
    """An unexpected status ends the journey in one line that says where, without the query, and what to look for in logs."""
    url = web.tell("/a", Answer(500))
    one = journey({"path": "/a?token=x"}, {"path": "/b"})
    assert failure(one, world(web)) == f"smoke 'j' step 1 's1': expected status 200, got 500; GET {url} (trace 'smoke-r1-step-1')"
    assert len(web.asked) == 1


def test_condition(web: Web):
    """An answer without what it must hold fails, and so does one without what is to be kept, or without JSON."""
    url = web.tell("/a", body({"n": 0}), body({"n": 0}), Answer(200, b"<html>"))
    where = f"; GET {url} (trace 'smoke-r1-step-1')"
    expects = {"path": "/a", "expect": [{"path": "$.n", "is": ">", "value": 0}]}
    assert failure(journey(expects), world(web)) == f"smoke 'j' step 1 's1': expected $.n > 0, got 0{where}"
    saves = {"path": "/a", "save": {"id": "$.id"}}
    assert failure(journey(saves), world(web)) == f"smoke 'j' step 1 's1': expected $.id to keep, got nothing{where}"
    assert failure(journey(saves), world(web)) == f"smoke 'j' step 1 's1': expected a JSON body, got something else{where}"


def test_unreachable(web: Web):
    """A service that is not there fails the step that asks it."""
    url = f"http://127.0.0.1:{free()}"
    where = World({"web": url}, {}, "r1", SystemClock(), 60, SystemClock().now())
    said = failure(journey({"path": "/a"}), where)
    assert said == (
        f"smoke 'j' step 1 's1': expected an answer, got none: [errno 111] connection refused; GET {url}/a (trace 'smoke-r1-step-1')"
    )


def test_deadline(web: Web):
    """A step has its own deadline."""
    held = threading.Event()
    url = web.tell("/a", Answer(before=lambda: held.wait(10)))
    said = failure(journey({"path": "/a", "deadline": 0.1}), world(web))
    held.set()
    assert said == f"smoke 'j' step 1 's1': expected an answer, got none within 0.1 s; GET {url} (trace 'smoke-r1-step-1')"


def test_over(web: Web):
    """All steps together have a deadline, which the cleanup does not share."""
    clock = ManualClock(0)
    web.tell("/a", Answer(200, before=lambda: clock.wait(61)))
    web.tell("/gone", Answer(200))
    said = failure(journey({"path": "/a"}, {"path": "/a"}, cleanup=[{"path": "/gone"}]), world(web, clock))
    assert said == "smoke 'j' step 2 's2': expected all steps within 60 s, got this far; nothing was asked"
    assert [asked.path for asked in web.asked] == ["/a", "/gone"]


def test_within(web: Web):
    """A step is tried again until it holds, as long as it may, and says how long that was."""
    clock = ManualClock(0)
    url = web.tell("/a", Answer(404), Answer(404), Answer(200), Answer(404))
    walk(journey({"path": "/a", "within": 5}), world(web, clock))
    assert (clock.now(), len(web.asked)) == (1, 3)
    said = failure(journey({"path": "/a", "within": 5}), world(web, clock))
    assert said == f"smoke 'j' step 1 's1': expected status 200 within 5 s, got 404; GET {url} (trace 'smoke-r1-step-1')"
    assert clock.now() == 6


def test_cleanup(web: Web):
    """What was made is cleaned up after a failure too, traffic going back first; what was not made is left alone."""
    web.tell("/make", body({"id": 7}))
    web.tell("/gone/7", Answer(200))
    seen: list[int] = []
    cleanup = [{"path": "/gone/${id}"}, {"path": "/gone/${other}"}]
    one = journey({"path": "/make", "save": {"id": "$.id"}}, {"path": "/bad", "save": {"other": "$.id"}}, cleanup=cleanup)
    said = failure(one, world(web), lambda why: seen.append(len(web.asked)))
    assert said.startswith("smoke 'j' step 2 's2': expected status 200, got 404; ")
    assert [asked.path for asked in web.asked] == ["/make", "/bad", "/gone/7"]
    assert seen == [2]


def test_made(web: Web):
    """What an unexpected answer has made is cleaned up as well."""
    web.tell("/make", Answer(201, b'{"id": 7}'))
    web.tell("/gone/7", Answer(200))
    failure(journey({"path": "/make", "save": {"id": "$.id"}}, cleanup=[{"path": "/gone/${id}"}]), world(web))
    assert [asked.path for asked in web.asked] == ["/make", "/gone/7"]


def test_left(web: Web):
    """A cleanup that fails is told after the first failure, does not stop the rest of it, and fails a journey that went well."""
    web.tell("/ok", Answer(200))
    gone = web.tell("/gone", Answer(500))
    cleanup = [{"path": "/gone"}, {"path": "/ok"}]
    left = f"smoke 'j' cleanup 1 'c1': expected status 200, got 500; GET {gone} (trace 'smoke-r1-cleanup-1')"
    first = f"smoke 'j' step 1 's1': expected status 200, got 404; GET {web.url}/bad (trace 'smoke-r1-step-1')"
    assert failure(journey({"path": "/bad"}, cleanup=cleanup), world(web)) == f"{first}; also {left}"
    assert failure(journey({"path": "/ok"}, cleanup=cleanup), world(web)) == left
    assert [asked.path for asked in web.asked] == ["/bad", "/gone", "/ok", "/ok", "/gone", "/ok"]


def test_uncritical(web: Web):
    """A step that is not critical warns, and so does one that misses what it would have kept; the journey goes on."""
    web.tell("/ok", Answer(200))
    optional = {"critical": False}
    one = journey({"path": "/bad", "save": {"id": "$.id"}} | optional, {"path": "/${id}"} | optional, {"path": "/ok"})
    assert walk(one, world(web)) == [
        f"smoke 'j' step 1 's1': expected status 200, got 404; GET {web.url}/bad (trace 'smoke-r1-step-1')",
        "smoke 'j' step 2 's2' is left out: there is no 'id'",
    ]


class Told(ManualClock):
    """A clock that is told to stop once `when` holds, and says so once."""

    def __init__(self, when: Callable[[], bool]) -> None:
        super().__init__(0)
        self.when, self.told = when, False

    def wait(self, seconds: float) -> None:
        if not self.told and self.when():
            self.told = True
            raise Interrupted("told to stop")


def test_interrupted(web: Web):
    """Told to stop, a journey does not wait for the answer under way: traffic goes back, and what was made is cleaned up."""
    asked, held, seen = threading.Event(), threading.Event(), list[str]()
    web.tell("/make", body({"id": 7}))
    web.tell("/long", Answer(200, before=lambda: asked.set() or held.wait(10)))
    gone = web.tell("/gone/7", Answer(500))
    one = journey({"path": "/make", "save": {"id": "$.id"}}, {"path": "/long"}, cleanup=[{"path": "/gone/${id}"}])
    with pytest.raises(Interrupted) as caught:
        walk(one, world(web, Told(asked.is_set)), seen.append)
    assert not held.is_set()
    held.set()
    left = f"smoke 'j' cleanup 1 'c1': expected status 200, got 500; GET {gone} (trace 'smoke-r1-cleanup-1')"
    assert (str(caught.value), seen) == (f"told to stop; also {left}", ["told to stop"])


@pytest.mark.embedded
def test_query(web: Web, postgres: Postgres):
    """A query sees rows or a value, with values of the journey as parameters and whole numbers as such."""
    web.tell("/make", body({"id": 7}))
    rows = {"database": "main", "query": "select 1 from generate_series(1, %(id)s)", "params": {"id": "${id}"}}
    value = {"database": "main", "query": "select %(run)s::text", "params": {"run": "${run}"}}
    good = [rows | {"rows": 7}, value | {"value": {"is": "==", "value": "${run}"}}]
    assert walk(journey({"path": "/make", "save": {"id": "$.id"}}, *good), world(web, main=postgres.of)) == []
    place = f"; database 'main' at 127.0.0.1:{postgres.port}/postgres"
    for step, text in (
        (value | {"rows": 0}, f"expected 0 rows, got 1{place}"),
        (value | {"value": {"is": "==", "value": "x"}}, f"expected == 'x', got 'r1'{place}"),
        ({"database": "main", "query": "select 1 where false", "value": {"is": "==", "value": 1}}, f"expected == 1, got nothing{place}"),
    ):
        assert failure(journey(step), world(web, main=postgres.of)) == f"smoke 'j' step 1 's1': {text}"


@pytest.mark.embedded
def test_database(web: Web, postgres: Postgres):
    """A database that refuses fails the step, in its own words and without a secret; a wrong setting is a wrong setting."""
    step = {"database": "main", "query": "select 1 from nowhere", "rows": 1}
    where = f"database 127.0.0.1:{postgres.port}/postgres"
    said = failure(journey(step), world(web, main=postgres.of))
    assert said == (
        f"smoke 'j' step 1 's1': expected an answer, got none: {where}: relation \"nowhere\" does not exist; "
        f"database 'main' at 127.0.0.1:{postgres.port}/postgres"
    )
    assert PASSWORD not in said
    with pytest.raises(ConfigError) as caught:
        walk(journey(step), world(web, main={**postgres.of, "password": PASSWORD}))
    assert "takes no 'password'" in str(caught.value)
    assert PASSWORD not in str(caught.value)
