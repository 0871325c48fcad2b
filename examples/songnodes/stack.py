"""songnodes, as its runbook has it: three services that need each other, three servers behind them, and a look at all of it.

PostgreSQL is the runtime's. Where Redis, RabbitMQ, Prometheus and Grafana are is the stack's config (`songnodes:`), see the README.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pulumi

from sluice.components import Release, ReleaseArgs, ServiceArgs, Stack
from sluice.components.marks import At
from sluice.core.check import Check, Limit, Unit
from sluice.core.requirement import Requirement
from sluice.core.verdict import Severity
from sluice.core.version import Version
from sluice.systems.journey import load

HERE = Path(__file__).parent
GATEWAY, LETTERS, ENRICHMENT = "api-gateway-internal", "dlq-manager", "metadata-enrichment"
# Each service: its module, and those that it needs; so the gateway starts first, and enrichment last (runbook, steps 5 and 6).
SERVICES: dict[str, tuple[str, tuple[str, ...]]] = {
    GATEWAY: ("gateway", ()),
    LETTERS: ("dlq", (GATEWAY,)),
    ENRICHMENT: ("enrichment", (GATEWAY, LETTERS)),
}
NEEDS = {GATEWAY: ("postgres", "redis"), LETTERS: ("postgres", "rabbitmq"), ENRICHMENT: ("postgres", "rabbitmq", "gateway")}
DATABASE = "musicdb"
MEMORY = 512 * 2**20
# The longest request takes 10 s.
GRACE = 12.0
# A few connections and a table to read: what takes longer is ill.
READY = 15.0
# Facts that must have a source: as many as the waterfall is seeded with.
FACTS = 6
# "Wait for circuit breaker auto-reset (30s-5min)", and "no errors in logs for 30 minutes".
RESET, QUIET = 300.0, 1800.0
# "At least 10GB free disk space", and "at least 8GB available memory".
DISK, MEMORY_FREE = 10.0, 8.0
# Requests that came to Bronze more than a minute ago, and that nobody has taken on to Silver.
STUCK = """
    select count(*) from raw_track_enrichment_requests r
    where r.received_at between now() - interval '1 hour' and now() - interval '1 minute'
      and not exists (select from enrichment_requests s where s.raw_id = r.id)
"""
# Tracks in Gold that are not what the latest request for them said.
ASTRAY = """
    select count(*) from enriched_tracks g
    cross join lateral (select payload from raw_track_enrichment_requests r where r.track_id = g.track_id order by r.id desc limit 1) b
    where g.enriched_at > now() - interval '1 hour'
      and (g.artist_name, g.track_title) is distinct from (b.payload ->> 'artist_name', b.payload ->> 'track_title')
"""
# What must hold in every restored copy of a backup.
PROOFS = {
    DATABASE: {
        "all of Silver came from Bronze": "select s.id from enrichment_requests s "
        "left join raw_track_enrichment_requests r on r.id = s.raw_id where r.id is null",
        "each fact has a source": f"select count(distinct field) >= {FACTS} from waterfall_sources where enabled",
    }
}


@dataclass(frozen=True)
class Around:
    """What is around the services: URLs of servers ("": there is none, and nobody is asked), and two times in seconds.

    `reset` is how long a breaker may be open before that counts, `quiet` for how long there must have been no error in the logs; `broker`
    is RabbitMQ's address without a password, to be greeted; `disk` and `memory` are in GiB; `committed`: only a clean checkout is released.
    """

    redis: str
    broker: str = ""
    prometheus: str = ""
    grafana: str = ""
    queues: str = ""
    reset: float = RESET
    quiet: float = QUIET
    disk: float = DISK
    memory: float = MEMORY_FREE
    committed: bool = False

    @classmethod
    def read(cls) -> Around:
        """Read it from the stack's config."""
        config = pulumi.Config("songnodes")
        figures = {name: config.get_float(name) for name in ("reset", "quiet", "disk", "memory")}
        places = {name: config.get(name) or "" for name in ("broker", "prometheus", "grafana", "queues")}
        known = {name: value for name, value in figures.items() if value is not None}
        return cls(redis=config.require("redis"), committed=bool(config.get_bool("committed")), **places, **known)


def declare(stack: Stack) -> Mapping[str, Any]:
    """Declare songnodes, and return what other stacks may know of it."""
    around = Around.read()
    broker = pulumi.Config("songnodes").require_secret("rabbitmq")
    args = ReleaseArgs(
        services=[service(name, around, broker) for name in SERVICES],
        databases=[DATABASE],
        migrations=migrations(stack.settings.release.version),
        proofs=PROOFS,
        journeys=[journey.wire() for journey in load(HERE / "smoke" / "journeys.yaml")],
        well=lambda version: [*well(version), *breakers(version, around)],
        watch=lambda version: watch(version, around),
        data=data,
        marks=marks(around),
        requirements=requirement(around, f"Pulumi.{pulumi.get_stack()}.yaml"),
    )
    return Release("songnodes", args, stack=stack, runtime=stack.runtime()).outputs


