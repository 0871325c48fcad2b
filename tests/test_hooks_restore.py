"""Restores that a person has asked a release for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sluice.core.backup.manifest import Backup
from sluice.core.database import Database
from sluice.core.errors import GateFailed, Refused
from sluice.core.restore.order import Order
from sluice.core.store import Store
from sluice.hooks.preflight import PreflightProvider
from sluice.hooks.restore import RestoreProvider
from sluice.systems import begun
from sluice.systems.lock import held
from sluice.systems.recover import asides
from sluice.systems.recover_way import Way, begin, ready
from tests.fixtures.store import connect
from tests.fixtures.web import Answer, Web
from tests.test_hooks_backup import props as wants
from tests.test_hooks_backup import run as save
from tests.test_hooks_migration import run as migrate
from tests.test_systems_recover import one, proved, spoil

pytestmark = pytest.mark.embedded
CONTRACT = {
    "0001_total.sql": "alter table orders add column total int;",
    "0001_total.down.sql": "alter table orders drop column total;",
    "0002_gone.sql": "-- phase: contract\n-- way: restore-only\nalter table orders drop column total;",
}


@pytest.fixture
def saved(store: Store, tmp_path: Path) -> Backup:
    made = proved(store, tmp_path)
    spoil(store)
    return made


def props(store: Store, saved: Backup, **more: Any) -> dict[str, Any]:
    asked = {"release": "r1", "nonce": "n1", "database": store.dbname, "backup": saved.id}
    wanted = Database(store=store, known=True).wire()
    folder = str(Path(saved.folder).parent.parent)
    return {"release": "r1", "settled": False, "databases": [wanted], "folder": folder, "instructions": [asked | more]}


def run(given: dict[str, Any]) -> dict[str, Any]:
    return dict(RestoreProvider().create(given).outs or {})


def test_once(store: Store, saved: Backup):
    """An instruction is carried out, and never again: not by another update, and not by a state that has forgotten it. What was put aside
    is told each time."""
    given = props(store, saved)
    outs = run(given)
    assert outs["done"] == [f"{store.dbname}/n1/{saved.id}"]
    assert f"{store.dbname}: table public.orders: at least 120 rows are lost, 5120 now and 5000 then" in outs["lines"]
    (old,) = asides(store)
    assert outs["lines"][-1] == f"{store.dbname}: {old.line}"
    assert one(store, "select count(*) from orders") == 5000
    with connect(store) as connection:
        connection.execute("insert into orders (note) values ('since')")
    assert run(given) == {**outs, "lines": [f"{store.dbname}: {old.line}"]}
    assert one(store, "select count(*) from orders where note = 'since'") == 1


def test_void(store: Store, saved: Backup):
    """An instruction for another release is void."""
    outs = run(props(store, saved, release="r0"))
    assert (outs["done"], outs["lines"]) == ([], [])
    assert one(store, "select count(*) from orders where note = 'bad'") == 5120


def reasons(given: dict[str, Any]) -> list[str]:
    """Return what preflight says, which is what the restore itself says."""
    with pytest.raises(Refused) as caught:
        run(given)
    assert str(caught.value).startswith("r1 restores nothing, no database was touched:\n  - ")
    told = caught.value.reasons
    with pytest.raises(Refused) as caught:
        PreflightProvider().create({"release": "r1", "settled": False, "restore": given})
    assert caught.value.reasons == told
    return told


def test_refused(store: Store, saved: Backup):
    """All that could not be restored is told at once, before anything is touched: what is not there, and what is asked twice."""
    given = props(store, saved)
    (good,) = given["instructions"]
    bad = [{**good, "nonce": "n2", "database": "other"}, {**good, "nonce": "n3", "backup": "none"}, {**good, "nonce": "n4"}]
    bad.append({**{key: value for key, value in good.items() if key != "backup"}, "nonce": "n5", "aside": "gone"})
    assert reasons({**given, "instructions": [good, *bad]}) == [
        f"'other' is to be restored, and this release has '{store.dbname}'",
        f"'{store.dbname}' is to be restored from 'none', and '{given['folder']}' has {saved.id}",
        f"'gone' was not put aside of '{store.dbname}', there is none",
        f"'{store.dbname}' is to be restored 2 times by one release: leave one of them",
    ]
    assert one(store, "select count(*) from orders where note = 'bad'") == 5120


def test_never_restored(store: Store, saved: Backup):
    """A backup that was never restored is refused."""
    (Path(saved.folder) / "drilled.json").unlink()
    assert reasons(props(store, saved)) == [f"backup {saved.id} has never been restored and compared: drill it first"]


def test_used_nonce(store: Store, saved: Backup):
    """A nonce that was used for another backup is refused."""
    run(props(store, saved))
    wanted = f"the nonce 'n1' was used to restore '{saved.id}' in '{store.dbname}': take a word not used before"
    assert reasons(props(store, saved, backup="other")) == [wanted]


def contracted(store: Store, place: Path) -> tuple[dict[str, Any], str]:
    """Bring a database to 0001, then by a release of its own to 0002, which has no way back; return a release of 0001 that restores it."""
    given = wants(store, place, CONTRACT)
    migrate(given, backups=save(given)["backups"])
    given["databases"][0] |= {"target": "0002"}
    backups = save({**given, "release": "r2"})["backups"]
    for phase in ("expand", "settle"):
        migrate({**given, "release": "r2"}, phase, backups=backups)
    given["databases"][0] |= {"target": "0001"}
    id = backups[store.dbname]
    asked = {"release": "r1", "nonce": "n1", "database": store.dbname, "backup": id}
    return {**given, "instructions": [asked], "moves": True}, id


def test_before_the_code(store: Store, tmp_path: Path):
    """What the older code does not run with goes back before that comes; preflight lets it, and not without the restore."""
    given, id = contracted(store, tmp_path)
    begin = {"release": "r1", "settled": False, "databases": given["databases"], "when": "pending"}
    with pytest.raises(Refused, match="'0002_gone' has no way back but a restore"):
        PreflightProvider().create(begin)
    PreflightProvider().create({**begin, "restore": given})
    assert "its history goes with it: the schema is then at revision '0001'" in " ".join(run({**given, "turn": "before"})["lines"])
    assert [row.backup for row in asides(store)] == [id]
    assert [row.revision for row in asides(store)] == ["0002"]
    assert one(store, "select max(id) from sluice_history.migration") == "0001"
    # What a backup looks at is what was restored.
    assert save(given)["backups"] == {}


def test_after_the_traffic(store: Store, tmp_path: Path):
    """Where the release's code runs with the database as it is, a restore waits for the traffic; where no version moves it does not."""
    given = wants(store, tmp_path)
    id = save(given)["backups"][store.dbname]
    spoil(store)
    asked = {"release": "r1", "nonce": "n1", "database": store.dbname, "backup": id}
    given |= {"instructions": [asked], "moves": True}
    given["databases"][0] |= {"target": ""}
    assert run({**given, "turn": "before"}) == {"release": "r1", "done": [f"{store.dbname}/n1/{id}"], "lines": []}
    assert one(store, "select count(*) from orders where note = 'bad'") == 5120
    assert run({**given, "turn": "after"})["lines"]
    assert one(store, "select count(*) from orders where note = 'bad'") == 0
    spoil(store)
    again = {**given, "instructions": [{**asked, "nonce": "n2"}], "moves": False}
    assert run({**again, "turn": "before"})["lines"]
    assert one(store, "select count(*) from orders where note = 'bad'") == 0


