"""Envoy's admin interface over its unix socket: which revision it follows, and what each version has answered."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import quote

import httpx

from sluice.core.errors import Unreachable
from sluice.core.figures import Figures
from sluice.core.judge.histogram import Histogram

# The admin interface is local and answers in a few milliseconds: a second is an outage.
TIMEOUT = 2.0
POLL = 0.005
ANSWERED, ERRORS, LATENCY = "upstream_rq_completed", "upstream_rq_5xx", "upstream_rq_time"


def stats(admin: str, pattern: str) -> list[dict[str, Any]]:
    """Return the statistics whose names match a regular expression, as Envoy's JSON has them."""
    path = f"/stats?format=json&histogram_buckets=disjoint&filter={quote(pattern)}"
    try:
        # Without TLS there is nothing to verify, and loading certificates for it would take a tenth of a second a question.
        with httpx.Client(transport=httpx.HTTPTransport(uds=admin, verify=False), timeout=TIMEOUT) as client:
            answer = client.get(f"http://envoy{path}").raise_for_status()
            found: list[dict[str, Any]] = answer.json()["stats"]
    except (httpx.HTTPError, ValueError, KeyError, OSError) as error:
        raise Unreachable(f"envoy's admin socket '{admin}' does not answer ({type(error).__name__}): is the proxy up?") from None
    return found


def revision(admin: str, route: str) -> str:
    """Return the version_info of the route configuration that Envoy follows; '' when it has none yet."""
    texts = stats(admin, rf"\.rds\.{re.escape(route)}\.version_text$")
    return str(texts[0]["value"]) if texts else ""


def confirm(admin: str, route: str, wanted: str, timeout: float) -> bool:
    """Wait until Envoy follows a revision; False when it does not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while revision(admin, route) != wanted:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def figures(admin: str, names: list[str]) -> dict[str, Figures]:
    """Return what each cluster has answered since Envoy knows it. Answers of 500 and above are errors, Envoy's own 503 included.

    Counters are as new as the question, latencies as the one before it: Envoy merges those when it is asked, and answers first.
    """
    clusters = "|".join(re.escape(name) for name in names)
    found = stats(admin, rf"^cluster\.({clusters})\.({ANSWERED}|{ERRORS}|{LATENCY})$")
    counts = {entry["name"]: int(entry["value"]) for entry in found if "value" in entry}
    histograms = {entry["name"]: entry["buckets"] for group in found for entry in group.get("histograms", [])}
    return {name: _figures(f"cluster.{name}.", counts, histograms) for name in names}


def _figures(prefix: str, counts: dict[str, int], histograms: dict[str, Any]) -> Figures:
    buckets = histograms.get(prefix + LATENCY, [])
    bins = tuple((float(bucket["upper_bound"]) / 1000, int(bucket["cumulative"])) for bucket in buckets)
    return Figures(counts.get(prefix + ANSWERED, 0), counts.get(prefix + ERRORS, 0), Histogram(bins))
