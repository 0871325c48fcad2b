"""Which releases are proven, what their config was, and which one going back leads to: for any history."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sluice.core.record import Built, Record, prove
from sluice.core.rollback.block import release_id
from sluice.core.rollback.course import BACK
from sluice.core.rollback.past import Aim, Expected, aim, expected, newest, pasts
from sluice.core.update import Outcome, Update


def block(version: str, spaces: int = 0) -> str:
    """Return a release's JSON text, with blanks that mean nothing and must come back all the same."""
    return json.dumps({"version": version, "flags": {"A": True}}, separators=(",", ":" + " " * spaces))


@dataclass
class World:
    """A stack as its updates leave it: the same rules as the real one, without the engine."""

    now: int = 1_000_000
    records: list[Record] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    proving: dict[str, str] = field(default_factory=dict)
    born: list[str] = field(default_factory=list)
    left: set[str] = field(default_factory=set)

    @property
    def live(self) -> str | None:
        return self.records[0].id if self.records else None

    def update(self, text: str, how: str) -> None:
        """Run an update: good, failed before or after it was recorded, interrupted, or killed so that history has nothing of it."""
        begun, self.now = self.now, self.now + 1
        id, before = release_id(text) or "", self.live
        if before and id in self.born[: self.born.index(before)]:
            self.left.add(before)
        if how == "good" or (how in ("late", "gone") and id != before):
            self.left.discard(id)
        if how in ("good", "late", "gone") and id != before:
            self._prove(text)
        if how != "gone":
            outcome = {"good": Outcome.SUCCEEDED, "interrupted": Outcome.INTERRUPTED}.get(how, Outcome.FAILED)
            lines = [record.text for record in self.records]
            self._add(Update(kind="update", outcome=outcome, begun=begun, ended=self.now, release=text, proven=lines))

    def other(self, kind: str, text: str) -> None:
        """Run something that brings no release: it copies whatever config says into history."""
        self._add(Update(kind=kind, outcome=Outcome.SUCCEEDED, begun=self.now, ended=self.now + 1, release=text))
        self.now += 1

    def _prove(self, text: str) -> None:
        id, at = release_id(text) or "", datetime.fromtimestamp(self.now, UTC)
        built = Built(name=f"web@{id}", version="1", spec="spec {}")
        self.records = prove(Record(id=id, version=id.split("-")[0], kind="minor", services={"web": built}, at=at), self.records)
        self.proving[id] = text
        self.born += [] if id in self.born else [id]

    def _add(self, update: Update) -> None:
        self.updates.insert(0, update)

    def check(self, found: Aim, configured: str | None) -> None:
        """Hold by our own book-keeping, which knows of every update, that a target is the newest that nobody has left; but what is in
        config already goes on, and what serves is never worse than another way."""
        if found.target is None:
            return
        ids = [record.id for record in self.records]
        assert found.target.id != found.failing
        if found.target.id != configured:
            assert set(ids[: ids.index(found.target.id)]) <= {found.failing, *self.left}
            assert found.target.id not in self.left - {self.live}


TEXTS = st.builds(block, st.sampled_from(["1.0", "1.1", "1.2", "1.3"]), st.integers(0, 2))
HOWS = st.sampled_from(["good", "failed", "late", "interrupted"])
EVENTS = st.lists(st.tuples(TEXTS, HOWS | st.sampled_from(["refresh", "destroy", "import", "preview"])), max_size=25)


def play(events: list[tuple[str, str]]) -> World:
    world = World()
    for text, how in events:
        if how in ("refresh", "destroy", "import", "preview"):
            world.other(how, text)
        else:
            world.update(text, how)
    return world


@given(EVENTS, TEXTS)
def test_any_history(events: list[tuple[str, str]], attempted: str):
    """For any history the target is the newest proven release but the failing one, with its config byte for byte."""
    world = play(events)
    failing = release_id(attempted) or ""
    others = [record for record in world.records if record.id != failing]
    target = newest(pasts(world.records, world.updates), failing=failing)
    assert (target.id if target else None) == (others[0].id if others else None)
    if target:
        assert target.config == world.proving[target.id]
        assert all(built.spec for built in target.record.services.values())


@given(EVENTS)
def test_every_proven_release_is_reached(events: list[tuple[str, str]]):
    """Each proven release is found with the config of the update that proved it, however old it is."""
    world = play(events)
    found = pasts(world.records, world.updates)
    assert [past.id for past in found] == [record.id for record in world.records]
    assert {past.id: past.config for past in found} == {record.id: world.proving[record.id] for record in world.records}


