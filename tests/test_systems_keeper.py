"""The keeper beside a real Envoy: whatever happens to the deployer, or to the lease, traffic is watched or goes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.load import Ask, Load
from sluice.core.check import Check, Limit
from sluice.core.clock import ManualClock, SystemClock
from sluice.core.errors import Superseded, Unreachable
from sluice.core.journal import Actor, Happened, Source
from sluice.core.ladder import Ladder, Step
from sluice.core.lease import Hold, Lease
from sluice.core.rollout import Pair, Rollout
from sluice.core.split import Route
from sluice.systems import journal, splits
from sluice.systems.keeper import file
from sluice.systems.keeper.keeper import Keeper, Watched
from sluice.systems.splits import envoy
from sluice.systems.splits.envoy import EnvoySplit
from sluice.systems.splits.port import Split
from tests.fixtures.front import Front, wait
from tests.fixtures.grip import held
from tests.fixtures.web import Web
from tests.test_systems_splits import full

pytestmark = pytest.mark.embedded
BOTH = Route(service="web", prefix="/", live="web@1", canary="web@2")
LIVE = BOTH.model_copy(update={"canary": None})
ERRORS = Check(
    name="web: error rate", ask="split.error_rate", of={"version": "web@2"}, limit=Limit(is_="<=", value=0.05, unit="ratio"), minimum=20
)
LADDER = Ladder(steps=[Step(weight=10, soak=0.3, samples=10), Step(weight=50, soak=0.3, samples=10), Step(weight=100)], patience=5)


class Leaping(ManualClock):
    """A clock on which each wait takes an hour: a day passes in a few looks."""

    def wait(self, seconds: float) -> None:
        super().wait(max(seconds, 3600))


@pytest.fixture
def served(front: Front) -> Front:
    """Have web@1 live and web@2 beside it, which fails while the file `fault` exists."""
    front.serve("web@1")
    front.serve("web@2", FAIL_FILE=str(front.folder / "fault"))
    splits.restore(front.descriptor([LIVE]), "r1")
    return front


def rollout(front: Front, **more: Any) -> Rollout:
    pair = Pair(canary=front.versions["web@2"], live=front.versions["web@1"])
    given = {"release": "r2", "ladder": LADDER, "routes": [BOTH], "pairs": [pair], "checks": [ERRORS], "poll": 0.1}
    return Rollout.model_validate(given | more)


def source(front: Front) -> str:
    actor = Actor(user="ada", host="vm")
    return Source(path=str(front.folder / "journal.jsonl"), stack="production", run="r1", actor=actor).text


def lines(front: Front) -> list[tuple[str, str]]:
    """Return what the keeper has written to the journal, but for looks."""
    events, torn = journal.read(front.folder / "journal.jsonl")
    assert torn == 0
    assert {(event.run, event.actor.user, event.moment.value) for event in events} <= {("r1", "keeper", "canary")}
    return [(event.event.value, event.text) for event in events if event.event is not Happened.LOOKED]


def noted(front: Front) -> bool | None:
    return file.word(front.split["folder"])["ended"].get("noted")


def keep(front: Front, at: float, seconds: float = 86400, **more: Any) -> Lease:
    """Have r2 held at 10 % since `at`."""
    split = splits.open(front.split)
    told = {"release": "r2", "owner": split.owner, "heartbeat": 10, "rollout": rollout(front, **more).wire(), "journal": source(front)}
    lease = Lease.model_validate(told | {"hold": Hold(weight=10, since=at, until=at + seconds)})
    split.take("r2", [BOTH], lease=lease)
    assert split.confirm(split.set(10), 5)
    return lease


def attend(front: Front, at: float, weight: int = 25, heartbeat: float = 10) -> Split:
    """Have a deployer at work on r2, whose last sign was at `at`."""
    split = splits.open(front.split)
    told = rollout(front).wire()
    lease = Lease(release="r2", owner=split.owner, heartbeat=heartbeat, rollout=told, journal=source(front))
    split.take("r2", [BOTH], lease=lease)
    assert split.confirm(split.set(weight), 5)
    split.beat(at)
    return split


def serving(front: Front) -> set[str | None]:
    return {httpx.get(front.url).headers.get("x-version") for _ in range(30)}


def weight(front: Front) -> int:
    return splits.open(front.split).get().weight


def load(front: Front) -> Load:
    return Load(front.url, [Ask("GET", "/a")], rate=200)


@contextmanager
def keeping(front: Front) -> Iterator[Keeper]:
    """Run a keeper on the machine's time."""
    keeper = Keeper(front.split, SystemClock())
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        yield keeper
    finally:
        keeper.stop("the test is over")
        thread.join(20)


