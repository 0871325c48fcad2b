"""What becomes of a database when code goes back, by the migrations that are in the way, and the backups that there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.migration.file import Migration, folder
from sluice.core.migration.history import plan as way
from sluice.core.migration.row import Row
from sluice.core.rollback.database import Action, Change, Saved, fits
from sluice.core.rollback.symptom import Symptom, Trouble
from tests.fixtures.past import GOOD, change, made, past


@pytest.mark.parametrize(
    ("changes", "action", "why"),
    [
        ([], Action.CODE, "it is at '1'"),
        ([change("2")], Action.CODE, "it stays ahead of '1' by '2_x': old code runs with what an expand adds"),
        ([change("2", way="restore-only")], Action.CODE, "it stays ahead of '1' by '2_x': old code runs with what an expand adds"),
        ([change("2"), change("3", "contract")], Action.DOWNGRADE, "'3_x' is undone before the older code comes"),
        ([change("9", "contract"), change("10", "contract")], Action.DOWNGRADE, "'10_x', '9_x' is undone before the older code comes"),
        (
            [change("2", "contract", "restore-only")],
            Action.REFUSE,
            "'2_x' has no way back, and no good backup is at '1' (`sluice backup --list` has all)",
        ),
        ([change("2", half=True)], Action.REFUSE, "'2_x' has not come to its end: finish it, or bring it back, with `pulumi up` first"),
    ],
)
def test_database(changes: list[Change], action: Action, why: str):
    """Expands stay, contracts go back before the older code comes, in reverse order, what has no way back needs a backup."""
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
    """A loss has to be accepted by name, and is counted where it can be; what stays loses nothing."""
    changes = [change("2", way="lossy"), change("3", "contract", "lossy"), change("4", "contract", "lossy", lost=1)]
    refused = made(*changes)
    loses = ["'4_x': 1 row", "'3_x': an uncounted number of rows"]
    why = f"going back loses data ({'; '.join(loses)}): accept it by name (4, 3), or release a revision from there on"
    assert (refused.action, refused.refusals) == (Action.REFUSE, [f"shop: {why}"])
    assert made(*changes, allowed=["4"]).action is Action.REFUSE
    accepted = made(*changes, allowed=["4", "shop/3"])
    assert (accepted.action, accepted.downgrade, accepted.lossy) == (Action.DOWNGRADE, "needed", ["shop/4", "shop/3"])
    assert (accepted.steps[0].loses, accepted.steps[0].migrations) == (loses, ["4_x", "3_x"])


def test_exact():
    """Asked for exactly the older schema, expands go too, once the newer code is gone; what has no way back then stays in the way."""
    found = made(change("2", took=0.5), change("3", "contract", took=1.0), exact=True)
    assert (found.action, found.downgrade, found.steps[0].migrations) == (Action.DOWNGRADE, "exact", ["3_x", "2_x"])
    assert found.steps[0].why == "'3_x' is undone before the older code comes; '2_x' once the newer code is gone"
    assert found.steps[0].seconds == 1.5
    assert made(change("2"), exact=True).steps[0].why == "'2_x' once the newer code is gone"
    stuck = made(change("2", way="restore-only"), exact=True)
    assert stuck.refusals == ["shop: '2_x' has no way back, and older code runs with it: leave exact out, and it stays"]


def test_buried():
    """A contract below an expand takes two releases, as it does forward."""
    found = made(change("2", "contract"), change("3"))
    why = "'2_x' goes back before the older code comes, and '3_x' after it only once the newer code is gone"
    assert found.refusals == [f"shop: {why}: go back to a release at '2' first, with --to and --exact, and from there on"]


def test_as_the_engine_does():
    """What a plan undoes is what the migration itself would, phase by phase."""
    texts = {"1_x.sql": "select 1", "2_x.sql": "select 1", "3_x.sql": "-- phase: contract\nselect 1"}
    files = folder({**texts, **{name.replace(".sql", ".down.sql"): "select 1" for name in texts}})
    rows = [_row(one) for one in files]
    for exact in (False, True):
        planned = made(change("2"), change("3", "contract"), exact=exact)
        first = way(files, rows, target="1", phase="expand", downgrade=planned.downgrade)
        left = [row for row in rows if row.name not in {step.migration.name for step in first.steps}]
        ways = [first, way(files, left, target="1", phase="settle", downgrade=planned.downgrade)]
        assert [step.migration.name for one in ways for step in one.steps] == planned.steps[0].migrations
        assert not any(one.refusals for one in ways)


def _row(one: Migration) -> Row:
    told = {key: getattr(one, key) for key in ("id", "name", "sha256", "phase", "way", "up")}
    return Row(**told, down=one.down or "", state="applied", total=1, done=1)


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
    lacks = "'2_x' has no way back, and no good backup is at '1' (`sluice backup --list` has all)"
    assert without.refusals == [f"shop: {lacks}; 'b3': dump: is gone; 'b2': was never restored"]


def test_spoiled():
    """A copy that would take the place and is not what its backup holds stops the restore: an older backup would lose more."""
    spoiled = Saved(id="b9", revision="1", made_at=90, verified=True, spoiled=["the copy 'x' is not what it holds", "table a: gone"])
    found = made(change("2", "contract", "restore-only"), backups=[spoiled, GOOD])
    assert found.refusals == ["shop: the copy 'x' is not what it holds; table a: gone"]
    assert made(backups=[spoiled, GOOD], backup_ids=["b9"]).refusals == found.refusals
    assert made(backups=[spoiled, GOOD], backup_ids=["b1"]).action is Action.RESTORE


def test_newest():
    """A newer backup that the code runs with loses less."""
    newer = Saved(id="b9", revision="2", made_at=90, verified=True)
    found = made(change("2"), change("3", "contract", "restore-only"), backups=[GOOD, newer])
    assert (found.steps[0].backup, found.steps[0].target) == ("b9", "2")


def test_chosen():
    """A backup that is named is taken where it is good and the code runs with it, whatever the migrations would allow."""
    bad = Saved(id="b2", revision="1", made_at=20, verified=False)
    newer = Saved(id="b3", revision="3", made_at=30, verified=True, took=4.0)
    changes = [change("2"), change("3", "contract")]
    found = made(*changes, backups=[newer, bad, GOOD], backup_ids=["b1"])
    assert (found.action, found.steps[0].backup, found.steps[0].refuse) == (Action.RESTORE, "b1", False)
    assert made(*changes, backups=[bad], backup_ids=["b2"]).refusals == ["shop: 'b2': was never restored"]
    why = "backup 'b3' is at '3', and '1-a' runs with '1': name a release of that time with --to"
    assert made(*changes, backups=[newer], backup_ids=["b3"]).refusals == [f"shop: {why}"]
    assert made(*changes, backup_ids=["b4"]).refusals == ["--to-backup b4: no database of this stack has such a backup"]
    there = made(*changes, backups=[newer], backup_ids=["b3"], target=past("1", "3"))
    assert (there.action, there.steps[0].seconds) == (Action.RESTORE, 4.0)


def test_corruption():
    """Corrupt data are restored even where the schema is in nobody's way."""
    found = made(symptoms=[Symptom(trouble=Trouble.CORRUPTION)], backups=[GOOD])
    assert (found.action, found.steps[0].refuse) == (Action.RESTORE, True)
    assert made(symptoms=[Symptom(trouble=Trouble.CORRUPTION)]).refusals == [
        "shop: data are corrupt, and no good backup is at '1' (`sluice backup --list` has all)"
    ]


