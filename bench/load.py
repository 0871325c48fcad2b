"""A steady load that hides nothing: no retries, kept and new connections, GET and POST, long requests among them.

A request failed when no version answered it (no `x-version` header), whatever the reason. Answers of 500 and above that a
version gave are its own errors, and counted apart.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

WORKERS = 16
# Every so many requests: a connection of its own, and one that takes long.
FRESH_EVERY, LONG_EVERY = 5, 400


@dataclass(frozen=True)
class Ask:
    """One kind of request in the mix."""

    method: str
    path: str
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Tally:
    """What came back."""

    total: int = 0
    failed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    last: dict[str, float] = field(default_factory=dict)

    def text(self) -> str:
        """Say it in a line."""
        by = ", ".join(f"{name}: {count}" for name, count in sorted(self.versions.items()))
        own = sum(self.errors.values())
        return f"{self.total} requests, {self.failed} failed; answered by {by or 'nobody'}; {own} errors of a version's own"


class Load:
    """Sends `rate` requests a second to `url` from the asks in turn, from `start` to `stop`."""

    def __init__(self, url: str, asks: list[Ask], *, rate: float, long: Ask | None = None, workers: int = WORKERS) -> None:
        self.host, self.asks, self.rate, self.long = urlsplit(url).netloc, asks, rate, long
        self.tally, self.lock, self.stopped = Tally(), threading.Lock(), threading.Event()
        self.numbers = itertools.count()
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]

    def start(self) -> Load:
        """Begin."""
        self.begun = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def stop(self) -> Tally:
        """End after the requests in flight; return the tally."""
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        return self.tally

    def __enter__(self) -> Load:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _work(self) -> None:
        kept: http.client.HTTPConnection | None = None
        while not self.stopped.is_set():
            number = next(self.numbers)
            if self.stopped.wait(max(0.0, self.begun + number / self.rate - time.monotonic())):
                break
            fresh = number % FRESH_EVERY == 0
            if fresh or kept is None:
                kept = http.client.HTTPConnection(self.host, timeout=60)
            ask = self.long if self.long and number % LONG_EVERY == 0 else self.asks[number % len(self.asks)]
            if not self._send(kept, ask) or fresh:
                kept.close()
                kept = None

    def _send(self, connection: http.client.HTTPConnection, ask: Ask) -> bool:
        """Send one request; return whether the connection may be used again."""
        try:
            connection.request(ask.method, ask.path, ask.body, ask.headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._count(None, 0, f"{type(error).__name__} on {ask.method} {ask.path}")
            return False
        self._count(answer.getheader("x-version"), answer.status, f"{answer.status} on {ask.method} {ask.path}")
        return not answer.will_close

    def _count(self, version: str | None, status: int, reason: str) -> None:
        with self.lock:
            self.tally.total += 1
            if version is None:
                self.tally.failed += 1
                self.tally.reasons[reason] += 1
                return
            self.tally.versions[version] += 1
            self.tally.last[version] = time.time()
            if status >= 500:
                self.tally.errors[version] += 1


def post(path: str, body: object, headers: dict[str, str] | None = None) -> Ask:
    """Build a POST with a JSON body."""
    return Ask("POST", path, json.dumps(body), {"content-type": "application/json", **(headers or {})})
