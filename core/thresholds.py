"""The checks that a canary's thresholds come to, for one new version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sluice.core.check import Check, Limit, Unit
from sluice.core.settings import Threshold
from sluice.core.spec import Spec
from sluice.core.verdict import Severity
from sluice.core.version import Version

LABELS = {
    "error_rate": "error rate",
    "latency": "p{:g}",
    "connections": "database connections",
    "cpu": "cpu",
    "memory": "memory",
    "error_delta": "error rate against live",
    "latency_delta": "latency against live",
}

Thresholds = Mapping[str, Threshold]

WELL = " is well"


def worded(label: str) -> str:
    """Return a pattern for a label as a check has it in its name."""
    return re.escape(label).replace(re.escape("{:g}"), "[0-9.]+")


def common(name: str) -> bool:
    """Say whether a check's name is one that every release gives, and no team's own."""
    return name.endswith(WELL) or any(re.fullmatch(f".+: {worded(label)}", name) for label in LABELS.values())


def health(version: Version, path: str) -> Check:
    """Ask a version on its own address whether it is well."""
    of = {"url": version.url + path}
    return Check(name=f"{version.service}{WELL}", ask="http.status", of=of, limit=Limit(is_="==", value=200), severity=Severity.P1)


def watches(thresholds: Thresholds, spec: Spec, version: Version, store: Mapping[str, Any] | None) -> list[Check]:
    """Return a check for each threshold that can be asked of this version: one without a limit or a database has no such question."""
    questions = _questions(spec, version, store)
    return [_check(name, threshold, spec, *questions[name]) for name, threshold in thresholds.items() if name in questions]


def _questions(spec: Spec, version: Version, store: Mapping[str, Any] | None) -> dict[str, tuple[str, dict[str, Any], Unit]]:
    questions = _asked_of_split(version) if spec.prefix else {}
    if spec.cpu:
        questions["cpu"] = ("process.cpu", {"pidfile": version.pidfile, "cpu": spec.cpu}, Unit.RATIO)
    if spec.memory:
        questions["memory"] = ("process.memory", {"pidfile": version.pidfile, "memory": spec.memory}, Unit.RATIO)
    if store:
        questions["connections"] = (*_connections(spec, version, store), Unit.RATIO)
    return questions


def _asked_of_split(version: Version) -> dict[str, tuple[str, dict[str, Any], Unit]]:
    """Return what the splitter is asked; of a version without a door it would have no answer."""
    about = {"version": version.name}
    return {
        "error_rate": ("split.error_rate", about, Unit.RATIO),
        "latency": ("split.latency", about, Unit.SECONDS),
        "error_delta": ("split.error_delta", about, Unit.RATIO),
        "latency_delta": ("split.latency_delta", about, Unit.RATIO),
    }


def _connections(spec: Spec, version: Version, store: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Ask for a version's share of its own allowance where it has one, else of all that the server allows."""
    if not spec.connections:
        return "sql.connections", {**store, "application": version.application}
    # The server cuts application names to 63 bytes.
    query = "select count(*) / %(most)s::float from pg_stat_activity where application_name = left(%(name)s, 63)"
    return "sql", {**store, "query": query, "params": {"most": spec.connections, "name": version.application}}


def _check(name: str, threshold: Threshold, spec: Spec, ask: str, of: dict[str, Any], unit: Unit) -> Check:
    return Check(
        name=f"{spec.service}: {LABELS[name].format(threshold.quantile * 100)}",
        ask=ask,
        of=of | ({"quantile": threshold.quantile} if name == "latency" else {}),
        limit=Limit(is_="<=", value=threshold.max, unit=unit),
        severity=threshold.severity,
        action=threshold.action,
        lasts=threshold.lasts,
        minimum=threshold.samples,
    )
