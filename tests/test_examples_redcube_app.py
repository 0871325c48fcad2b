"""The services of redcube, as processes, on a real PostgreSQL."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sluice.systems import flags
from tests.fixtures.redcube import ARTIFACT, Redcube

pytestmark = pytest.mark.embedded

LIST = "/api/content/interview-intel/experiences"
ANALYZE = "/api/content/analyze-single/text"
WHO = {"email": "ada@example.org", "password": "Test123", "confirmPassword": "Test123"}


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=15, trust_env=False) as one:
        yield one


def login(redcube: Redcube, client: httpx.Client) -> int:
    """Register, log in, and return the user's id; the client keeps the cookie."""
    user = client.post(f"{redcube.urls['user']}/api/auth/register", json=WHO)
    assert client.post(f"{redcube.urls['user']}/api/auth/login", json=WHO).json() == user.json()
    return int(user.json()["id"])


def statuses(redcube: Redcube, client: httpx.Client, limit: int, times: int) -> Counter[int]:
    url = f"{redcube.urls['content']}{LIST}?limit={limit}"
    return Counter(client.get(url).status_code for _ in range(times))


def test_health(redcube: Redcube, client: httpx.Client):
    """Each answer says which version of which service gave it, those to nonsense too."""
    redcube.start("content", "user", version="1.0.0")
    answer = client.get(f"{redcube.urls['content']}/health")
    assert answer.json() == {"status": "ok", "service": "content-service", "version": "1.0.0", "database": True}
    for method, path, status in (("GET", "/health", 200), ("GET", "/nowhere", 404), ("HEAD", "/health", 501)):
        answer = client.request(method, redcube.urls["user"] + path)
        assert (answer.status_code, answer.headers["x-version"], answer.headers["x-service"]) == (status, "1.0.0", "user-service")


def test_list(redcube: Redcube, client: httpx.Client):
    """1.1.0 says what is trending, 1.0.0 does not; a list has as many rows as asked, newest first."""
    for version, names in (("1.0.0", {False}), ("1.1.0", {True})):
        redcube.start("content", version=version)
        answer = client.get(f"{redcube.urls['content']}{LIST}?limit=3").json()
        assert {"trending" in one for one in answer["experiences"]} == names
        dates = [one["created_at"] for one in answer["experiences"]]
        assert dates == sorted(dates, reverse=True)
        assert (answer["count"], len(set(dates))) == (3, 3)
        assert redcube.stop("content") == 0
    assert redcube.ask("select count(*) from experiences") == 200


def test_limit(redcube: Redcube, client: httpx.Client):
    """A limit that is none is refused with what it may be."""
    redcube.start("content")
    for limit in ("0", "101", "many", "nan"):
        answer = client.get(f"{redcube.urls['content']}{LIST}?limit={limit}")
        assert (answer.status_code, answer.json()) == (400, {"error": "limit is a number from 1 to 100"})


def test_register(redcube: Redcube, client: httpx.Client):
    """A user registers once, with a password that is kept as scrypt's hash only."""
    redcube.start("user")
    url = f"{redcube.urls['user']}/api/auth/register"
    assert client.post(url, json=WHO).status_code == 200
    refusals = {
        "this email is taken": WHO,
        "the passwords differ": {**WHO, "confirmPassword": "test123"},
        "a password has at least 6 characters": {**WHO, "password": "Test1"},
        "email is not an address": {**WHO, "email": "ada"},
        "password is missing": {"email": "bob@example.org"},
    }
    for why, body in refusals.items():
        assert client.post(url, json=body).json() == {"error": why}
    assert client.post(url, content=b"{").json() == {"error": "the body is not JSON"}
    assert redcube.ask("select count(*) from users where password like '%Test%'", "redcube_users") == 0
    assert "Test123" not in (redcube.folder / "user.log").read_text()


