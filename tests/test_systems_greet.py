"""Servers that must be there: real ones, and what is something else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from sluice.systems.greet import absent
from tests.fixtures.front import free
from tests.fixtures.web import Web


def told(url: str, timeout: float = 5.0) -> list[str]:
    return list(absent("it", url, timeout))


@pytest.fixture
def silent() -> Iterator[int]:
    """Return the port of somebody who accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.embedded
def test_redis(redis: str):
    """A Redis answers, whatever database its URL names."""
    assert told(redis) == []


@pytest.mark.embedded
def test_rabbitmq(rabbitmq: str):
    """A broker answers without a login; one of another kind does not pass for it."""
    parts = urlsplit(rabbitmq)
    assert told(f"amqp://{parts.hostname}:{parts.port}") == []
    (wrong,) = told(f"redis://{parts.hostname}:{parts.port}", 0.5)
    assert (
        wrong
        == f"server 'it' at 127.0.0.1:{parts.port} does not answer as redis does: see what listens there, ss -ltnp 'sport = :{parts.port}'"
    )


@pytest.mark.embedded
def test_postgresql(cluster: dict[str, object]):
    """A PostgreSQL answers, without a user of it."""
    assert told(f"postgresql://127.0.0.1:{cluster['port']}") == []


def test_another(web: Web):
    """Something else that listens there is told from what should."""
    for scheme in ("redis", "amqp", "postgresql"):
        (why,) = told(web.url.replace("http", scheme), 0.5)
        assert why.startswith(f"server 'it' at 127.0.0.1:{web.server_port} does not answer as {scheme} does: ")
    assert told(web.url.replace("http", "tcp")) == []


def test_away():
    """Nobody at all is told with the system's word for it."""
    port = free()
    refused = f"server 'it' at 127.0.0.1:{port} cannot be reached (connection refused): start it, or correct its address"
    assert told(f"redis://127.0.0.1:{port}/0") == [refused]


def test_silent(silent: int):
    """Who accepts and says nothing is something else, once the time is up."""
    (why,) = told(f"amqp://127.0.0.1:{silent}", 0.2)
    assert why == f"server 'it' at 127.0.0.1:{silent} does not answer as amqp does: see what listens there, ss -ltnp 'sport = :{silent}'"
    assert told(f"tcp://127.0.0.1:{silent}") == []


def test_cut():
    """Who hangs up in the middle of the answer has not answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def hang() -> None:
            with server.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(b"+PO")

        thread = threading.Thread(target=hang)
        thread.start()
        (why,) = told(f"redis://127.0.0.1:{port}")
        thread.join()
    assert "does not answer as redis does" in why


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://:planted@h:1", "server 'it': its URL has credentials, which would be stored: leave them out, nobody logs in"),
        ("http://h:1", "server 'it': 'http://h:1' is none of tcp://host:port, redis://host:port, amqp://host:port, postgresql://host:port"),
        ("tcp://h", "server 'it': 'tcp://h' is none of tcp://host:port, redis://host:port, amqp://host:port, postgresql://host:port"),
        ("redis://", "server 'it': 'redis://' is none of tcp://host:port, redis://host:port, amqp://host:port, postgresql://host:port"),
        ("redis://h:x", "server 'it': 'redis://h:x' is no URL: Port could not be cast to integer value as 'x'"),
    ],
)
def test_no_address(url: str, why: str):
    """What is no address is refused with what is one, and a password is never repeated."""
    assert told(url) == [why]
