"""The lease machine: a complete table of what can lie beside a splitter, and what the keeper is to do about it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sluice.core.ladder import Cohort
from sluice.core.lease import LATE, Act, Hold, Lease, Seen, decide
from sluice.core.rollout import HEARTBEAT
from sluice.core.split import Share

NOW = 1_700_000_000.0
HOLD = Hold(weight=10, since=NOW - 3600, until=NOW + 82800)
ATTENDED = Lease(release="2-aaaaaa", owner="me", rollout={}, heartbeat=10)
HELD = ATTENDED.model_copy(update={"hold": HOLD})
MINE = Share(weight=10, owner="me")


def seen(lease: Lease | None, share: Share = MINE, *, beat: float = NOW, broken: str = "") -> Seen:
    return Seen(lease, broken, share, beat)


def held(**changes: float) -> Lease:
    return HELD.model_copy(update={"hold": HOLD.model_copy(update=changes)})


TABLE = {
    "nothing there": (seen(None), Act.REST, ""),
    "broken": (seen(None, broken="it is no JSON"), Act.BACK, "it is no JSON"),
    "attended, foreign": (
        seen(ATTENDED, Share(weight=10, owner="other")),
        Act.BACK,
        "the traffic is not that of the keeper's plan for 2-aaaaaa",
    ),
    "attended, no share": (seen(ATTENDED, Share()), Act.BACK, "the traffic is not that of the keeper's plan for 2-aaaaaa"),
    "attended, a sign": (seen(ATTENDED, beat=NOW - LATE * 10), Act.REST, ""),
    "attended, no sign": (seen(ATTENDED, beat=NOW - LATE * 10 - 0.1), Act.BACK, "no sign of the deployer within 10s"),
    "attended, no sign, no weight yet": (
        seen(ATTENDED, Share(owner="me"), beat=NOW - 9),
        Act.BACK,
        "no sign of the deployer within 10s",
    ),
    "attended, the clock was set back": (seen(ATTENDED, beat=NOW + 3600), Act.BACK, "no sign of the deployer within 10s"),
    "held": (seen(HELD, beat=0), Act.JUDGE, ""),
    "held, foreign": (
        seen(HELD, Share(weight=10, owner="other")),
        Act.BACK,
        "the traffic is not that of the keeper's plan for 2-aaaaaa",
    ),
    "held, gone back": (seen(HELD, Share(owner="me")), Act.DROP, ""),
    "held, gone back, but for a cohort": (
        seen(HELD, Share(owner="me", cohort=Cohort(header="x"))),
        Act.BACK,
        "the weight is 0 %, and 10 % is to be held",
    ),
    "held, more": (seen(HELD, Share(weight=25, owner="me")), Act.BACK, "the weight is 25 %, and 10 % is to be held"),
    "held, at its last moment": (seen(held(until=NOW + 0.1)), Act.JUDGE, ""),
    "held, over": (seen(held(until=NOW)), Act.BACK, "the hold of 1h at 10 % is over"),
    "held, the clock was set back": (
        seen(held(since=NOW + HEARTBEAT + 0.1, until=NOW + 86400)),
        Act.BACK,
        "the clock was set to before the hold at 10 % began",
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_table(case: str) -> None:
    """Each thing that can lie there has one answer, and a sentence where traffic goes back."""
    found, act, why = TABLE[case]
    assert decide(found, NOW) == (act, why)


WHO = ("me", "other", "")
WEIGHTS = (0, 10, 25)
AGES = (-3600.0, 0.0, 7.9, 8.1, 3600.0)
SPANS = ((-3600.0, 3600.0), (-7200.0, -3600.0), (3600.0, 7200.0))


def test_nothing_is_kept_without_a_reason() -> None:
    """Over every combination of lease, owner, weight, sign and time: traffic stays only with its own owner, and then only while a deployer
    gives signs, or while a hold at this very weight lasts."""
    leases = [None, ATTENDED, *(held(since=NOW + since, until=NOW + until) for since, until in SPANS)]
    count = 0
    for lease, owner, weight, age in itertools.product(leases, WHO, WEIGHTS, AGES):
        act, why = decide(seen(lease, Share(weight=weight, owner=owner), beat=NOW - age), NOW)
        count += 1
        assert bool(why) == (act is Act.BACK)
        if lease is None:
            assert act is Act.REST
        elif owner != lease.owner:
            assert act is Act.BACK
        elif lease.hold is None:
            assert act is (Act.REST if abs(age) <= 8 else Act.BACK)
        elif weight == 0:
            assert act is Act.DROP
        else:
            lasts = weight == 10 and lease.hold.since <= NOW < lease.hold.until
            assert act is (Act.JUDGE if lasts else Act.BACK)
    assert count == 5 * 3 * 3 * 5


@given(st.floats(1, 86400), st.floats(0, 86400 * 2))
def test_silence_ends_every_lease(heartbeat: float, silence: float) -> None:
    """Whatever the heartbeat, a deployer that is silent for as long has lost its traffic before that, with time left for the way back."""
    assume(abs(silence - LATE * heartbeat) > 0.001)
    lease = ATTENDED.model_copy(update={"heartbeat": heartbeat})
    assert decide(seen(lease, beat=NOW), NOW + silence)[0] is (Act.BACK if silence > LATE * heartbeat else Act.REST)
    assert decide(seen(lease, beat=NOW), NOW + heartbeat)[0] is Act.BACK


def test_a_day_passes_without_waiting() -> None:
    """A hold of a day is judged at every hour of it, and ends on the second."""
    lease = held(since=NOW, until=NOW + 86400)
    acts = [decide(seen(lease), NOW + hour * 3600)[0] for hour in range(25)]
    assert acts == [*[Act.JUDGE] * 24, Act.BACK]


def test_travels() -> None:
    """A lease comes back from its file as it was; one with a key that nobody knows is refused."""
    assert Lease.read(HELD.wire()) == HELD
    with pytest.raises(ValueError, match="zzz"):
        Lease.read({**HELD.wire(), "zzz": 1})


def test_shown() -> None:
    """People and other stacks read a hold with times in UTC."""
    wanted = {"release": "2-aaaaaa", "weight": 10, "since": "2023-11-14T21:13:20Z", "until": "2023-11-15T21:13:20Z"}
    assert HOLD.shown("2-aaaaaa") == wanted
