"""Prometheus: what it scrapes, and what it has seen; asked over its HTTP API (runbook 002, "Step 9: Monitoring Verification").

Questions, and what each answers:
    prometheus.targets   the share of its active targets that are up; the evidence names some that are not, and why
    prometheus.value     the value of `query` now, which must be a scalar or one series

Parameters: `url`, where Prometheus is, without /api; `headers`, as with `http`; for targets `jobs`, whose targets alone are meant: one
of them without a target counts as a target that is down. No target, and no series, is no data. A query that Prometheus refuses, and one
with several series, is a ValueError: the check is wrong, not what it asks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from sluice.core.errors import Unreachable
from sluice.core.question import Question, expect
from sluice.core.reading import NoData, Number, Reading
from sluice.systems import http

QUESTIONS = {
    "prometheus.targets": Question(("url",), ("headers", "jobs")),
    "prometheus.value": Question(("url", "query"), ("headers",)),
}
# A message is one line.
SHOWN = 3

Json = dict[str, Any]


def ask(question: str, of: Mapping[str, Any], timeout: float) -> Reading:
    """Ask one server; `timeout` in seconds."""
    expect(question, of, QUESTIONS)
    if question == "prometheus.targets":
        return _targets(_data(of, "targets", {"state": "active"}, timeout)["activeTargets"], of.get("jobs"))
    return _value(_data(of, "query", {"query": of["query"]}, timeout))


def _data(of: Mapping[str, Any], what: str, query: Mapping[str, str], timeout: float) -> Json:
    url = f"{str(of['url']).rstrip('/')}/api/v1/{what}?{urlencode(query)}"
    began = time.monotonic()
    with http.answer({"url": url, "headers": of.get("headers") or {}}, timeout) as response:
        body = http.body(response, began + timeout)
    try:
        said = json.loads(body)
        if said["status"] == "success":
            return dict(said["data"])
        why = str(said["error"])
    except (ValueError, KeyError, TypeError):
        raise Unreachable(f"{http.shown(url)} does not answer as Prometheus does (status {response.status_code})") from None
    raise ValueError(f"Prometheus refuses '{query.get('query', what)}': {why}")


def _targets(active: Iterable[Json], jobs: Iterable[str] | None) -> Reading:
    wanted = None if jobs is None else list(jobs)
    found = {(one["labels"]["job"], one["scrapeUrl"]): one for one in active if wanted is None or one["labels"]["job"] in wanted}
    there = {job for job, _ in found}
    down = [f"{job}: no target" for job in wanted or [] if job not in there]
    total = len(found) + len(down)
    down += [
        f"{job}: {one['lastError'] or one['health']} ({http.shown(url)})" for (job, url), one in found.items() if one["health"] != "up"
    ]
    if not total:
        return NoData("no active target")
    names = "; ".join(down[:SHOWN]) + (f"; and {len(down) - SHOWN} more" if len(down) > SHOWN else "")
    return Number(
        value=(total - len(down)) / total, samples=total, evidence=f"{total - len(down)} of {total} up" + (f"; {names}" if down else "")
    )


def _value(data: Json) -> Reading:
    if data["resultType"] == "scalar":
        return Number(value=float(data["result"][1]), evidence="scalar")
    series = data["result"]
    if data["resultType"] != "vector" or len(series) > 1:
        raise ValueError(f"the query has {len(series)} series of the type '{data['resultType']}': aggregate them to one, as by sum(...)")
    if not series:
        return NoData("no series")
    return Number(value=float(series[0]["value"][1]), evidence=", ".join(f"{name}={value}" for name, value in series[0]["metric"].items()))