def test_not_the_schema(store: Store, tmp_path: Path):
    """A backup that the release's code does not run with is refused, and so is one that a live release would have to migrate."""
    given, id = contracted(store, tmp_path)
    run(given)
    (old,) = asides(store)
    back = {"release": "r1", "nonce": "n2", "database": store.dbname, "aside": old.name}
    assert reasons({**given, "instructions": [back]}) == [
        f"{store.dbname} is then at '0002', and what runs with '0001' does not run with '0002_gone': name a backup from before"
    ]
    assert given["databases"][0]["target"] == "0001"
    given["databases"][0] |= {"target": "0002"}
    live = {**given, "settled": True, "instructions": [{**back, "aside": None, "backup": id}]}
    with pytest.raises(Refused) as caught:
        run(live)
    assert caught.value.reasons == [
        f"{store.dbname} is then at '0001', and a live release runs no migrations ('0002_gone'): release it under another version"
    ]


def test_never_both(store: Store, tmp_path: Path):
    """A database is restored or goes back from migrations, never both."""
    given, _ = contracted(store, tmp_path)
    both = {**given, "databases": [{**given["databases"][0], "downgrade": "needed", "lossy": ["0002"]}]}
    why = "is restored, and a permission lets it go back from migrations too: restore or downgrade, never both"
    assert reasons(both) == [f"{store.dbname} {why}; take one of them out of sluice:rollout"]
    # A permission for another database is none for this one.
    run({**given, "databases": [{**given["databases"][0], "downgrade": "needed"}]})


