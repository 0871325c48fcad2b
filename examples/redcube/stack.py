"""redcube, as its runbook has it: two services, a database each, a front door, smoke tests, and checks of what is particular to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sluice.components import Release, ReleaseArgs, ServiceArgs, Stack
from sluice.components.marks import At
from sluice.core.check import Check, Limit, Unit
from sluice.core.requirement import Requirement
from sluice.core.settings import Release as Asked
from sluice.core.verdict import Severity
from sluice.core.version import Version
from sluice.systems.journey import load

HERE = Path(__file__).parent
USER, CONTENT = "user-service", "content-service"
# Each service: its module, its door, and its database.
SERVICES = {CONTENT: ("content", "/api/content/", "postgres"), USER: ("user", "/api/auth/", "redcube_users")}
DATABASES = [database for _, _, database in SERVICES.values()]
# What one service may open to the database, its pool and a little: runbook 004 alarms at 80 % of the maximum.
CONNECTIONS = 20
MEMORY = 512 * 2**20
# The longest request takes 10 s; the services end within 11 s of being told to.
GRACE = 12.0
# The steps that the feature flag UGC_ANALYSIS switches off.
ANALYSIS = ("analyze a text", "the analysis is in the database", "the analysis goes")
PARTS = ("steps", "cleanup")
LIST = "/api/content/interview-intel/experiences?limit=1"
HOUR = 3600
# What must hold in every restored copy of a backup.
PROOFS = {
    "redcube_users": {
        "every session has its user": "select token from sessions where user_id not in (select id from users)",
        "no address is there twice": "select lower(email) from users group by 1 having count(*) > 1",
    }
}


def declare(stack: Stack) -> Mapping[str, Any]:
    """Declare redcube, and return what other stacks may know of it."""
    runtime = stack.runtime()
    args = ReleaseArgs(
        services=[service(name) for name in SERVICES],
        databases=DATABASES,
        migrations=migrations(stack.settings.release.version),
        proofs=PROOFS,
        journeys=journeys(stack.settings.release.flags),
        watch=watch,
        marks=marks(stack.settings.release),
        requirements=Requirement(memory_free_bytes=512 * 2**20),
    )
    return Release("redcube", args, stack=stack, runtime=runtime).outputs


def service(name: str) -> ServiceArgs:
    """Return what all versions of a service have in common."""
    module, prefix, database = SERVICES[name]
    return ServiceArgs(
        name=name,
        argv=["python", "-m", f"redcube.{module}", "--port", "{port}"],
        artifact=HERE / "app",
        prefix=prefix,
        database=database,
        connections=CONNECTIONS,
        memory=MEMORY,
        cpu=1,
        grace=GRACE,
    )


def journeys(flags: Mapping[str, bool]) -> list[dict[str, Any]]:
    """Return the smoke tests; with the analysis switched off nobody can walk through it."""
    off = not flags.get("UGC_ANALYSIS", True)
    wires = [journey.wire() for journey in load(HERE / "smoke" / "journeys.yaml")]
    return [{**wire, **{part: [step for step in wire[part] if not (off and step["name"] in ANALYSIS)] for part in PARTS}} for wire in wires]


def migrations(version: str) -> dict[str, Path]:
    """Return the migrations of a version, a folder a database; those that break on purpose are with the version that has them."""
    places = (HERE / "migrations", HERE / "versions" / version)
    return {folder.name: folder for place in places for folder in sorted(place.glob("*"))}


def watch(version: Version) -> list[Check]:
    """Return what is particular to a version of redcube."""
    return [structured(version), *([synced(version)] if version.service == USER else [])]


def synced(version: Version) -> Check:
    """Say that all users are copied to the other database; the service knows it from 1.0.0 on, with a trigger or without."""
    of = {"url": f"{version.url}/sync", "path": "$.failures"}
    limit = Limit(is_="==", value=0)
    return Check(name=f"{version.service}: user sync failures", ask="http.json", of=of, limit=limit, action="check the dblink connection")


def structured(version: Version) -> Check:
    """Say that a version's log lines are structured: each that is about a request carries a trace id (runbook 004, phase 3)."""
    limit = Limit(is_=">=", value=1, unit=Unit.RATIO)
    of = {"path": version.log, "field": "trace_id", "pattern": '"status":'}
    return Check(name=f"{version.service}: lines with a trace id", ask="logs.field", of=of, limit=limit, action="check the log's format")


def marks(release: Asked) -> Callable[[At], list[Check]]:
    """Return what a live release is asked at its marks (runbook 004, "Post-Deployment Validation")."""

    def asked(at: At) -> list[Check]:
        first = [check for version in at.versions.values() for check in watch(version)]
        copied = copies(at.databases["redcube_users"]) if "redcube_users" in release.schema_ else []
        return [*first, *copied, *(features(at, release) if at.after >= HOUR else [])]

    return asked


def copies(users: Mapping[str, Any]) -> list[Check]:
    """Say that both databases have the same users; the views come with migration 0001."""
    none = Limit(is_="==", value=0)
    missing = {**users, "query": "select count(*) from v_user_sync_missing"}
    counts = {**users, "query": "select difference from v_user_sync_status"}
    mend = "check the dblink connection, then: select user_sync_mend()"
    return [
        Check(name="users missing in postgres", ask="sql", of=missing, limit=none, severity=Severity.P1, action=mend),
        Check(name="difference of user counts", ask="sql", of=counts, limit=none, severity=Severity.P1, action=mend),
    ]


def features(at: At, release: Asked) -> list[Check]:
    """Say that what works in the background does: lists know what is trending (from 1.1.0 on), and analyses earn reputation."""
    content = at.versions[CONTENT]
    trending = {"url": content.url + LIST, "path": "$.experiences[0].trending"}
    earned = {**at.databases["postgres"], "query": "select count(*) from reputation_events where created_at > now() - interval '1 hour'"}
    checks = []
    if content.version != "1.0.0":
        checks += [Check(name="trending is told", ask="http.json", of=trending, limit=Limit(is_=">=", value=0))]
    if release.flags.get("UGC_ANALYSIS", True):
        checks += [Check(name="reputation events in an hour", ask="sql", of=earned, limit=Limit(is_=">", value=0))]
    return checks
