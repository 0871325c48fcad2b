"""How much is too much for a canary, as config has it, and the table that it comes to."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sluice.core.settings import defaults
from sluice.core.settings.kind import Duration, Ratio, Text, Truth, Whole, block
from sluice.core.value import Value
from sluice.core.verdict import Severity


class Threshold(Value):
    """A limit as it is watched. `max` in the check's unit (a share from 0 to 1, or seconds), `lasts` in seconds."""

    max: float
    lasts: float
    samples: int = defaults.ONE
    severity: Severity = Severity.P2
    action: str = ""
    quantile: float = defaults.QUANTILE


class Check(Value):
    """What config may say about any check; what it does not say is in `TABLE`."""

    lasts: Duration | None = Field(default=None, description="how long a breach must last before it counts")
    severity: Severity | None = Field(default=None, description="how bad a breach is; P0 counts at once, whatever `lasts` says")
    action: Text | None = Field(default=None, description="what to do about a breach; the message repeats it")
    off: Truth = Field(default=False, description="true: this is not watched")


class Figure(Check):
    """A share of something limited."""

    max: Ratio | None = Field(default=None, description="share of the limit that may be in use")


class Rate(Check):
    """Failed requests among all."""

    max: Ratio | None = Field(default=None, description="share of requests that may fail (answers of 500 and above)")
    samples: Whole | None = Field(default=None, ge=1, description="how many requests an answer needs")


class Latency(Check):
    """How long answers take."""

    max: Duration | None = Field(default=None, description="how long an answer may take")
    quantile: Ratio | None = Field(default=None, gt=0, lt=1, description="share of the requests that must be as fast")
    samples: Whole | None = Field(default=None, ge=1, description="how many requests an answer needs")


class ErrorDelta(Check):
    """Failed requests, against live's."""

    max: Ratio | None = Field(default=None, lt=1, description="by how much the share may exceed live's")
    samples: Whole | None = Field(default=None, ge=1, description="how many requests both versions need before no difference is believed")


class LatencyDelta(Check):
    """How long answers take, against live's, by ranks."""

    max: Ratio | None = Field(
        default=None, ge=0.5, lt=1, description="in which share of pairs it may be the slower one; half is no difference"
    )
    samples: Whole | None = Field(default=None, ge=1, description="how many requests both versions need before no difference is believed")


class Checks(Value):
    """What is watched while a canary climbs. All are on; what one says replaces its default key by key."""

    error_rate: Rate = block("failed requests of the new version, over a minute")
    latency: Latency = block("how long the new version takes to answer, over a minute")
    connections: Figure = block("its connections to the database, of those it may open")
    cpu: Figure = block("processor time of its processes, of their limit")
    memory: Figure = block("memory of its processes, of their limit")
    error_delta: ErrorDelta = block("failed requests against live's: a test that may be read at any time")
    latency_delta: LatencyDelta = block("how long answers take against live's, by ranks")

    @property
    def table(self) -> dict[str, Threshold]:
        """Return the limits that are watched, by name."""
        checks: dict[str, Check] = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: resolved(name, check) for name, check in checks.items() if not check.off}


def resolved(name: str, check: Check) -> Threshold:
    """Return a check's default limit, with what config says in its place."""
    return Threshold(**{**TABLE[name], **check.model_dump(exclude_none=True, exclude={"off"})})


# Plain data: a value would be built for every preview, and only an update that judges needs one.
TABLE: dict[str, dict[str, Any]] = {
    "error_rate": {
        "max": defaults.ERROR_RATE,
        "lasts": defaults.TRAFFIC_LASTS,
        "samples": defaults.RATE_SAMPLES,
        "severity": Severity.P1,
        "action": "investigate at once",
    },
    "latency": {
        "max": defaults.LATENCY,
        "lasts": defaults.TRAFFIC_LASTS,
        "samples": defaults.RATE_SAMPLES,
        "action": "look for slow queries",
    },
    "connections": {
        "max": defaults.CONNECTIONS,
        "lasts": defaults.CONNECTIONS_LASTS,
        "action": "look for a leak, or give the database more connections",
    },
    "cpu": {"max": defaults.CPU, "lasts": defaults.CPU_LASTS, "action": "add replicas"},
    "memory": {"max": defaults.MEMORY, "lasts": defaults.MEMORY_LASTS, "action": "look for a memory leak"},
    "error_delta": {
        "max": defaults.ERROR_DELTA,
        "lasts": defaults.PROVEN,
        "samples": defaults.SAMPLES,
        "severity": Severity.P1,
        "action": "compare the errors of both versions",
    },
    "latency_delta": {
        "max": defaults.LATENCY_DELTA,
        "lasts": defaults.PROVEN,
        "samples": defaults.SAMPLES,
        "action": "compare the slow requests of both versions",
    },
}
