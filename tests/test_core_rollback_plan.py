"""Plans: what going back takes, by the migrations that are in the way, the backups there are, and what was seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.record import Built, Record
from sluice.core.rollback.past import Past
from sluice.core.rollback.plan import Action, Change, Database, Plan, Saved, fits, plan, then
from sluice.core.rollback.symptom import Scope, Symptom, Trouble


def past(version: str, schema: str = "1", config: str | None = "{}") -> Past:
    services = {"web": Built(name=f"web@{version}", version=version)}
    at = datetime(2026, 11, 24, tzinfo=UTC)
    record = Record(id=f"{version}-a", version=version, kind="minor", services=services, schema_={"shop": schema}, at=at)
    return Past(record=record, config=config, why="" if config else "history has no update with its config")


def change(id: str, phase: str = "expand", way: str = "reversible", **more: Any) -> Change:
    return Change(id=id, name=f"{id}_x", phase=phase, way=way, **more)  # type: ignore[arg-type]


def made(*changes: Change, backups: list[Saved] | None = None, symptoms: list[Symptom] | None = None, **more: Any) -> Plan:
    """Plan to leave 2 for 1 with a database that has these changes after the first one."""
    known = [change("1"), *changes]
    database = Database(name="shop", revision=known[-1].id, changes=known, backups=backups or [])
    given = {"failing": "2-a", "live": past("2", known[-1].id), "target": past("1"), "databases": [database], **more}
    return plan(**given, symptoms=symptoms or [])


GOOD = Saved(id="b1", revision="1", made_at=10, verified=True, written={"public.orders": 3, "public.old": -1, "public.same": 0})


@pytest.mark.parametrize(
    ("changes", "action", "why"),
    [
        ([], Action.CODE, "it is at '1'"),
        ([change("2")], Action.CODE, "it stays ahead of '1' by '2_x': old code runs with what an expand adds"),
        ([change("2", way="restore-only")], Action.CODE, "it stays ahead of '1' by '2_x': old code runs with what an expand adds"),
        ([change("2"), change("3", "contract")], Action.DOWNGRADE, "'3_x', '2_x' can be undone, in this order"),
        ([change("9", "contract"), change("10")], Action.DOWNGRADE, "'10_x', '9_x' can be undone, in this order"),
        ([change("2", "contract", "restore-only")], Action.REFUSE, "'2_x' has no way back, and no good backup is at '1'"),
        ([change("2", half=True)], Action.REFUSE, "'2_x' has not come to its end: finish it, or bring it back, with `pulumi up` first"),
    ],
)
def test_database(changes: list[Change], action: Action, why: str):
    """Expands stay, contracts go back in reverse order, what has no way back needs a backup."""
    found = made(*changes)
    assert (found.action, found.steps[0].why) == (action, why)


def test_unnamed():
    """A release that names no revision leaves the database alone, unless a contract has run since it was proven."""
    target = past("1").model_copy(update={"record": past("1").record.model_copy(update={"schema_": {}})})
    at = target.record.at.timestamp()
    before = made(change("2", "contract", at=at - 1), change("3", at=at + 1), target=target)
    assert (before.action, before.steps[0].why) == (Action.CODE, "the release names no revision of it: it stays as it is")
    why = "'1-a' names no revision of it, and '2_x' has run since: release a version that runs with that"
    assert made(change("2", "contract", at=at + 1), target=target).refusals == [f"shop: {why}"]


def test_lossy():
    """A loss has to be accepted by name, and is counted where it can be."""
    changes = [change("2", "contract", "lossy", lost=1), change("3", way="lossy")]
    refused = made(*changes)
    loses = ["'3_x': an uncounted number of rows", "'2_x': 1 row"]
    why = f"going back loses data ({'; '.join(loses)}): accept it by name (3, 2), or release a revision from there on"
    assert (refused.action, refused.refusals) == (Action.REFUSE, [f"shop: {why}"])
    assert made(*changes, allowed=["2"]).action is Action.REFUSE
    accepted = made(*changes, allowed=["2", "3"])
    assert accepted.action is Action.DOWNGRADE
    assert accepted.steps[0].loses == loses


def test_restore():
    """The newest good backup of that revision is taken, and what was written since is told as far as it can be counted."""
    others = [
        Saved(id="b3", revision="1", made_at=30, verified=True, problems=["dump: is gone"]),
        Saved(id="b2", revision="1", made_at=20, verified=False),
        Saved(id="b4", revision="2", made_at=40, verified=True),
    ]
    found = made(change("2", "contract", "restore-only"), backups=[*others, GOOD])
    (step,) = found.steps
    assert (found.action, step.backup) == (Action.RESTORE, "b1")
    assert step.loses == [
        "everything written since the backup",
        "table public.old: 1 row fewer than in it",
        "table public.orders: 3 rows more than in it",
        "changed and replaced rows: uncounted",
    ]
    without = made(change("2", "contract", "restore-only"), backups=others)
    assert without.refusals == ["shop: '2_x' has no way back, and no good backup is at '1'; 'b3': dump: is gone; 'b2': was never restored"]


def test_fits():
    """Code runs with its own revision and those after it up to the first contract: a newer backup of these loses less."""
    changes = [change("1", at=5), change("2", at=10), change("10", at=20), change("11", "contract", at=30), change("12", at=40)]
    assert (fits(changes, "1"), fits(changes, "11"), fits(changes, "")) == (["1", "2", "10"], ["11", "12"], ["", "1", "2", "10"])
    record = past("1").record.model_copy(update={"schema_": {}, "at": datetime.fromtimestamp(10, UTC)})
    assert (then(changes, record, "shop"), then([], record, "shop"), then(changes, past("1").record, "shop")) == ("2", "", "1")
    newer = Saved(id="b9", revision="2", made_at=90, verified=True)
    found = made(change("2"), change("3", "contract", "restore-only"), backups=[GOOD, newer])
    assert found.steps[0].backup == "b9"


def test_corruption():
    """Corrupt data are restored even where the schema is in nobody's way."""
    found = made(symptoms=[Symptom(trouble=Trouble.CORRUPTION)], backups=[GOOD])
    assert (found.action, found.scope, found.within) == (Action.RESTORE, Scope.RESTORE, 0)
    assert made(symptoms=[Symptom(trouble=Trouble.CORRUPTION)]).refusals == ["shop: data are corrupt, and no good backup is at '1'"]