def ended(front: Front) -> str:
    found = file.word(front.split["folder"]).get("ended")
    return str(found["why"]) if found else ""


# a deployer is at work


def test_a_silent_deployer_loses_the_traffic(served: Front):
    """A keeper leaves a deployer alone that gives signs; the first look after too long a silence takes all traffic back and says why."""
    clock = ManualClock()
    keeper = Keeper(served.split, clock)
    split = attend(served, clock.now())
    for _ in range(10):
        clock.wait(5)
        split.beat(clock.now())
        keeper.look()
    assert weight(served) == 25

    clock.wait(8.1)
    keeper.look()
    assert (weight(served), serving(served)) == (0, {"web@1"})
    assert ended(served) == "canary of r2: no sign of the deployer within 10s; weight 0"
    assert splits.aborted(served.split).startswith("aborted by the keeper: canary of r2: no sign of the deployer"), "it cannot be proven"
    assert lines(served) == [("shifted", "0 %"), ("aborted", "canary of r2: no sign of the deployer within 10s; weight 0")]
    assert noted(served) is True
    assert splits.open(served.split).seen().lease is None


def test_somebody_does_not_let_go(served: Front, monkeypatch: pytest.MonkeyPatch):
    """While a stopped process has the lock the keeper leaves all as it is, and takes the traffic back at the first look after that; a step
    that it judges does not end for it."""
    monkeypatch.setattr(envoy, "LIMIT", 0.1)
    clock = ManualClock()
    keeper = Keeper(served.split, clock)
    attend(served, clock.now())
    clock.wait(60)
    lease = splits.open(served.split).seen().lease
    assert lease
    with held(Path(served.split["folder"]) / "split.lock"):
        with pytest.raises(Unreachable, match="was not free within"):
            keeper.look()
        Watched(keeper, lease).wait(0)
        assert weight(served) == 25
    keeper.look()
    assert weight(served) == 0


def test_a_deployer_that_comes_back_to_life_writes_nothing(served: Front):
    """A deployer that was only stopped finds another owner: it must not go on where nobody has judged for so long."""
    clock = ManualClock()
    split = attend(served, clock.now())
    clock.wait(60)
    Keeper(served.split, clock).look()
    with pytest.raises(Superseded):
        split.set(50)
    assert weight(served) == 0


def test_a_deployer_dies_before_its_first_weight(served: Front):
    """A dead deployer that had only taken the traffic is fenced off too."""
    clock = ManualClock()
    split = attend(served, clock.now(), weight=0)
    clock.wait(60)
    Keeper(served.split, clock).look()
    with pytest.raises(Superseded):
        split.set(10)


def test_nothing_to_keep(served: Front):
    """Without a lease a keeper touches nothing, whatever the weight: what is proven has all of it."""
    split = splits.open(served.split)
    split.take("r2", [BOTH])
    split.set(100)
    before = split.get()
    keeper, clock = Keeper(served.split, ManualClock()), ManualClock()
    for _ in range(3):
        keeper.look()
        clock.wait(3600)
    assert split.get() == before


def test_the_first_deployment(front: Front):
    """When nothing has been live, the way back is a closed door."""
    front.serve("web@2")
    clock, split = ManualClock(), splits.open(front.split)
    first = BOTH.model_copy(update={"live": None})
    split.take("r2", [first], lease=Lease(release="r2", owner=split.owner, heartbeat=10, rollout={"routes": [first.wire()]}))
    assert split.confirm(split.set(100), 5)
    split.beat(clock.now() - 60)
    Keeper(front.split, clock).look()
    assert httpx.get(front.url).status_code == 503


@pytest.mark.parametrize("text", ["{", '{"release": "r9"}'])
def test_a_plan_that_nobody_can_read(served: Front, text: str):
    """A keeper that cannot read its plan takes the traffic back."""
    clock = ManualClock()
    attend(served, clock.now())
    file.path(served.split["folder"]).write_text(text)
    Keeper(served.split, clock).look()
    assert (weight(served), serving(served)) == (0, {"web@1"})
    assert "cannot be read" in ended(served)


def test_the_plan_of_somebody_else(served: Front):
    """A plan that does not belong to the traffic beside it was left by somebody who died in between: back."""
    clock = ManualClock()
    split = attend(served, clock.now())
    lease = split.seen().lease
    assert lease
    file.write(served.split["folder"], lease.model_copy(update={"owner": "somebody"}))
    Keeper(served.split, clock).look()
    assert (weight(served), ended(served)) == (0, "canary of r2: the traffic is not that of the keeper's plan for r2; weight 0")


