"""redcube's declaration."""

from __future__ import annotations

from typing import Any

import pytest

from examples.redcube.stack import SERVICES, journeys, marks, migrations, service, watch
from sluice.components.marks import At
from sluice.core.journey import parse
from sluice.core.settings import Release
from sluice.core.version import Version


def names(flags: dict[str, bool]) -> list[str]:
    return [step.name for journey in parse(journeys(flags)) for step in (*journey.steps, *journey.cleanup)]


def test_smoke_tests_know_the_kill_switch() -> None:
    """With the analysis switched off the smoke tests do not walk through it, and are still sound; otherwise they do."""
    assert "analyze a text" in names({})
    assert "analyze a text" in names({"UGC_ANALYSIS": True})
    left = names({"UGC_ANALYSIS": False})
    assert not [name for name in left if "analy" in name]
    assert "register" in left


def test_each_service_has_its_database() -> None:
    """The smoke tests ask the databases that the services have, and no other."""
    own = {service(name).database for name in SERVICES}
    assert own == {"postgres", "redcube_users"}
    assert {name for journey in parse(journeys({})) for name in journey.databases} == own


def test_watch() -> None:
    """Failures of the user sync are watched where they can be seen: at the user service."""
    checks = {name: watch(Version(service=name, version="1.0.0", name=f"{name}@1", url="http://v")) for name in SERVICES}
    assert [check.name for check in checks["content-service"]] == ["content-service: lines with a trace id"]
    assert [check.name for check in checks["user-service"]] == ["user-service: lines with a trace id", "user-service: user sync failures"]
    assert checks["user-service"][1].of == {"url": "http://v/sync", "path": "$.failures"}


@pytest.mark.parametrize(
    ("version", "last"), [("1.0.0", "0001"), ("1.1.0", "0001"), ("1.4.0", "0004"), ("1.7.0", "0007"), ("1.8.0", "0008"), ("1.9.0", "0001")]
)
def test_migrations(version: str, last: str) -> None:
    """A version that is to be stopped brings its own migration; no other has it."""
    folder = migrations(version)["redcube_users"]
    assert sorted(path.name[:4] for path in folder.glob("*.sql"))[-1] == last
    assert list(migrations(version)) == ["redcube_users"]


def asked(after: float, version: str = "1.1.0", **release: Any) -> list[str]:
    """Return the names of what is asked at a mark, but for what a canary is asked as well."""
    versions = {name: Version(service=name, version=version, name=f"{name}@1", url="http://v", log="/log") for name in SERVICES}
    databases = {name: {"dbname": name} for name in ("postgres", "redcube_users")}
    checks = marks(Release.read({"version": version, **release}))(At(after=after, versions=versions, databases=databases))
    own = [check for one in versions.values() for check in watch(one)]
    assert checks[: len(own)] == own
    return [check.name for check in checks[len(own) :]]


def test_marks() -> None:
    """From the migration on both databases are compared; after an hour the features in the background are asked too."""
    copied = ["users missing in postgres", "difference of user counts"]
    background = ["trending is told", "reputation events in an hour"]
    assert asked(1800) == []
    assert asked(1800, schema={"redcube_users": "0001"}) == copied
    assert asked(3600, schema={"redcube_users": "0001"}) == copied + background
    assert asked(3600, "1.0.0", flags={"UGC_ANALYSIS": False}) == []