def test_killed():
    """An update that was killed after it had proven a release left no entry: a later one with the very same release stands in."""
    world = play([(block("1.0"), "gone"), (block("1.0"), "good"), (block("1.1"), "good")])
    assert [past.config for past in pasts(world.records, world.updates)] == [block("1.1"), block("1.0")]


def test_lost():
    """A release that history does not have any more is told, never guessed."""
    world = play([(block("1.0"), "good"), (block("1.1"), "good")])
    old = pasts(world.records, world.updates[:1])[1]
    assert (old.config, old.why) == (None, "history has no update with its config")


def test_hidden():
    """A release whose block is not shown cannot be written back, and says why."""
    world = play([(block("1.0"), "good")])
    hidden = world.updates[0].model_copy(update={"release": None, "hidden": True})
    (past,) = pasts(world.records, [hidden])
    assert (past.config, past.why) == (None, "its config has a secret, which this backend's history does not show")


def test_secret():
    """A block with a secret, whose id only the engine can tell, is known by its time and version."""
    text = '{"services":{"web":{"settings":{"PW":{"secure":"v1:a"}}}},"version":"1.0"}'
    record = Record(id="1.0-abcdef", version="1.0", kind="minor", services={}, at=datetime.fromtimestamp(105, UTC))
    update = Update(kind="update", outcome=Outcome.SUCCEEDED, begun=100, ended=110, release=text)
    assert pasts([record], [update])[0].config == text
    assert pasts([record.model_copy(update={"version": "2"})], [update])[0].config is None


def id_of(version: str) -> str:
    return release_id(block(version)) or ""


def back(world: World, failing: str, to: str, how: str = "good") -> None:
    """Run the update of a rollback."""
    world.update(block(to), how)
    world.left.add(id_of(failing))
    if how != "gone":
        world.updates[0] = world.updates[0].model_copy(update={"message": f"{BACK}{id_of(failing)} to {id_of(to)}"})


def aimed(world: World, configured: str | None) -> tuple[str, str | None]:
    found = aim(pasts(world.records, world.updates), world.updates, id_of(configured) if configured else None)
    return found.failing, found.target.record.version if found.target else None


GOOD = [(block(version), "good") for version in ("1.0", "1.1", "1.2")]


def test_left():
    """A release that was gone back from is not what the next one goes back to, until it is proven again."""
    world = play(GOOD)
    back(world, "1.2", "1.1")
    world.update(block("1.3"), "good")
    assert aimed(world, "1.3") == (id_of("1.3"), "1.1")
    world.update(block("1.2"), "good")
    world.update(block("1.3"), "good")
    assert aimed(world, "1.3") == (id_of("1.3"), "1.2")


def test_left_by_hand():
    """Who brings out an older release again has left the newer one, whatever the update says; who goes forth again has left nothing."""
    world = play([*GOOD, (block("1.1"), "good"), (block("1.3"), "good")])
    assert aimed(world, "1.3") == (id_of("1.3"), "1.1")
    world = play([*GOOD, (block("1.1"), "good"), (block("1.2"), "good"), (block("1.3"), "good")])
    assert aimed(world, "1.3") == (id_of("1.3"), "1.2")


def test_returned_by_hand():
    """After a way back by hand the next one has to name its release too, also when its update was killed once it was recorded."""
    why = f"'{id_of('1.1')}' is live since somebody went back to it: to go back further, name a release with --to"
    for events in ([(block("1.1"), "good")], [(block("1.1"), "gone")], [(block("1.1"), "gone"), (block("1.1"), "good")]):
        world = play([*GOOD, *events])
        found = aim(pasts(world.records, world.updates), world.updates, id_of("1.1"))
        assert (found.failing, found.target, found.why) == (id_of("1.1"), None, why)
    world.update(block("1.1"), "good")
    assert aimed(world, "1.1") == (id_of("1.1"), "1.0")


def test_failed_by_hand():
    """A way back by hand that failed is one all the same: neither end of it is tried by itself, until one goes through."""
    world = play([*GOOD, (block("1.1"), "failed")])
    assert aimed(world, "1.1") == aimed(world, None) == (id_of("1.1"), "1.0")
    # Whoever has written back what serves stays there.
    assert aimed(world, "1.2") == (id_of("1.1"), "1.2")
    late = play([*GOOD, (block("1.1"), "late")])
    assert aimed(late, "1.1") == (id_of("1.2"), "1.1")
    world.update(block("1.2"), "good")
    world.update(block("1.3"), "good")
    assert aimed(world, "1.3") == (id_of("1.3"), "1.2")