def test_neither_routes_nor_plan(served: Front, capsys: pytest.CaptureFixture[str]):
    """Where nothing can be read nobody knows where traffic belongs: it stays as the proxy has it, and the log says so, once."""
    attend(served, 0)
    folder = Path(served.split["folder"])
    (folder / "rds.json").write_text("{")
    file.path(folder).write_text("{")
    keeper = Keeper(served.split, ManualClock())
    looks = iter(range(3))
    keeper.clock.wait = lambda seconds: None if next(looks) < 2 else keeper.stop("enough")  # type: ignore[method-assign]
    keeper.run()
    line = "Unreachable: neither the routes nor the keeper's plan can be read: nobody knows where traffic belongs; run `pulumi up`\n"
    assert capsys.readouterr().out == line


WORDS = [None, "{", "[1]", '"x"', '{"format": 1, "ended": "x"}', '{"format": 1, "ended": {"why": 1}}']


@pytest.mark.parametrize("text", WORDS)
def test_its_own_word_is_spoiled(served: Front, text: str | None):
    """What lies in the place of the keeper's own word keeps it from nothing: a silent deployer loses the traffic, and it starts again."""
    clock = ManualClock()
    keeper = Keeper(served.split, clock)
    attend(served, clock.now())
    clock.wait(60)
    word = Path(served.split["folder"]) / "keeper.json"
    word.unlink()
    if text is not None:
        word.write_text(text)
        keeper = Keeper(served.split, clock)
        assert keeper.ended is None
    keeper.look()
    assert (weight(served), ended(served)) == (0, "canary of r2: no sign of the deployer within 10s; weight 0")


def test_it_starts_on_a_full_disk(served: Front):
    """Started where no file can grow, a keeper says nothing, and takes traffic back all the same; a held step is judged by it too."""
    clock = ManualClock()
    attend(served, clock.now())
    clock.wait(60)
    with full():
        keeper = Keeper(served.split, clock)
        keeper.look()
    assert weight(served) == 0
    assert not file.path(served.split["folder"]).exists()
    with load(served):
        keep(served, clock.now() - 7200, seconds=3600)
        with full():
            Keeper(served.split, clock).look()
    assert weight(served) == 0


def test_nobody_reads_its_log(served: Front, monkeypatch: pytest.MonkeyPatch):
    """A keeper whose supervisord was killed writes into nothing, and goes on looking: the look after a failed one still takes back."""

    class Gone:
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

        def flush(self) -> None:
            raise BrokenPipeError(32, "Broken pipe")

    clock = ManualClock()
    attend(served, clock.now())
    keeper = Keeper(served.split, clock)
    clock.wait(60)
    tries = iter([Unreachable("not now")])
    take = keeper._back

    def back(*args: Any) -> None:
        if error := next(tries, None):
            raise error
        take(*args)
        keeper.stop("enough")

    monkeypatch.setattr(keeper, "_back", back)
    monkeypatch.setattr("sys.stdout", Gone())
    keeper.run()
    monkeypatch.undo()
    assert (weight(served), serving(served)) == (0, {"web@1"})


def test_a_journal_that_cannot_be_written(served: Front, capsys: pytest.CaptureFixture[str]):
    """A keeper whose journal cannot be written takes traffic back as ever, and says what it could not write."""
    (served.folder / "journal.jsonl").mkdir()
    clock = ManualClock()
    attend(served, clock.now())
    clock.wait(60)
    Keeper(served.split, clock).look()
    assert (weight(served), serving(served), noted(served)) == (0, {"web@1"}, False)
    assert f"the journal '{served.folder}/journal.jsonl' cannot be written (Is a directory)\n" in capsys.readouterr().out


def test_a_full_disk_while_held(served: Front):
    """A keeper that can write nothing down judges what is held all the same, until its hold ends; it says so once there is room."""
    clock = Leaping()
    keeper = Keeper(served.split, clock)
    keep(served, clock.now())
    begun = clock.now()
    with full():
        keeper.look()
    assert (weight(served), serving(served), clock.now() - begun >= 86400) == (0, {"web@1"}, True)
    keeper.look()
    assert ended(served) == "canary of r2 failed at 10 %: the hold of 1d at 10 % is over; weight 0, web@1 serves"


JUMPS = [3600, -3600, 86400 * 400, -86400 * 400]