def test_services_only():
    """Services alone go back where no contract is in the way, and are refused where one is."""
    assert made(change("2"), only="services").action is Action.CODE
    refused = made(change("2", "contract"), only="services")
    assert refused.refusals == ["shop: older code does not run with '2_x', which must go first: leave services-only out"]


PHASES, WAYS = st.sampled_from(["expand", "contract"]), st.sampled_from(["reversible", "lossy", "restore-only"])
CHANGES = st.lists(st.tuples(PHASES, WAYS, st.booleans()), max_size=6).map(
    lambda found: [change(str(at), phase, way, half=half) for at, (phase, way, half) in enumerate(found, 2)]
)


@given(
    CHANGES,
    st.lists(st.builds(Saved, id=st.text("ab", min_size=1), revision=st.sampled_from("123"), made_at=st.just(1.0), verified=st.booleans())),
    st.booleans(),
    st.booleans(),
)
def test_never_loses_unasked(changes: list[Change], backups: list[Saved], only: bool, exact: bool):
    """Whatever there is: code alone never meets a contract, no loss is unaccepted, a restore has its proved backup."""
    found = made(*changes, backups=backups, only="services" if only else None, exact=exact and not only)
    if found.action is Action.CODE:
        assert all(one.phase == "expand" and not one.half for one in changes)
        assert only or not exact or not changes
    if found.action is Action.DOWNGRADE:
        undone = {one.name: one for one in changes if one.name in found.steps[0].migrations}
        assert all(one.way == "reversible" for one in undone.values())
        assert all(one.phase == "expand" for one in changes if one.name not in undone)
        assert not only
    if found.action is Action.RESTORE:
        assert any(one.id == found.steps[0].backup and one.verified and one.revision in fits(changes, "1") for one in backups)
        assert not only
    assert (found.action is Action.REFUSE) == bool(found.refusals)