def test_services_only():
    """Services alone go back where no contract is in the way, and are refused where one is."""
    assert made(change("2"), services_only=True).action is Action.CODE
    refused = made(change("2", "contract"), services_only=True)
    assert refused.refusals == ["shop: older code does not run with '2_x', which must go first: leave services-only out"]


def test_mended():
    """What the matrix says to mend is not gone back from."""
    found = made(symptoms=[Symptom(trouble=Trouble.ARTIFACT)])
    assert (found.action, found.target) == (Action.NOTHING, "2-a")
    assert found.reasons == [
        "a service could not be built or fetched: P3, mend it in the next release",
        "the matrix says: fix it and try again",
    ]


def test_nowhere():
    """Without another proven release, or without its config, the plan is a refusal that says so."""
    assert made(target=None, nowhere="nothing has been proven yet").refusals == ["nothing has been proven yet"]
    assert made(target=past("2")).refusals == ["'2-a' is the release to leave: name another one"]
    lost = made(target=past("1", config=None), unreachable=["web: gone"])
    assert lost.refusals == ["web: gone", "'1-a' cannot be reached: history has no update with its config"]


def test_reasons():
    """The plan says why this release: it serves already, or it is the newest of the others; and which versions go where."""
    proven = "'1-a' is proven (at 2026-11-24T00:00:00+00:00)"
    assert made().reasons == [f"{proven}, the newest of the others"]
    assert made(live=past("1")).reasons == [f"{proven}, and has the traffic: '2-a' was never let in"]
    assert made(live=past("3")).reasons == [proven]
    assert made().services == {"web": ("web@2", "web@1")}


PHASES, WAYS = st.sampled_from(["expand", "contract"]), st.sampled_from(["reversible", "lossy", "restore-only"])
CHANGES = st.lists(st.tuples(PHASES, WAYS, st.booleans()), max_size=6).map(
    lambda found: [change(str(at), phase, way, half=half) for at, (phase, way, half) in enumerate(found, 2)]
)


@given(
    CHANGES,
    st.lists(st.builds(Saved, id=st.text("ab", min_size=1), revision=st.sampled_from("123"), made_at=st.just(1.0), verified=st.booleans())),
    st.booleans(),
)
def test_never_loses_unasked(changes: list[Change], backups: list[Saved], only: bool):
    """Whatever there is: code alone never meets a contract, no loss is unaccepted, a restore has its proved backup."""
    found = made(*changes, backups=backups, services_only=only)
    if found.action is Action.CODE:
        assert all(one.phase == "expand" and not one.half for one in changes)
    if found.action is Action.DOWNGRADE:
        assert all(one.way == "reversible" for one in changes)
        assert not only
    if found.action is Action.RESTORE:
        assert any(one.id == found.steps[0].backup and one.verified and one.revision in fits(changes, "1") for one in backups)
        assert not only
    assert (found.action is Action.REFUSE) == bool(found.refusals)