def test_serving():
    """Of a release that was never live the way back is what serves, also where somebody wanted to leave that before."""
    world = play(GOOD)
    back(world, "1.2", "1.1", "failed")
    world.update(block("1.3"), "failed")
    assert aimed(world, "1.3") == (id_of("1.3"), "1.2")


def test_bad_release():
    """Of a release that failed the live one is the target; of a live one that turned out bad, the one before."""
    world = play([*GOOD, (block("1.3"), "failed")])
    assert aimed(world, "1.3") == (id_of("1.3"), "1.2")
    assert aimed(play(GOOD), "1.2") == (id_of("1.2"), "1.1")


def test_asked_again():
    """Whoever is killed between any two writes of a rollback, and asks again, gets the same target, and never the bad release."""
    failed = play([*GOOD, (block("1.3"), "failed")])
    assert aimed(failed, "1.3") == aimed(failed, None) == aimed(failed, "1.2") == (id_of("1.3"), "1.2")
    bad = play(GOOD)
    assert aimed(bad, "1.2") == aimed(bad, None) == aimed(bad, "1.1") == (id_of("1.2"), "1.1")


def test_failed_return():
    """A release whose return failed is not tried again by itself, and neither is the one that was to be left."""
    world = play(GOOD)
    back(world, "1.2", "1.1", "failed")
    assert aimed(world, "1.1") == (id_of("1.1"), "1.0")


def test_failed_return_to_the_only_other():
    """Where nothing is left to choose by itself, it is said what is proven, and how to go on or there."""
    world = play(GOOD[1:])
    back(world, "1.2", "1.1", "failed")
    found = aim(pasts(world.records, world.updates), world.updates, id_of("1.1"))
    old, new = id_of("1.1"), id_of("1.2")
    why = f"'{new}' is proven, and was gone back from: `pulumi up` tries '{old}' again, and --to {new} stays there"
    assert (found.failing, found.target, found.why) == (old, None, why)


def test_named_again():
    """A release whose return failed is tried again where it is named: what is left is then what serves, and of any other it is itself."""
    world = play(GOOD)
    back(world, "1.2", "1.0", "failed")
    known = pasts(world.records, world.updates)
    found = aim(known, world.updates, id_of("1.0"))
    assert aimed(world, "1.0") == (id_of("1.0"), "1.1")
    live, newer, old = known
    assert found.leaving(old, live.id) == live.id
    assert found.leaving(newer, live.id) == found.leaving(live, live.id) == id_of("1.0")
    # What serves is no way back from itself.
    assert aim(known, [], live.id).leaving(live, live.id) == live.id


def test_failed_revert():
    """A way back to what serves that failed goes on, as often as it is asked for; what it was to leave is not forgotten."""
    world = play([*GOOD, (block("1.3"), "failed")])
    for _ in range(2):
        back(world, "1.3", "1.2", "failed")
        assert aimed(world, "1.2") == (id_of("1.3"), "1.2")
    back(world, "1.3", "1.2")
    assert aimed(world, "1.2") == (id_of("1.2"), None)


def test_once():
    """After a rollback that came through, the next one has to name its release: a job that is run twice goes back once."""
    world = play(GOOD)
    back(world, "1.2", "1.1")
    found = aim(pasts(world.records, world.updates), world.updates, id_of("1.1"))
    why = f"'{id_of('1.1')}' is live since somebody went back to it: to go back further, name a release with --to"
    assert (found.target, found.why) == (None, why)


def test_expected():
    """The time that it should take is the last rollback's, and before there was one that of the target's own update."""
    world = play(GOOD)
    target = pasts(world.records, world.updates)[1]
    first = Expected(seconds=1, text="at most about 1 s, as the update that proved it took")
    assert expected(target, world.updates) == first
    back(world, "1.2", "1.1", "failed")
    assert expected(target, world.updates) == first
    back(world, "1.2", "1.1")
    assert expected(target, world.updates) == Expected(seconds=1, text="about 1 s, as the last rollback took")
    assert expected(target.model_copy(update={"update": None}), []) is None


def test_nothing():
    """With nothing proven, or nothing else, there is nowhere to go, and it says so."""
    assert aim([], [], None).why == "nothing has been proven yet"
    world = play(GOOD[:1])
    found = aim(pasts(world.records, world.updates), world.updates, id_of("1.0"))
    assert found.why == f"there is no proven release but '{id_of('1.0')}': nothing to go back to"


@given(EVENTS, st.none() | TEXTS)
def test_never_what_was_left(events: list[tuple[str, str]], configured: str | None):
    """For any history and config the target is the newest proven release that is not failing, nor was left by going back."""
    world = play(events)
    id = release_id(configured) if configured else None
    world.check(aim(pasts(world.records, world.updates), world.updates, id), id)
