"""Preflight: all problems at once, before anything is touched."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from sluice.core.errors import Refused
from sluice.core.split import Route
from sluice.core.store import Store
from sluice.hooks.preflight import PreflightProvider
from sluice.systems import splits
from sluice.systems.keeper import file
from tests.fixtures.front import Front
from tests.fixtures.web import Answer, Web
from tests.test_hooks_backup import props

Props = dict[str, Any]
WINDOW = {"name": "window", "ok": False, "why": "closed until Mon 09:00", "command": "pulumi config set sluice:rollout.window open"}


def preflight(**more: Any) -> Props:
    return {"release": "r1", "settled": False} | more


def status(url: str, **more: Any) -> Props:
    return {"name": "store", "ask": "http.status", "of": {"url": url}, "limit": {"is": "==", "value": 200.0}, **more}


def refused(props: Props) -> str:
    with pytest.raises(Refused) as caught:
        PreflightProvider().create(props)
    return str(caught.value)


def test_good(web: Web):
    """When all holds, the release goes on, and the outputs say which."""
    props = preflight(
        facts=[{"name": "window", "ok": True}], checks=[status(web.tell("/", Answer(200)))], requirements={"executables": ["sh"]}
    )
    assert PreflightProvider().create(props).outs == {"release": "r1"}


def test_all_problems(web: Web, monkeypatch: pytest.MonkeyPatch):
    """Every problem is told at once, under a headline, each with its remedy and then who is next."""
    monkeypatch.delenv("SLUICE_TEST", raising=False)
    monkeypatch.setenv("PULUMI_CONTINUE_ON_ERROR", "true")
    url = web.tell("/", Answer(503))
    facts = [WINDOW, {"name": "staging", "ok": True}, {"name": "approval", "ok": False}]
    props = preflight(
        facts=facts, checks=[status(url, action="start it")], requirements={"variables": ["SLUICE_TEST"]}, contacts=[{"name": "Ada"}]
    )
    assert refused(props).splitlines() == [
        "r1 does not begin, nothing was touched: 5 things to mend",
        "  - PULUMI_CONTINUE_ON_ERROR is set, and would go on after a failed gate; run: unset PULUMI_CONTINUE_ON_ERROR",
        "  - window: closed until Mon 09:00; run: pulumi config set sluice:rollout.window open",
        "  - approval: is not so",
        "  - variable SLUICE_TEST is not set: run: export SLUICE_TEST=...",
        f"  - store 503 != 200 ({url}) [P2: start it]",
        "next: Ada",
    ]


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_careful(value: str, monkeypatch: pytest.MonkeyPatch):
    """The engine's own words for no are no reason to refuse."""
    monkeypatch.setenv("PULUMI_CONTINUE_ON_ERROR", value)
    assert PreflightProvider().create(preflight()).outs == {"release": "r1"}


def test_unanswered(web: Web):
    """A check without data, or without an answer, is a problem too: no evidence never passes."""
    silent = {
        "name": "trace",
        "ask": "http.header",
        "of": {"url": web.tell("/", Answer(200)), "header": "x-no"},
        "limit": {"is": "==", "value": "a"},
    }
    late = threading.Event()
    slow = status(web.tell("/slow", Answer(200, before=late.wait)), timeout=0.1)
    told = refused(preflight(checks=[silent, slow])).splitlines()
    late.set()
    assert told == [
        "r1 does not begin, nothing was touched: 2 things to mend",
        f"  - trace: no data, no header 'x-no' from {web.url}/, status 200 [P2]",
        f"  - store could not be asked: no answer from {web.url}/slow within 0.1 s [P2]",
    ]


def test_preview():
    """A check that could never be asked is refused in preview; a settled preflight is not looked at."""
    wrong = [status("http://127.0.0.1") | {"ask": "http.stat"}]
    known = "http.status, http.json, http.duration, http.header"
    failures = PreflightProvider().check({}, preflight(checks=wrong)).failures
    assert [failure.reason for failure in failures] == [f"check 'store': unknown question 'http.stat': known are {known}"]
    assert PreflightProvider().check({}, preflight(checks=wrong, settled=True)).failures == []
    assert PreflightProvider().check({}, preflight()).failures == []


@pytest.fixture
def left(front: Front) -> Props:
    """Return a split on which an earlier release, r0, has left 10 %."""
    route = Route(service="web", prefix="/web/", live="web@1.0", canary="web@0.9")
    front.divide("r0", route, 10)
    return front.descriptor([route])


@pytest.mark.embedded
def test_clear(left: Props):
    """What an earlier release left of its traffic is taken away before this one's gates."""
    PreflightProvider().create(preflight(split=left))
    assert splits.settled(left)


@pytest.mark.embedded
def test_clear_only_when_good(left: Props):
    """A refused release touches no traffic."""
    refused(preflight(split=left, facts=[WINDOW]))
    assert not splits.settled(left)


@pytest.mark.embedded
def test_databases(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where a database cannot go, or not be saved, is told here already, with all else, before anybody hears of the release."""
    given = props(store, tmp_path, {"0001_drop.sql": "drop table orders cascade;"})
    said = refused(preflight(databases=given["databases"], when="pending", facts=[WINDOW])).splitlines()
    assert said[0] == "r1 does not begin, nothing was touched: 2 things to mend"
    assert said[2].startswith(f"  - {store.dbname}: 0001, line 1: 'orders'")
    room = {"folder": str(tmp_path / "backups")}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 0))
    given = props(store, tmp_path, {"0001_drop.sql": "alter table orders add column total int;"})
    said = refused(preflight(databases=given["databases"], when="pending", room=room, facts=[WINDOW])).splitlines()
    assert said[2].startswith(f"  - '{tmp_path}/backups' has 0 MiB free, ")
    odd = {**given["databases"][0], "store": {**given["databases"][0]["store"], "dbname": "a=b"}}
    assert "  - a=b: has '=' in its name, which a dump's programs would misread: rename the database" in refused(preflight(databases=[odd]))
    gone = {**given["databases"][0], "store": {**given["databases"][0]["store"], "dbname": "gone"}}
    assert 'database "gone" does not exist' in refused(preflight(databases=[gone]))


def test_no_keeper_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An update that would end on the way is refused when no keeper answers, and nothing is touched; one that has spoken is enough."""
    monkeypatch.setattr("sluice.hooks.preflight.SPEAKS", 0.2)
    split = {"kind": "envoy", "folder": str(tmp_path), "admin": str(tmp_path / "admin.sock"), "routes": []}
    told = refused(preflight(split=split, until=10.0))
    hold = "the keeper beside the splitter does not answer, and is to hold the release at 10 %"
    assert told.endswith(f"1 thing to mend\n  - {hold}: see its log, or run: pulumi config set --path sluice:rollout.until 100")
    assert splits.open(split).get().release == ""
    file.say(tmp_path, {"judges": "", "ended": None})
    splits.open(split).take("r1", [])
    assert PreflightProvider().create(preflight(split=split, until=10.0)).outs == {"release": "r1"}
