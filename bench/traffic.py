"""Requests that no version answered while releases come, fail and go."""

from __future__ import annotations

import time

from bench.load import Ask, Load, Tally, post
from bench.measure import Measure, say
from bench.stack import deployed, done
from tests.fixtures.engine import PROGRAM, QUICK, Engine

RATE, REQUESTS = 500.0, 10_000
MIX = [Ask("GET", "/web/a"), post("/web/b", {"a": 1}), Ask("GET", "/api/c"), post("/api/d", {"b": 2})]
LONG = Ask("GET", "/web/long?seconds=3")


def measure(_runs: int) -> Measure:
    """Load the front door through a good release, a bad one, and the way back; once, since there is nothing to average."""
    with deployed(PROGRAM, "test", {"sluice:release": {"version": "1"}, "sluice:rollout": QUICK}) as engine:
        begun, load = time.monotonic(), Load(engine.url, MIX, rate=RATE, long=LONG)
        with load:
            _release(engine)
            while load.tally.total < REQUESTS:
                time.sleep(0.1)
        return _measure(load.tally, time.monotonic() - begun)


def _release(engine: Engine) -> None:
    say("  up: a good release, step by step")
    engine.release("2")
    done(engine, "up", "--yes", "--skip-preview")
    say("  up: a bad one, to its abort")
    engine.release("3", web={"FAIL_RATE": "0.4"})
    if engine.up().ok:
        raise RuntimeError("version 3, which fails 4 of 10 requests, passed its canary, expected an abort")
    say("  up: the way back")
    engine.release("2")
    done(engine, "up", "--yes", "--skip-preview")


def _measure(tally: Tally, seconds: float) -> Measure:
    why = "".join(f"; {count} {reason}" for reason, count in tally.reasons.most_common(3))
    own, rate = sum(tally.errors.values()), tally.total / seconds
    against = f"at most 0; {tally.total} requests, {rate:.0f} a second; {own} errors of versions' own{why}"
    return Measure("failed_requests", tally.failed, "requests", against)