def requirement(around: Around, config: str) -> Requirement:
    """Return what must be there before anything begins: the runbook's environment validation. `config` may have changed in the checkout."""
    redis = urlsplit(around.redis)
    servers = {"Redis": f"redis://{redis.hostname}:{redis.port or 6379}", "RabbitMQ": around.broker}
    return Requirement(
        disk_free_bytes={str(HERE): int(around.disk * 2**30)},
        memory_free_bytes=int(around.memory * 2**30),
        servers={name: url for name, url in servers.items() if url},
        committed={str(HERE): [config]} if around.committed else {},
    )


def service(name: str, around: Around, broker: pulumi.Input[str]) -> ServiceArgs:
    """Return what all versions of a service have in common."""
    module, needs = SERVICES[name]
    redis = {"REDIS_URL": around.redis} if name == GATEWAY else {}
    return ServiceArgs(
        name=name,
        argv=["python", "-m", f"songnodes.{module}", "--port", "{port}"],
        artifact=HERE / "app",
        prefix=f"/{name}/",
        database=DATABASE,
        env={**redis, **({"QUEUE_SUFFIX": around.queues} if around.queues else {})},
        secrets={} if name == GATEWAY else {"RABBITMQ_URL": broker},
        needs=needs,
        connections=20,
        memory=MEMORY,
        cpu=1,
        ready=READY,
        grace=GRACE,
    )


def migrations(version: str) -> dict[str, Path]:
    """Return the migrations of a version; those that break on purpose are with the version that has them."""
    own = HERE / "versions" / version / DATABASE
    return {DATABASE: own if own.exists() else HERE / "migrations" / DATABASE}


def well(version: Version) -> list[Check]:
    """Ask a version for all that it needs: the comprehensive health check of the runbook's step 7."""
    url, name = f"{version.url}/health", version.service
    fine, seeded = Limit(is_="==", value="ok"), Limit(is_=">=", value=FACTS)
    checks = [
        Check(name=f"{name}: {one}", ask="http.json", of={"url": url, "path": f"$.dependencies.{one}"}, limit=fine, severity=Severity.P1)
        for one in NEEDS[name]
    ]
    if name == ENRICHMENT:
        of = {"url": f"{version.url}/admin/config", "path": "$.fields"}
        checks += [Check(name=f"{name}: facts with sources", ask="http.json", of=of, limit=seeded, action="seed waterfall_sources")]
    return checks


def breakers(version: Version, around: Around) -> list[Check]:
    """Say that all breakers of the gateway are closed. One that has opened gets the time to close by itself."""
    of = {"url": f"{version.url}/health", "path": "$.breakers_not_closed"}
    action = "check the provider's credentials and rate limits; a restart resets it"
    closed = Limit(is_="==", value=0)
    check = Check(name=f"{GATEWAY}: breakers not closed", ask="http.json", of=of, limit=closed, lasts=around.reset, action=action)
    return [check] if version.service == GATEWAY else []


def quiet(version: Version, around: Around) -> Check:
    """Say that a version has logged no error for half an hour, or for as long as it has run."""
    of = {"path": version.log, "level": "ERROR", "last": around.quiet}
    return Check(
        name=f"{version.service}: errors in the log", ask="logs.count", of=of, limit=Limit(is_="==", value=0), severity=Severity.P1
    )


def watch(version: Version, around: Around) -> list[Check]:
    """Return what is particular to a new version while it climbs."""
    return [*breakers(version, around), quiet(version, around)]


def data(stores: Mapping[str, Mapping[str, Any]]) -> list[Check]:
    """Say that data flow from Bronze to Gold, and arrive as they came."""
    none = Limit(is_="==", value=0)
    return [
        Check(name="requests that stay in Bronze", ask="sql", of={**stores[DATABASE], "query": STUCK}, limit=none),
        Check(
            name="tracks in Gold that differ from Bronze",
            ask="sql",
            of={**stores[DATABASE], "query": ASTRAY},
            limit=none,
            severity=Severity.P0,
            action="sluice rollback --symptom corruption",
        ),
    ]


def monitored(around: Around) -> list[Check]:
    """Say that Prometheus scrapes every service, and that Grafana is well: the runbook's step 9."""
    checks = []
    if around.prometheus:
        of = {"url": around.prometheus, "jobs": list(SERVICES)}
        every = Limit(is_="==", value=1, unit=Unit.RATIO)
        checks += [
            Check(name="Prometheus: targets that are up", ask="prometheus.targets", of=of, limit=every, action="check its scrape config")
        ]
    if around.grafana:
        of = {"url": f"{around.grafana}/api/health", "path": "$.database"}
        checks += [
            Check(name="Grafana: its database", ask="http.json", of=of, limit=Limit(is_="==", value="ok"), action="see Grafana's log")
        ]
    return checks


def marks(around: Around) -> Callable[[At], list[Check]]:
    """Return what a live release is asked at its marks: the runbook's step 10, "Monitor for 30-60 minutes"."""

    def asked(at: At) -> list[Check]:
        each = [check for version in at.versions.values() for check in (*well(version), *watch(version, around))]
        return [*each, *data(at.databases), *monitored(around)]

    return asked
