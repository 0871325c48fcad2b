"""Plans: what was seen, what is asked for, and why it is done or refused."""

from __future__ import annotations

from sluice.core.rollback.database import Action
from sluice.core.rollback.plan import Wish
from sluice.core.rollback.symptom import Scope, Symptom, Trouble
from tests.fixtures.past import GOOD, change, made, past


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
    """The plan says why this release: it serves already, it was named, or else it is the newest; and which versions go where."""
    proven = "'1-a' is proven (at 2026-11-24 00:00:00Z)"
    assert made().reasons == [f"{proven}, the newest of the others that nobody has gone back from"]
    assert made(to="1").reasons == [proven]
    assert made(live=past("1")).reasons == [f"{proven}, and has the traffic: '2-a' was never live"]
    assert made(live=past("3")).reasons == [proven]
    assert made().services == {"web": ("web@2", "web@1")}


def test_told():
    """A plan has the scope and the time of what was seen."""
    found = made(symptoms=[Symptom(trouble=Trouble.CORRUPTION)], backups=[GOOD])
    assert (found.scope, found.within, found.loses) == (Scope.RESTORE, 180, True)
    assert [one.backup for one in found.restores] == ["b1"]


def test_barred():
    """What stands against it besides is told with the rest; of what is not to be done at all nothing is."""
    found = made(change("2", half=True)).barred(["deployment window: closed"])
    assert (found.action, found.runs, len(found.refusals)) == (Action.REFUSE, False, 2)
    mended = made(symptoms=[Symptom(trouble=Trouble.ARTIFACT)])
    assert mended.barred(["deployment window: closed"]) == mended


def test_wish():
    """What does not go together is told at once."""
    assert Wish(only="services", exact=True).problems == ["--services-only leaves databases alone: leave --exact and --to-backup out"]
    assert Wish(revisions={"shop": "1"}).problems == ["--to-revision goes with --db-only"]
    assert Wish(only="database", to="1.0").problems == ["--db-only leaves the release alone: leave --to out"]
    assert Wish(to="").problems == ["--to: is empty: name a release, or leave it out"]
    assert Wish(only="database", revisions={"shop": "1"}).problems == []
