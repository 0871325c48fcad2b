"""Prometheus' push gateway: the figures of a release, where a job that ends cannot be scraped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluice.core.errors import SluiceError
from sluice.core.journal import Source
from sluice.core.report.gauge import Gauge, gauges
from sluice.core.report.lines import attempts

TIMEOUT = 5.0  # seconds
JOB = "sluice"


def push(hook: Mapping[str, Any], source: Source, release: str) -> str:
    """Replace what the gateway has of this stack by the figures of a release's present attempt, as its journal has them; return a
    warning, or nothing when they have arrived.

    `hook`'s `url` is a reference to the gateway's address, as `PROMETHEUS_PUSHGATEWAY` has it (`host:9091`, or a URL with a user and a
    password). The group is `job="sluice"`, `stack`, and `instance`, the name of the stack's folder: two programs share no group.
    """
    from sluice.systems import journal
    from sluice.systems.secret import resolve

    try:
        address = resolve(hook["url"]).reveal()
        events, _ = journal.read(Path(source.path))
    except (SluiceError, ValueError) as error:
        return f"pushgateway not told: {error}"
    made = attempts([event for event in events if event.run == source.run and event.release == release], [])
    if not made:
        return "pushgateway not told: the journal has nothing of this update"
    labels = {"stack": source.stack, "instance": Path(source.path).parent.name}
    return _sent(address, gauges(release, made[-1]), labels)


def _sent(address: str, found: list[Gauge], labels: Mapping[str, str]) -> str:
    from urllib.error import HTTPError
    from urllib.parse import unquote, urlsplit

    from prometheus_client import push_to_gateway
    from prometheus_client.exposition import basic_auth_handler, default_handler

    try:
        whole = urlsplit(address if "://" in address else f"http://{address}")
        user, password = unquote(whole.username or ""), unquote(whole.password or "")
        bare = whole._replace(netloc=whole.netloc.rpartition("@")[2]).geturl()

        def handler(url: str, method: str, timeout: float | None, headers: Any, data: bytes) -> Any:
            if not user:
                return default_handler(url, method, timeout, headers, data)
            return basic_auth_handler(url, method, timeout, headers, data, user, password)

        push_to_gateway(bare, JOB, _registry(found), dict(labels), TIMEOUT, handler)
    except HTTPError as error:
        return f"pushgateway not told: status {error.code}"
    # In its own words the address could be repeated, and a password with it.
    except (OSError, ValueError) as error:
        return f"pushgateway not told: {type(error).__name__}"
    return ""


def _registry(found: list[Gauge]) -> Any:
    from prometheus_client import CollectorRegistry
    from prometheus_client import Gauge as Metric

    registry = CollectorRegistry()
    metrics: dict[str, Any] = {}
    for one in found:
        metric = metrics.get(one.name) or metrics.setdefault(one.name, Metric(one.name, one.about, list(one.labels), registry=registry))
        (metric.labels(**one.labels) if one.labels else metric).set(one.value)
    return registry