def test_session(redcube: Redcube, client: httpx.Client):
    """A session that one service began is known to the other, and ends with its user, who leaves nothing."""
    redcube.start("content", "user")
    user, (content, auth) = login(redcube, client), redcube.urls.values()
    assert client.get(f"{auth}/api/auth/me").json() == {"id": user, "email": "ada@example.org"}
    made = client.post(f"{content}{ANALYZE}", json={"text": "A friendly talk. I learned a lot."}).json()
    assert made["scores"]["words"] == 7
    assert made["scores"]["sentiment"] > 0.5
    assert redcube.ask("select count(*) from reputation_events") == 1
    assert client.delete(f"{content}/api/content/analyses/{made['id']}").json() == {"deleted": made["id"]}
    assert client.delete(f"{content}/api/content/analyses/{made['id']}").status_code == 404
    assert client.delete(f"{auth}/api/auth/me").json() == {"deleted": user}
    assert client.get(f"{auth}/api/auth/me").json() == {"error": "log in first"}
    assert redcube.left() == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("another user", lambda token: "2" + token[1:]),
        ("longer", lambda token: token.replace(".", ".1", 1)),
        ("no signature", lambda token: token.rpartition(".")[0] + "."),
        ("another signature", lambda token: token[:-1] + ("1" if token[-1] == "0" else "0")),
        ("nothing", lambda token: ""),
        ("no token", lambda token: "x"),
        ("no ASCII", lambda token: token[:-1] + "\u00e9"),
    ],
)
def test_forged_session(redcube: Redcube, client: httpx.Client, name: str, change: Callable[[str], str]):
    """A session is worth nothing to either service once a character of it is another."""
    redcube.start("content", "user")
    login(redcube, client)
    forged = f"session={change(client.cookies['session'])}".encode()
    client.cookies.clear()
    for method, url in (("POST", redcube.urls["content"] + ANALYZE), ("GET", f"{redcube.urls['user']}/api/auth/me")):
        answer = client.request(method, url, headers={b"cookie": forged}, json={"text": "fine"})
        assert (answer.status_code, answer.json()) == (401, {"error": "log in first"})


def test_login(redcube: Redcube, client: httpx.Client):
    """Who has no session, or a wrong password, is told so and nothing else."""
    redcube.start("content", "user")
    login(redcube, client)
    client.cookies.clear()
    assert client.post(f"{redcube.urls['content']}{ANALYZE}", json={"text": "x"}).json() == {"error": "log in first"}
    for body in ({**WHO, "password": "Test124"}, {**WHO, "email": "bob@example.org"}):
        answer = client.post(f"{redcube.urls['user']}/api/auth/login", json=body)
        assert (answer.status_code, answer.json()) == (401, {"error": "email or password is wrong"})


def test_flag(redcube: Redcube, client: httpx.Client, tmp_path: Path):
    """A feature is off from the next request on after its flag was switched off, and that is nobody's error."""
    file = tmp_path / "flags.json"
    redcube.start("content", "user", SLUICE_FLAGS=str(file))
    login(redcube, client)
    url, body = f"{redcube.urls['content']}{ANALYZE}", {"text": "fine"}
    assert client.post(url, json=body).status_code == 200
    flags.put(file, "UGC_ANALYSIS", False)
    assert (client.post(url, json=body).status_code, client.post(url, json=body).json()) == (404, {"error": "feature off"})
    file.write_text("{")
    assert client.post(url, json=body).status_code == 404
    file.unlink()
    assert client.post(url, json=body).status_code == 200
    errors = [line["message"] for line in redcube.lines("content") if line["level"] == "ERROR"]
    assert len(errors) == 1
    assert errors[0].startswith(f"flags in {file} are not read, the last ones stay: ")


def test_log(redcube: Redcube, client: httpx.Client):
    """A request's line has what the runbook looks for: trace, status, duration, and what was asked without its query."""
    redcube.start("content", version="1.0.0")
    answer = client.get(f"{redcube.urls['content']}{LIST}?limit=1", headers={"x-request-id": "trace-1"})
    assert answer.headers["x-request-id"] == "trace-1"
    line = redcube.lines("content")[-1]
    assert {name: line[name] for name in line if name not in ("time", "duration_ms")} == {
        "level": "INFO",
        "service": "content-service",
        "version": "1.0.0",
        "trace_id": "trace-1",
        "method": "GET",
        "path": LIST,
        "status": 200,
    }
    assert line["duration_ms"] > 0
    assert "Database connected" in [one.get("message") for one in redcube.lines("content")]


@pytest.mark.parametrize(("version", "errors"), [("1.1.0", 0), ("1.2.0", 12), ("1.6.0", 3)])
def test_errors(redcube: Redcube, client: httpx.Client, version: str, errors: int):
    """A bad version fails its share of each hundred lists, but never a list of one, nor its health."""
    redcube.start("content", version=version)
    assert statuses(redcube, client, 1, 50) == {200: 50}
    assert statuses(redcube, client, 10, 100) == Counter({200: 100 - errors} | ({500: errors} if errors else {}))
    assert client.get(f"{redcube.urls['content']}/health").status_code == 200
    failed = [line for line in redcube.lines("content") if line["level"] == "ERROR"]
    assert len(failed) == errors
    assert all("redcube.fault.Broken: no page of 10" in line["trace"] for line in failed)