@pytest.mark.parametrize("jump", JUMPS)
def test_the_clock_is_set_under_a_deployer(served: Front, jump: float):
    """Whoever sets the machine's clock, in either direction, takes no traffic from a deployer that gives signs, and gives none that is
    silent any more time than it has."""
    clock = ManualClock()
    keeper = Keeper(served.split, clock)
    split = attend(served, clock.now())
    keeper.look()
    clock.jump(jump)
    for _ in range(4):
        keeper.look()
        split.beat(clock.now())
        clock.wait(5)
    assert weight(served) == 25
    keeper.look()
    clock.jump(-jump)
    clock.wait(8.1)
    keeper.look()
    assert (weight(served), ended(served)) == (0, "canary of r2: no sign of the deployer within 10s; weight 0")


class Set(ManualClock):
    """A clock on which each wait takes a minute, and that is set to another time at one of them."""

    def __init__(self, jump: float) -> None:
        super().__init__()
        self.jumps = {100: jump}
        self.waits = 0

    def wait(self, seconds: float) -> None:
        super().wait(max(seconds, 60))
        self.waits += 1
        self.jump(self.jumps.get(self.waits, 0))


@pytest.mark.parametrize("jump", JUMPS)
def test_the_clock_is_set_while_held(served: Front, jump: float):
    """A hold of four hours lasts four hours, whatever the machine's clock is set to on the way; the journal has the machine's time."""
    clock = Set(jump)
    keep(served, clock.now(), seconds=14400)
    Keeper(served.split, clock).look()
    assert 14400 <= clock.steady() < 14400 + 600
    assert (weight(served), serving(served)) == (0, {"web@1"})
    assert ended(served) == "canary of r2 failed at 10 %: the hold of 4h at 10 % is over; weight 0, web@1 serves"
    last = journal.read(served.folder / "journal.jsonl")[0][-1]
    assert abs(last.at.timestamp() - clock.now()) < 300


# a release is held


def test_a_day_goes_by(served: Front):
    """A hold of a day is judged all day, quiet as it is, and ends with it; the keeper has said all the time that it is at work."""
    clock = Leaping()
    lease = keep(served, clock.now())
    begun = clock.now()
    Keeper(served.split, clock).look()
    assert lease.hold
    assert lease.hold.until <= clock.now() <= lease.hold.until + 7200
    assert clock.now() - begun >= 86400
    assert (weight(served), serving(served)) == (0, {"web@1"})
    assert ended(served) == "canary of r2 failed at 10 %: the hold of 1d at 10 % is over; weight 0, web@1 serves"
    assert file.fresh(served.split["folder"], clock.now())


def test_a_version_goes_bad_while_held(served: Front):
    """Under load, a held version that begins to fail loses its traffic by the same judge as in a canary, and no request is dropped."""
    with load(served) as running, keeping(served):
        keep(served, SystemClock().now())
        wait(lambda: splits.open(served.split).kept(SystemClock().now(), splits.open(served.split).get().owner))
        (served.folder / "fault").touch()
        wait(lambda: weight(served) == 0, 10)
        wait(lambda: "web: error rate" in ended(served))
        assert serving(served) == {"web@1"}

    assert running.tally.failed == 0
    assert ended(served).startswith("canary of r2 failed at 10 %: web: error rate ")
    assert [event for event, _ in lines(served)] == ["judged", "shifted", "aborted"]
    assert lines(served)[-1][1].startswith("web: error rate ")
    (look, *_) = (event for event in journal.read(served.folder / "journal.jsonl")[0] if event.event is Happened.LOOKED)
    assert look.figures["weight"] == 10
    assert splits.open(served.split).seen().lease is None


def test_the_weight_is_another(served: Front):
    """A held release whose weight was changed by hand goes back: nobody has proven that weight."""
    clock = ManualClock()
    lease = keep(served, clock.now())
    split = splits.open(served.split)
    split.owner = lease.owner
    split.set(50)
    Keeper(served.split, clock).look()
    assert (weight(served), ended(served)) == (0, "canary of r2: the weight is 50 %, and 10 % is to be held; weight 0")


def test_gone_back_already(served: Front):
    """A deployer that gives its own held step back is left alone with it; only the plan goes."""
    clock = ManualClock()
    lease = keep(served, clock.now())
    split = splits.open(served.split)
    split.owner = lease.owner
    before = split.set(0)
    Keeper(served.split, clock).look()
    assert (split.get(), split.seen().lease, ended(served)) == (before, None, "")


