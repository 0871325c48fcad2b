"""From thresholds in config to the checks of one new version."""

from __future__ import annotations

from sluice.core.check import Check
from sluice.core.settings import Rollout
from sluice.core.spec import Spec
from sluice.core.thresholds import LABELS, common, health, watches
from sluice.core.version import Version

WEB = Version(service="web", version="2", name="web@2-aaaa", url="http://127.0.0.1:1", pidfile="/run/web.pid", application="web-app")
SPEC = Spec(service="web", version="2", argv=["run"], artifact="/app", prefix="/", memory=2**30, cpu=0.5, connections=20)
STORE = {"host": "127.0.0.1", "port": 5432, "user": "u", "passfile": "/p", "dbname": "main"}
DEFAULT = Rollout().thresholds


def by(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_names():
    """Every threshold of config has its check, named by service."""
    assert DEFAULT.keys() == LABELS.keys()
    assert set(by(watches(DEFAULT, SPEC, WEB, STORE))) == {
        "web: error rate",
        "web: p95",
        "web: database connections",
        "web: cpu",
        "web: memory",
        "web: error rate against live",
        "web: latency against live",
    }


def test_a_limit_in_its_unit():
    """A check has its threshold's limit, duration, minimum, severity and action, and is about the new version."""
    rate = by(watches(DEFAULT, SPEC, WEB, STORE))["web: error rate"]
    told = DEFAULT["error_rate"]
    assert rate.wire() == {
        "name": "web: error rate",
        "ask": "split.error_rate",
        "of": {"version": "web@2-aaaa"},
        "limit": {"is": "<=", "value": 0.05, "unit": "ratio"},
        "severity": told.severity.value,
        "action": told.action,
        "lasts": 15.0,
        "minimum": 50,
        "timeout": 10.0,
    }


def test_the_quantile_is_in_the_name():
    """A latency check says which quantile it is about."""
    config = Rollout.model_validate({"checks": {"latency": {"quantile": 0.5}}})
    median = by(watches(config.thresholds, SPEC, WEB, None))["web: p50"]
    assert median.of == {"version": "web@2-aaaa", "quantile": 0.5}


def test_processes():
    """Processor and memory are asked by the version's pid file, against the spec's own limits."""
    checks = by(watches(DEFAULT, SPEC, WEB, STORE))
    assert checks["web: cpu"].of == {"pidfile": "/run/web.pid", "cpu": 0.5}
    assert checks["web: memory"].of == {"pidfile": "/run/web.pid", "memory": 2**30}


def test_connections():
    """Connections are counted by application: of the service's own allowance, else of all that the server has."""
    own = by(watches(DEFAULT, SPEC, WEB, STORE))["web: database connections"]
    assert (own.ask, own.of["params"], own.of["dbname"]) == ("sql", {"most": 20, "name": "web-app"}, "main")
    free = SPEC.model_copy(update={"connections": None})
    shared = by(watches(DEFAULT, free, WEB, STORE))["web: database connections"]
    assert (shared.ask, shared.of) == ("sql.connections", {**STORE, "application": "web-app"})


def test_what_cannot_be_asked_is_not():
    """Without limits and a database there are no questions about them."""
    bare = SPEC.model_copy(update={"memory": 0, "cpu": 0.0})
    assert set(by(watches(DEFAULT, bare, WEB, None))) == {
        "web: error rate",
        "web: p95",
        "web: error rate against live",
        "web: latency against live",
    }


def test_without_a_door():
    """Of a version without a door the splitter has seen nothing, and is not asked."""
    worker = SPEC.model_copy(update={"prefix": ""})
    assert set(by(watches(DEFAULT, worker, WEB, STORE))) == {"web: database connections", "web: cpu", "web: memory"}


def test_what_is_off_is_not_asked():
    """A threshold that config has switched off is none."""
    off = Rollout.model_validate({"checks": {name: {"off": True} for name in LABELS if name != "cpu"}})
    assert set(by(watches(off.thresholds, SPEC, WEB, STORE))) == {"web: cpu"}


def test_health():
    """A version is asked on its own address whether it is well, and anything but 200 is severe."""
    there = health(WEB, "/ready")
    assert (there.name, there.ask, there.of) == ("web is well", "http.status", {"url": "http://127.0.0.1:1/ready"})
    assert (there.limit.is_, there.limit.value, there.severity) == ("==", 200, "P1")


def test_common():
    """The checks of every release are told from a team's own by their names, whatever a service is called."""
    mine = ["web is well", "web: p95", "web: p99.9", "a: b: error rate against live", "web: database connections"]
    theirs = ["web: stock", "errors in the log", "p95", "web: p95 of checkout", "is well: web"]
    assert ([common(name) for name in mine], [common(name) for name in theirs]) == ([True] * 5, [False] * 5)
