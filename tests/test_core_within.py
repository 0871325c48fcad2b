"""Checks as they are put by whoever is in a network of its own."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.check import Check, Limit
from sluice.core.within import within

PLACES = {20001: ("shop-web", 8080), 20002: ("shop-store", 5432)}
SECRETS = "/stack/secrets"
STORE = {"host": "127.0.0.1", "port": 20002, "user": "sluice", "dbname": "shop", "passfile": "/stack/secrets/store.pgpass"}


def put(ask: str, **of: Any) -> dict[str, Any] | None:
    """Return the parameters with which it is put there, None where it cannot be."""
    check = Check(name="one", ask=ask, of=of, limit=Limit(is_="==", value=1), lasts=3)
    found = within(check, PLACES, SECRETS)
    assert found is None or found.model_copy(update={"of": of}) == check
    return found.of if found else None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_loopback(host: str):
    """What the runner reaches on its loopback is asked by its name and port in the network, with all else of the question."""
    asked = {"url": f"http://{host}:20001/health?deep=1", "headers": {"x-a": "b"}}
    assert put("http.status", **asked) == {**asked, "url": "http://shop-web:8080/health?deep=1"}
    assert put("http.status", url=f"http://me:pw@{host}:20001/") == {"url": "http://me:pw@shop-web:8080/"}


def test_another_machine():
    """Where the runner reaches the places at another address than its loopback, that is the one that has another name inside."""
    check = Check(name="one", ask="http.status", of={"url": "http://10.0.0.5:20001/a"}, limit=Limit(is_="==", value=1))
    found = within(check, PLACES, SECRETS, "10.0.0.5")
    assert found
    assert found.of == {"url": "http://shop-web:8080/a"}
    assert within(check, PLACES, SECRETS) == check


@pytest.mark.parametrize("ask", ["http.json", "prometheus.value"])
def test_elsewhere(ask: str):
    """What is elsewhere for the runner is so for everybody."""
    of = {"url": "https://metrics.example.org/x", "query": "up"}
    assert put(ask, **of) == of


def test_databases():
    """A database is asked by its name and port in the network, with the password's file that both see."""
    assert put("sql", **STORE, query="select 1") == {**STORE, "query": "select 1", "host": "shop-store", "port": 5432}
    assert put("sql.rows", host="db.example.org", user="a", dbname="b", query="c") == {
        "host": "db.example.org",
        "user": "a",
        "dbname": "b",
        "query": "c",
    }


def test_traffic():
    """The splitter's own figures are where it is."""
    assert put("split.error_rate", version="web@2") == {"version": "web@2"}


@pytest.mark.parametrize(
    ("ask", "of"),
    [
        ("logs.ratio", {"path": "docker:shop-web"}),
        ("process.memory", {"pidfile": "docker:shop-web", "memory": 1}),
        ("files.age", {"path": "/var/x"}),
        ("supervisord.state", {"socket": "/s", "program": "p"}),
        ("http.status", {"url": "http://127.0.0.1:9090/"}),
        ("http.status", {"url": "http://localhost/"}),
        ("http.status", {"url": "http://a.example.org/", "headers": {"authorization": "Bearer env:TOKEN"}}),
        ("prometheus.targets", {"url": "http://a.example.org/", "headers": {"authorization": "file:/run/token"}}),
        ("sql", {**STORE, "port": 5433, "query": "select 1"}),
        ("sql", {"host": "/run/postgresql", "user": "a", "dbname": "b", "query": "c"}),
        ("sql", {**STORE, "passfile": "/home/me/.pgpass", "query": "select 1"}),
        ("sql", {**STORE, "passfile": "/stack/secrets", "query": "select 1"}),
    ],
)
def test_what_the_runner_alone_has(ask: str, of: dict[str, Any]):
    """Logs, processes, files, other addresses of the runner's loopback, and what refers to its secrets, nobody in there can ask."""
    assert put(ask, **of) is None