def test_well_afterwards(store: Store, saved: Backup, web: Web):
    """A restore ends when the services answer again that its swap has cut off; when they do not, that ends it, and what is done is done."""
    url = web.tell("/", Answer(503), Answer(503), Answer(200))
    check = {"name": "web is well", "ask": "http.status", "of": {"url": url}, "limit": {"is": "==", "value": 200.0}}
    given = props(store, saved) | {"checks": [check], "deadline": 10}
    run(given)
    assert one(store, "select count(*) from orders") == 5000
    web.tell("/", Answer(503))
    with pytest.raises(GateFailed, match="web is well"):
        run({**given, "deadline": 0.1})
    # Nothing was asked of this release.
    run({**props(store, saved, release="r0"), "checks": [check], "deadline": 0.1})


def test_the_live_release_waits_for_nothing(store: Store, saved: Backup):
    """For a settled release the second turn does it all."""
    live = props(store, saved) | {"settled": True}
    assert run({**live, "turn": "before"})["lines"] == []
    assert run({**live, "turn": "after"})["lines"]
    assert one(store, "select count(*) from orders") == 5000


def test_back_again(store: Store, saved: Backup):
    """What was put aside takes its place again, once, when an instruction names it."""
    run(props(store, saved))
    (old,) = asides(store)
    given = props(store, saved)
    given["instructions"] = [{"release": "r1", "nonce": "n2", "database": store.dbname, "aside": old.name}]
    lines = run(given)["lines"]
    assert lines[0] == f"{store.dbname}: '{store.dbname}' is again what was put aside as '{old.name}'"
    assert one(store, "select count(*) from orders where note = 'bad'") == 5120
    (kept,) = asides(store)
    assert run(given)["lines"] == [f"{store.dbname}: {kept.line}"]
    assert one(store, "select count(*) from orders where note = 'bad'") == 5120


def test_kept(store: Store, saved: Backup):
    """What was put aside stays unless config says for how long; then the older ones go, the newest never does, and what went is told."""
    given = props(store, saved)
    run(given)
    run(props(store, saved, nonce="n2"))
    newer, older = asides(store)
    assert run(given)["lines"] == [f"{store.dbname}: {one.line}" for one in (newer, older)]
    assert run({**given, "keep": 3600})["lines"] == [f"{store.dbname}: {one.line}" for one in (newer, older)]
    gone = run({**given, "keep": 0.001})["lines"]
    assert gone == [f"{store.dbname}: {older.line}: dropped", f"{store.dbname}: {newer.line}"]
    assert [one.name for one in asides(store)] == [newer.name]
    assert run({**given, "keep": 0.001, "turn": "after"})["lines"] == []


def test_given_up(store: Store, saved: Backup):
    """A restore that has refused writes when its deployer died lets them in again once nobody asks for it any more."""
    way = Way(store, saved, Order(nonce="n1", backup=saved.id), refuse=True, log=lambda line: None)
    with held(store, "restore") as lock:
        ready(lock, way, begin(lock, way, made=False))
    given = props(store, saved, release="r0")
    assert run(given)["lines"] == []
    assert one(store, "show default_transaction_read_only") == "on"
    given["instructions"] = []
    assert run(given)["lines"] == [f"{store.dbname}: '{store.dbname}' takes writes again"]
    assert one(store, "show default_transaction_read_only") == "off"
    assert run(given)["lines"] == []


