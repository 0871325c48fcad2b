"""The lease beside the share: they change together, and whoever dies in between leaves nothing that keeps traffic."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from sluice.core.errors import Superseded, Unreachable
from sluice.core.lease import Act, Hold, Lease, Seen, decide
from sluice.core.split import Route, Share
from sluice.systems import files, splits
from sluice.systems.keeper import file
from sluice.systems.splits import envoy
from sluice.systems.splits.port import Split
from tests.fixtures.grip import held

BOTH = Route(service="web", prefix="/web/", live="web@1", canary="web@2")
LIVE = BOTH.model_copy(update={"canary": None})
NOW = 1_700_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> dict[str, Any]:
    """A splitter's descriptor whose Envoy does not run: enough for what is written."""
    return {"kind": "envoy", "folder": str(tmp_path), "admin": str(tmp_path / "admin.sock"), "routes": [LIVE.wire()]}


def lease(split: Split, **changes: Any) -> Lease:
    return Lease(release="r2", owner=split.owner, rollout={"routes": [BOTH.wire()]}, heartbeat=10, **changes)


def attended(folder: dict[str, Any]) -> Split:
    """Return a deployer's splitter, which has a lease and 10 %."""
    split = splits.open(folder)
    split.take("r2", [BOTH], lease=lease(split))
    split.set(10)
    return split


def test_nothing_there(folder: dict[str, Any]):
    """Without a lease nobody gives a sign, and nobody is missed."""
    split = splits.open(folder)
    split.beat(NOW)
    assert split.seen() == Seen()
    assert not split.kept(NOW)


def test_taken_together(folder: dict[str, Any]):
    """Who takes the traffic with a lease has both, and gives signs by its own clock."""
    split = attended(folder)
    split.beat(NOW)
    seen = split.seen()
    assert (seen.lease, seen.broken, seen.beat) == (lease(split), "", NOW)
    assert (seen.share.owner, seen.share.weight) == (split.owner, 10)


def test_taken_without(folder: dict[str, Any]):
    """Whoever takes the traffic without a lease (an abort, another release, the way back) ends the one there is."""
    attended(folder)
    splits.open(folder).take("r3", [LIVE])
    assert splits.open(folder).seen().lease is None


def test_a_sign_reaches_ones_own_lease_alone(folder: dict[str, Any]):
    """A deployer that was superseded, and does not know it yet, keeps no other one's lease alive."""
    old = attended(folder)
    new = splits.open(folder)
    new.take("r2", [BOTH], lease=lease(new))
    new.beat(NOW)
    old.beat(NOW + 5)
    assert new.seen().beat == NOW


def test_only_the_owner_changes_it(folder: dict[str, Any]):
    """A hold and the end of a lease are for its owner; the one there is stays as it is."""
    old, new = attended(folder), splits.open(folder)
    new.take("r3", [BOTH], lease=lease(new))
    for attempt in (lambda: old.hold(lease(old)), old.drop):
        with pytest.raises(Superseded, match="another deployment took over the traffic"):
            attempt()
    assert new.seen().lease == lease(new)
    new.drop()
    assert new.seen().lease is None


def test_handed_over(folder: dict[str, Any]):
    """A hold comes in the place of the deployer's lease, with the same owner and the same weight: there is no moment without."""
    split = attended(folder)
    hold = Hold(weight=10, since=NOW, until=NOW + 60)
    split.hold(lease(split, hold=hold))
    assert decide(splits.open(folder).seen(), NOW)[0] is Act.JUDGE


def test_takes_only_after_the_one_that_was_seen(folder: dict[str, Any]):
    """A keeper takes traffic from the owner that it saw, and never from one that came after it."""
    old = attended(folder)
    new = splits.open(folder)
    new.take("r3", [BOTH], lease=lease(new))
    before = new.get()
    with pytest.raises(Superseded):
        splits.open(folder).take("aborted", [LIVE], after=old.owner)
    assert (new.get(), new.seen().lease) == (before, lease(new))
    assert splits.open(folder).take("aborted", [LIVE], after=new.owner).weight == 0


