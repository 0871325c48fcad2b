"""What a program answers when it is asked for its gates' questions, by what state says of the stack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sluice.core.check import Check, Limit
from sluice.core.inquiry import ASKED, KNOWN, VARIABLE
from sluice.core.questions import Known, Questions
from sluice.core.store import Store
from sluice.core.version import Version
from tests.fixtures.mock import SPLIT, World
from tests.test_components_release import Shop, app, shop

__all__ = ["app", "shop"]
STORE = Store(host="db", user="app", passfile="/p", dbname="shop")
JOURNEY = {"name": "buy", "target": "web", "steps": [{"name": "ask", "path": "/web/", "status": 200}]}


def known(shop: Shop, *running: tuple[str, str]) -> Known:
    """Return state as it is while these versions run, each with its service."""
    names = {shop.name(service, version): (service, version) for service, version in running}
    versions = {
        name: Version(service=service, version=number, name=name, url=f"http://{name}") for name, (service, number) in names.items()
    }
    return Known(versions=versions, url="http://door", split=SPLIT, stores={"shop": STORE}, folder="/b")


def asked(shop: Shop, place: Path, monkeypatch: pytest.MonkeyPatch, now: Known, version: str, live: str = "1.0") -> Questions:
    """Run the program as the command does."""
    (place / KNOWN).write_text(now.model_dump_json())
    monkeypatch.setenv(VARIABLE, str(place))
    shop.release(
        shop.stack(version, proven=[shop.record(live)], rollout={"marks": ["30m", {"after": "1h", "smoke": True, "window": "2m"}]})
    )
    return Questions.model_validate_json((place / ASKED).read_text())


def test_settled(shop: Shop, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of a live release everything is asked that its gates have asked, though its resources hold none of it."""
    extra = Check(name="more", ask="http.status", of={"url": "http://x"}, limit=Limit(is_="==", value=200))
    shop.more = {"journeys": [JOURNEY], "well": lambda version: [extra] if version.service == "web" else []}
    found = asked(shop, tmp_path, monkeypatch, known(shop, ("web", "1.0"), ("api", "1.0")), "1.0")
    assert world["shop-health-gate"].inputs["checks"] == []
    urls = [one.of["url"] for one in found.health.checks]
    assert urls == [f"http://{shop.name('web', '1.0')}/health", "http://x", f"http://{shop.name('api', '1.0')}/health"]
    assert (found.health.absent, found.release, found.live) == ([], found.live, found.release)
    assert found.smoke
    assert (found.smoke.targets, found.smoke.journeys) == ({"web": "http://door", "api": "http://door"}, [JOURNEY])
    assert found.smoke.databases == {"shop": STORE.of}
    assert found.preflight.facts == []
    (database,) = found.preflight.databases
    assert database.store == STORE
    assert found.saved.databases == [database]
    assert (found.saved.folder, found.saved.owner, found.split) == ("/b", "shop/production", SPLIT)


def test_what_stays(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A backup by hand removes neither what a proven release needs, nor what somebody has asked a release to go back to."""
    (tmp_path / KNOWN).write_text(known(shop).model_dump_json())
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    wanted = {"release": "1.1-next", "nonce": "n1", "database": "shop", "backup": "B2"}
    live = shop.record("1.0").model_copy(update={"backups": {"shop": "B1"}})
    shop.release(shop.stack("1.0", proven=[live], rollout={"restore": [wanted]}))
    assert Questions.model_validate_json((tmp_path / ASKED).read_text()).saved.needed == ["B1", "B2"]


def test_marks(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All marks are asked as one, passed or not, due or not, with the strictest of their limits."""
    found = asked(shop, tmp_path, monkeypatch, known(shop, ("web", "1.0"), ("api", "1.0")), "1.0").mark
    assert found
    assert (found.names, found.window, found.smoke) == (["30m", "1h"], 120, True)
    assert {one.name for one in found.versions} == {shop.name("api", "1.0"), shop.name("web", "1.0")}
    assert {"web: error rate", "api: p95", "web is well"} <= {one.name for one in found.checks}


def test_another(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of a release that is not let in, health is asked where its versions run, and users see the live one."""
    shop.more = {"journeys": [JOURNEY]}
    now = known(shop, ("web", "1.0"), ("api", "1.0"), ("web", "1.1"))
    found = asked(shop, tmp_path, monkeypatch, now, "1.1")
    assert [one.of["url"] for one in found.health.checks] == [f"http://{shop.name('web', '1.1')}/health"]
    assert found.health.absent == [shop.name("api", "1.1")]
    assert found.mark
    assert {one.version for one in found.mark.versions} == {"1.0"}
    assert (found.release[:3], found.live[:3]) == ("1.1", "1.0")


def test_first(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before anything is live there is nothing for users to see, and nothing is marked."""
    (tmp_path / KNOWN).write_text(Known().model_dump_json())
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    shop.more = {"journeys": [JOURNEY]}
    shop.release(shop.stack("1.0"))
    found = Questions.model_validate_json((tmp_path / ASKED).read_text())
    assert (found.live, found.smoke, found.mark, found.saved.databases) == ("", None, None, [])
    assert sorted(found.health.absent) == sorted([shop.name("web", "1.0"), shop.name("api", "1.0")])


def test_not_asked(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An ordinary run writes nothing."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    shop.release(shop.stack("1.0"))
    assert [path.name for path in tmp_path.iterdir()] == ["app"]


def test_light():
    """An ordinary update does not import what only an asked one needs."""
    loaded = "import sys; import sluice.components; print('sluice.core.questions' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout == "False\n"