@pytest.mark.parametrize("others", [False, True])
def test_given_up_by_the_live_release(store: Store, saved: Backup, monkeypatch: pytest.MonkeyPatch, web: Web, others: bool):
    """A settled release that asks for nothing any more puts back what a restore of it has left, waits for its services, whose sessions
    were ended, and looks no more; also where another instruction for that database, which is done, is still in config."""
    live = props(store, saved) | {"settled": True}
    state = run(live)

    def dies(*_: Any, **__: Any) -> None:
        raise SystemExit

    asked = [*live["instructions"], {**live["instructions"][0], "nonce": "n2", "refuse": True}]
    live["instructions"] = live["instructions"] if others else []
    with monkeypatch.context() as patch:
        patch.setattr("sluice.systems.recover._place", dies)
        with pytest.raises(SystemExit):
            run({**live, "instructions": asked})
    assert one(store, "show default_transaction_read_only") == "on"
    assert not diff(state, {**live, "turn": "before"})
    assert diff(state, {**live, "turn": "after"})
    sick = {"name": "web is well", "ask": "http.status", "of": {"url": web.tell("/", Answer(503))}, "limit": {"is": "==", "value": 200.0}}
    with pytest.raises(GateFailed, match="web is well"):
        run({**live, "turn": "after", "checks": [sick], "deadline": 0.1})
    assert one(store, "show default_transaction_read_only") == "off"
    assert not diff(state, {**live, "turn": "after"})


def test_nobody_to_mend(store: Store, saved: Backup):
    """What cannot be put back now is said, and looked at again by the next update; a live release goes on."""
    live = props(store, saved) | {"settled": True, "turn": "after", "instructions": []}
    live["databases"] = [Database(store=store.model_copy(update={"port": 1})).wire()]
    begun.note(live["folder"], store.dbname)
    (line,) = run(live)["lines"]
    assert line.startswith(f"{store.dbname}: what a restore has left cannot be put back: database 127.0.0.1:1/sluice_maintenance: ")
    assert diff({"release": "r1", "done": []}, live)


def test_asked_for(store: Store, saved: Backup):
    """What was put aside long ago is not dropped before the turn of an instruction that asks for it."""
    run(props(store, saved))
    run(props(store, saved, nonce="n2"))
    newer, older = asides(store)
    given = props(store, saved) | {"settled": True, "keep": 0.001}
    given["instructions"] = [{"release": "r1", "nonce": "n3", "database": store.dbname, "aside": older.name}]
    assert run({**given, "turn": "before"})["lines"] == [f"{store.dbname}: {one.line}" for one in (newer, older)]
    (line,) = [line for line in run({**given, "turn": "after"})["lines"] if "is again" in line]
    assert line == f"{store.dbname}: '{store.dbname}' is again what was put aside as '{older.name}'"
    assert one(store, "select count(*) from orders where note = 'bad'") == 5120


def test_nobody_there(store: Store, saved: Backup):
    """A server that does not answer keeps no release from going on that asks it for nothing."""
    given = props(store, saved, release="r0")
    given["databases"] = [Database(store=store.model_copy(update={"port": 1})).wire()]
    (line,) = run(given)["lines"]
    assert re.match(rf"{store.dbname}: what was put aside cannot be told: database .*: ", line)


@pytest.mark.parametrize(
    ("settled", "done", "release", "changes"),
    [
        (False, ["shop/n1/b"], "r1", True),
        (True, ["shop/n1/b"], "r1", False),
        (True, [], "r1", True),
        (True, [], "r0", False),
        # Of another backup under a word that was used: only the server can say so, and refuses it.
        (True, ["shop/n1/c"], "r1", True),
    ],
)
def test_diff(settled: bool, done: list[str], release: str, changes: bool):
    """A settled release looks only at an instruction of its own that is new."""
    asked = {"release": release, "nonce": "n1", "database": "shop", "backup": "b"}
    news = {"release": "r1", "settled": settled, "databases": [], "folder": "", "instructions": [asked]}
    assert diff({"release": "r1", "done": done}, news) is changes


def diff(olds: dict[str, Any], news: dict[str, Any]) -> bool:
    return bool(RestoreProvider().diff("r1", olds, news).changes)