def test_gone_back_while_judged(served: Front):
    """A deployer that gives its held step back while the keeper judges it already, and dies then, leaves nobody who judges on for ever."""
    with keeping(served):
        lease = keep(served, SystemClock().now())
        split = splits.open(served.split)
        wait(lambda: split.kept(SystemClock().now(), lease.owner))
        split.owner = lease.owner
        split.set(0)
        wait(lambda: split.seen().lease is None)
        wait(lambda: not split.kept(SystemClock().now(), lease.owner))
        assert ended(served) == ""


@pytest.mark.parametrize("release", ["r2", "r3"])
def test_somebody_takes_over_while_held(served: Front, release: str):
    """A promotion, another release or an abort ends the keeper's part at once, and it writes nothing more."""
    with keeping(served):
        lease = keep(served, SystemClock().now())
        wait(lambda: splits.open(served.split).kept(SystemClock().now(), lease.owner))
        new = splits.open(served.split)
        new.take(release, [BOTH], lease=Lease(release=release, owner=new.owner, heartbeat=60, rollout=rollout(served).wire()))
        before = new.get()
        wait(lambda: not new.kept(SystemClock().now(), lease.owner))
        assert (new.get(), ended(served)) == (before, "")
        assert before.weight == (10 if release == "r2" else 0)


def test_somebody_takes_over_as_it_ends(served: Front, monkeypatch: pytest.MonkeyPatch):
    """Whoever takes the traffic just as a hold ends has it: the keeper takes back what it has judged, and nothing else."""
    lease = keep(served, (clock := Leaping()).now())
    new = splits.open(served.split)
    own = Lease(release="r3", owner=new.owner, heartbeat=60, rollout=rollout(served).wire())
    monkeypatch.setattr(EnvoySplit, "drop", lambda self: new.take("r3", [BOTH], lease=own))
    Keeper(served.split, clock).look()
    assert clock.now() >= lease.hold.until if lease.hold else False
    assert (new.get().owner, new.seen().lease, ended(served)) == (new.owner, own, "")


@pytest.mark.parametrize("late", [False, True], ids=["judged", "over"])
def test_a_full_disk(served: Front, web: Web, tmp_path: Path, late: bool):
    """On a full disk a held step is judged, goes back in its time, and people are told."""
    from tests.fixtures.web import Answer

    (tmp_path / "hook").write_text(web.tell("/hook", Answer(200)))
    clock = Leaping()
    lease = keep(served, clock.now() - 7200 * late, seconds=3600 if late else 7200)
    split, keeper = splits.open(served.split), Keeper(served.split, clock)
    split.owner = lease.owner
    split.hold(lease.model_copy(update={"notify": [{"kind": "slack", "url": f"file:{tmp_path / 'hook'}"}]}))
    with full():
        keeper.look()
    assert (weight(served), serving(served)) == (0, {"web@1"})
    (asked,) = web.asked
    assert f"the hold of {'1h' if late else '2h'} at 10 % is over; weight 0" in json.loads(asked.body)["text"]


def test_people_are_told(served: Front, web: Web, tmp_path: Path):
    """Nobody looks at a terminal when a hold ends: the webhooks of the rollout are told, with which release of which stack has failed."""
    from sluice.core.journal import Source
    from tests.fixtures.journal import ADA
    from tests.fixtures.web import Answer

    clock = ManualClock()
    source = Source(path=str(tmp_path / "journal.jsonl"), stack="shop", run="r1", actor=ADA)
    (tmp_path / "hook").write_text(web.tell("/hook", Answer(200)))
    lease = keep(served, clock.now() - 7200, seconds=3600)
    split = splits.open(served.split)
    split.owner = lease.owner
    hooks = [{"kind": "slack", "url": f"file:{tmp_path / 'hook'}"}]
    split.hold(lease.model_copy(update={"notify": hooks, "journal": source.text}))
    Keeper(served.split, clock).look()
    (asked,) = web.asked
    fields = [field["text"] for field in json.loads(asked.body)["blocks"][0]["fields"]]
    assert fields == [f"*release*\n{lease.release}", "*state*\nfailed", "*moment*\ncanary", "*stack*\nshop"]
    assert "the hold of 1h at 10 % is over; weight 0" in json.loads(asked.body)["text"]


def test_the_proxy_restarts_while_held(served: Front):
    """A proxy that does not answer cannot be judged: the traffic is written back, and that is what it comes up with."""
    clock = ManualClock()
    keep(served, clock.now())
    served.kill("envoy")
    with pytest.raises(Unreachable, match="does not answer"):
        Keeper(served.split, Leaping()).look()
    assert weight(served) == 0
    served.start()
    assert serving(served) == {"web@1"}