def test_slow(redcube: Redcube, client: httpx.Client):
    """1.3.0 is slow in ten of each hundred requests, and answers all of them."""
    redcube.start("content", version="1.3.0", FAULT_SLOW_SECONDS="0.05")
    assert statuses(redcube, client, 10, 100) == {200: 100}
    slow = [line for line in redcube.lines("content") if line.get("duration_ms", 0) >= 50]
    assert 10 <= len(slow) <= 15


def test_leak(redcube: Redcube, client: httpx.Client):
    """1.5.0 leaves connections behind, to be found by its application name, and answers well meanwhile."""
    redcube.start("content", version="1.5.0")
    count = "select count(*) from pg_stat_activity where application_name = 'content-service'"
    assert redcube.ask(count) == 2
    assert statuses(redcube, client, 10, 60) == {200: 60}
    assert redcube.ask(count) == 8


def test_stop(redcube: Redcube):
    """A service that is told to stop answers what it has begun, lets nobody in, and ends well."""
    redcube.start("content")
    url, answers = redcube.urls["content"], list[httpx.Response]()
    thread = threading.Thread(target=lambda: answers.append(httpx.get(f"{url}/slow?seconds=1", timeout=5)))
    thread.start()
    # Nothing shows a request that is under way, so it gets a moment to arrive.
    time.sleep(0.2)
    assert redcube.stop("content") == 0
    thread.join()
    assert (answers[0].status_code, answers[0].json(), answers[0].headers["connection"]) == (200, {"slept": 1.0}, "close")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")
    assert redcube.lines("content")[-1]["message"] == "stopped"


def test_together(redcube: Redcube, client: httpx.Client):
    """Many connections at once, kept or not, are all answered."""
    redcube.start("content")
    url, seen = f"{redcube.urls['content']}{LIST}?limit=5", Counter[int]()

    def ask() -> None:
        with httpx.Client(trust_env=False) as kept:
            seen.update(kept.get(url, timeout=10).status_code for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {200: 200}


def test_body(redcube: Redcube, client: httpx.Client):
    """A body without a length, or too long, is refused, and the connection ends: its rest is no request."""
    redcube.start("user")
    url = f"{redcube.urls['user']}/api/auth/login"
    chunked = client.post(url, content=iter([b"{}"]))
    assert (chunked.status_code, chunked.headers["connection"]) == (411, "close")
    raw = http.client.HTTPConnection(url.split("/")[2])
    raw.putrequest("POST", "/api/auth/login")
    raw.putheader("content-length", "1048577")
    raw.endheaders()
    long = raw.getresponse()
    assert (long.status, long.read()) == (413, b'{"error": "a body has at most 1048576 bytes"}')


def test_copy_is_away(redcube: Redcube, client: httpx.Client):
    """Nobody leaves as long as their copy cannot: so there is never a copy without a user, and the same request works later."""
    redcube.start("content", "user", version="1.0.0")
    login(redcube, client)
    url = f"{redcube.urls['user']}/api/auth/me"
    redcube.rows("alter table users rename to elsewhere")
    assert client.delete(url).status_code == 500
    assert client.get(url).status_code == 200
    redcube.rows("alter table elsewhere rename to users")
    assert client.delete(url).status_code == 200
    assert redcube.left() == []


def test_no_password(redcube: Redcube, cluster: dict[str, Any]):
    """Without a password there is no key for sessions, and a service ends with a line that says so, instead of signing with nothing."""
    hba = cluster["server"].data / "pg_hba.conf"
    text = hba.read_text()
    redcube.rows("create role guest login superuser")
    hba.write_text(f"host all guest 127.0.0.1/32 trust\n{text}")
    redcube.rows("select pg_reload_conf()")
    environment = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(cluster["port"]), "PGUSER": "guest", "PGDATABASE": "postgres"}
    command = [sys.executable, "-m", "redcube.content", "--port", "1"]
    ended = subprocess.run(command, cwd=ARTIFACT, env=environment, capture_output=True, check=False, timeout=60)
    hba.write_text(text)
    redcube.rows("select pg_reload_conf()")
    redcube.rows("drop owned by guest cascade")
    redcube.rows("drop role guest")
    assert ended.returncode == 1
    expected = "sessions are signed with a key from the database's password, and there is none: set PGPASSFILE"
    assert json.loads(ended.stdout.splitlines()[-1])["message"] == expected


def test_nowhere(tmp_path: Path):
    """A service without a database ends with one clear line."""
    environment = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": "1", "PGUSER": "nobody", "DATABASE_WAIT": "0.5"}
    command = [sys.executable, "-m", "redcube.user", "--port", "1"]
    ended = subprocess.run(command, cwd=ARTIFACT, env=environment, capture_output=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert json.loads(ended.stdout.splitlines()[-1])["message"].startswith("no database within 0.5 s: ")
