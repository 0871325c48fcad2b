"""A server that must be there: does it answer as what it is? No login, no driver, nothing left behind.

    tcp://host:port      somebody accepts the connection
    redis://host:port    the answer to PING is Redis' own, be it that one has to log in first
    amqp://host:port     the broker begins its handshake (AMQP 0-9-1, section 4.2.2)
    postgresql://...     the server answers a request for TLS, with yes or no (PostgreSQL, "Message Flow", SSL)

Credentials have no place here: what a release requires is plain in its state.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

# A server on the same network answers in milliseconds; who is busy gets a little more.
PATIENCE = 5.0


@dataclass(frozen=True)
class Greeting:
    """What is said to a server, how its answer begins, and the port where it usually is."""

    said: bytes
    answers: tuple[bytes, ...]
    port: int | None


GREETINGS = {
    "tcp": Greeting(b"", (b"",), None),
    "redis": Greeting(b"PING\r\n", (b"+PONG", b"-NOAUTH", b"-LOADING"), 6379),
    # Whoever speaks another version of it answers with the header of that one.
    "amqp": Greeting(b"AMQP\x00\x00\x09\x01", (b"\x01\x00\x00",), 5672),
    "postgresql": Greeting(b"\x00\x00\x00\x08\x04\xd2\x16\x2f", (b"S", b"N"), 5432),
}


def wrong(name: str, url: str) -> list[str]:
    """Return why nobody could be greeted at a URL."""
    try:
        parts = urlsplit(url)
        known, port = GREETINGS.get(parts.scheme), parts.port
    except ValueError as error:
        return [f"server '{name}': '{url}' is no URL: {error}"]
    if parts.username or parts.password:
        return [f"server '{name}': its URL has credentials, which would be stored: leave them out, nobody logs in"]
    if known is None or not parts.hostname or not (port or known.port):
        return [f"server '{name}': '{url}' is none of {', '.join(f'{scheme}://host:port' for scheme in GREETINGS)}"]
    return []


def absent(name: str, url: str, timeout: float = PATIENCE) -> Iterator[str]:
    """Yield why a server is not there, with what to do about it; nothing when it is."""
    found = wrong(name, url)
    if found:
        yield from found
        return
    parts = urlsplit(url)
    greeting = GREETINGS[parts.scheme]
    port = parts.port or greeting.port or 0
    where = f"server '{name}' at {parts.hostname}:{port}"
    try:
        answer = _greet(str(parts.hostname), port, greeting, timeout)
    except OSError as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
        yield f"{where} cannot be reached ({why}): start it, or correct its address"
        return
    if not answer.startswith(greeting.answers):
        yield f"{where} does not answer as {parts.scheme} does: see what listens there, ss -ltnp 'sport = :{port}'"


def _greet(host: str, port: int, greeting: Greeting, timeout: float) -> bytes:
    longest = max(map(len, greeting.answers))
    with socket.create_connection((host, port), timeout) as connection:
        connection.sendall(greeting.said)
        answer = b""
        # Who waits for more, since he speaks another language, has not answered either.
        with suppress(TimeoutError):
            while len(answer) < longest and not (answer and answer.startswith(greeting.answers)):
                more = connection.recv(longest - len(answer))
                if not more:
                    break
                answer += more
        return answer
