"""The load on production's front door, and what came of it in each phase."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.load import Ask, Load, Tally, post
from examples.redcube.demo.stacks import output

RATE = 150.0
LIST = "/api/content/interview-intel/experiences?limit=10"


@contextmanager
def load() -> Iterator[Load]:
    """Load production's front door steadily: lists, analyses with a session, and long requests."""
    url = output("production", "url")
    cookie = session(url)
    known = {"cookie": cookie}
    analyze = post("/api/content/analyze-single/text", {"text": "two rounds, one offer"}, known)
    mix = [Ask("GET", LIST), analyze, Ask("GET", LIST), Ask("GET", "/api/auth/me", headers=known), Ask("GET", LIST)]
    running = Load(url, mix, rate=RATE, long=Ask("GET", "/api/content/slow?seconds=2")).start()
    print(f"\na steady load of {RATE:.0f} requests a second on {url}", flush=True)
    try:
        yield running
    finally:
        running.stop()


def session(url: str) -> str:
    """Register a user and return its cookie."""
    import httpx

    person = {"email": f"demo-{time.time_ns()}@example.com", "password": "Demo-12345"}
    with httpx.Client(base_url=url) as client:
        client.post("/api/auth/register", json={**person, "confirmPassword": person["password"]}).raise_for_status()
        client.post("/api/auth/login", json=person).raise_for_status()
        return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


class Phases:
    """How many requests ended in each phase of a load, and how many of them failed. A request counts where it ends."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.counts: dict[str, tuple[int, int]] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count what ends while the block runs."""
        total, failed = self.tally.total, self.tally.failed
        yield
        self.counts[name] = (self.tally.total - total, self.tally.failed - failed)

    def lines(self) -> list[str]:
        """Say it, a line a phase."""
        return [f"{name:<9} {failed} of {total} requests failed" for name, (total, failed) in self.counts.items()]