@pytest.mark.parametrize("text", ["{", "[]", '{"release": "r2"}', "\0"])
def test_a_broken_lease(folder: dict[str, Any], text: str):
    """A lease that cannot be read is a reason to go back, which names the file."""
    attended(folder)
    path = file.path(folder["folder"])
    path.write_text(text)
    act, why = decide(splits.open(folder).seen(), NOW)
    assert act is Act.BACK
    assert why.startswith(f"the keeper's plan '{path}' cannot be read (")


def test_killed_in_between(folder: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """A takeover that dies after each of its writes leaves either what was, or something that goes back; never traffic without a lease."""
    for last in range(4):
        attended(folder)
        splits.open(folder).seen()
        with monkeypatch.context() as patch:
            count = iter(range(9))

            def write(
                path: Path, text: str, *, mode: int = files.MODE, real: Any = files.write, count: Any = count, last: int = last
            ) -> None:
                if next(count) == last:
                    raise KeyboardInterrupt
                real(path, text, mode=mode)

            patch.setattr(files, "write", write)
            split = splits.open(folder)
            with pytest.raises(KeyboardInterrupt) if last < 3 else nullcontext():
                split.take("r2", [BOTH], lease=lease(split))
        seen = splits.open(folder).seen()
        assert seen.share.weight == 10
        assert seen.lease is not None
        sound = seen.lease.owner == seen.share.owner
        assert sound == (last in (0, 3))
        assert sound or decide(seen, file.path(folder["folder"]).stat().st_mtime)[0] is Act.BACK


def test_no_room(folder: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """Where there is no room for a lease nothing is taken."""
    before = attended(folder).get()

    def full(path: Path, text: str, *, mode: int = files.MODE) -> None:
        raise Unreachable("no room")

    monkeypatch.setattr(files, "write", full)
    split = splits.open(folder)
    with pytest.raises(Unreachable):
        split.take("r2", [BOTH], lease=lease(split))
    assert split.get() == before


def test_a_keeper_that_speaks(folder: dict[str, Any]):
    """A keeper is at work while it has given a sign lately; whose lease it judges, it says."""
    split = attended(folder)
    file.say(folder["folder"], {"judges": "", "ended": None})
    file.sign(folder["folder"], NOW)
    assert split.kept(NOW + file.FRESH - 1)
    assert not split.kept(NOW + file.FRESH)
    assert not split.kept(NOW, split.owner)
    file.say(folder["folder"], {"judges": split.owner, "ended": None})
    file.sign(folder["folder"], NOW)
    assert split.kept(NOW, split.owner)
    assert not split.kept(NOW, "other")


def test_a_look_is_of_one_moment(folder: dict[str, Any]):
    """A share that cannot be read is no share, and its lease somebody else's: that goes back."""
    split = attended(folder)
    (Path(folder["folder"]) / "rds.json").write_text("{")
    seen = split.seen()
    assert (seen.share, seen.lease) == (Share(), lease(split))
    assert decide(seen, NOW)[0] is Act.BACK


def test_nobody_can_look(folder: dict[str, Any]):
    """On another machine than the splitter's there is nothing to see, and looking is no error."""
    there = splits.open({**folder, "folder": "/nowhere"})
    assert there.seen() == Seen(broken="'/nowhere' cannot be looked at (No such file or directory)")
    assert not there.kept(NOW)


def test_somebody_does_not_let_go(folder: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """A process that is stopped while it writes blocks nobody for good: whoever looks, writes or aborts is told who it is. Nothing is
    written, and all of it goes on once it has let go."""
    monkeypatch.setattr(envoy, "LIMIT", 0.1)
    split = attended(folder)
    before = split.seen()
    calls = [
        split.seen,
        split.drop,
        lambda: split.set(0),
        lambda: split.hold(lease(split)),
        lambda: splits.restore(folder, splits.ORDERED, anew=True),
    ]
    with held(Path(folder["folder"]) / "split.lock") as pid:
        for call in calls:
            with pytest.raises(Unreachable, match=rf"split.lock' was not free within 0.1 s: pid {pid} holds it, and is stopped: "):
                call()
    assert split.seen() == before
    assert split.set(0).weight == 0


def test_the_wait_is_shorter_than_a_keepers_silence():
    """A keeper that waits for the lock gives its sign before anybody takes it for dead."""
    assert envoy.LIMIT < file.FRESH
