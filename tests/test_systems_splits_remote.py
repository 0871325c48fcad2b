"""A splitter by way of another program: here one that runs beside us, before a real Envoy."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from sluice.core.errors import Superseded, Unreachable
from sluice.core.journal import Actor, Source, parse
from sluice.core.ladder import Cohort
from sluice.core.lease import Lease
from sluice.core.split import Route, Share
from sluice.systems import splits
from sluice.systems.keeper import file
from sluice.systems.keeper.diary import Diary
from sluice.systems.secret import resolve
from sluice.systems.splits.envoy import EnvoySplit
from sluice.systems.splits.remote import RemoteSplit
from tests.fixtures.front import Front, wait

ROUTE = Route(service="web", prefix="/", live="web@1.0", canary="web@1.1")


def through(front: Front) -> dict[str, Any]:
    """Return a descriptor by which every word goes through another program."""
    return {**front.split, "through": ["env"]}


@pytest.fixture
def split(front: Front) -> RemoteSplit:
    found = splits.open(through(front))
    assert isinstance(found, RemoteSplit)
    return found


@pytest.mark.embedded
def test_same(front: Front, split: RemoteSplit):
    """What goes through is what a splitter beside its files says, for every question of the port."""
    beside = EnvoySplit(str(front.folder), front.admin)
    assert split.get() == beside.get()
    share = split.take("r1", [ROUTE])
    assert (share, share.owner) == (beside.get(), split.owner)
    share = split.set(10, Cohort(header="x-beta", value="yes"))
    assert share == beside.get()
    assert split.told() == beside.told()
    assert split.doors() == beside.doors() == [ROUTE]
    assert split.seen() == beside.seen()
    assert split.kept(time.time()) == beside.kept(time.time()) is False
    assert splits.word(through(front)) == file.word(front.folder) == {}


@pytest.mark.embedded
def test_moves(front: Front, split: RemoteSplit):
    """Traffic moves, is confirmed, and is counted."""
    for name in ("web@1.0", "web@1.1"):
        front.serve(name)
    split.take("r1", [ROUTE])
    assert split.confirm(split.set(100), 5)
    assert httpx.get(front.url).headers["x-version"] == "web@1.1"
    figures = split.figures(list(front.versions.values()))
    assert (figures["web@1.0"].total, figures["web@1.1"].total) == (0, 1)
    assert sum(figures["web@1.1"].latency.counts) <= 1
    assert not split.confirm(Share(revision="never"), 0.1)


@pytest.mark.embedded
def test_lease(front: Front, split: RemoteSplit):
    """A lease is signed by whoever wrote it, held, and dropped."""
    lease = Lease(release="r1", owner=split.owner, heartbeat=4, rollout={"routes": [ROUTE.wire()]})
    split.take("r1", [ROUTE], lease=lease)
    split.beat(1000.0)
    assert (split.seen().lease, split.seen().beat) == (lease, 1000.0)
    split.hold(lease.model_copy(update={"heartbeat": 8.0}))
    assert EnvoySplit(str(front.folder), front.admin).seen().lease == lease.model_copy(update={"heartbeat": 8.0})
    split.drop()
    assert split.seen().lease is None


@pytest.mark.embedded
def test_a_late_answer(front: Front, split: RemoteSplit):
    """A keeper that gives signs is at work, however long the question was on its way, and whatever the clock here says."""
    file.say(front.folder, {"judges": "somebody"})
    assert split.kept(time.time() - 1000)
    assert split.kept(0.0, "somebody")
    assert not split.kept(time.time(), "another")


@pytest.mark.embedded
def test_webhooks(front: Front, split: RemoteSplit, tmp_path: Path):
    """A keeper there is told whom to tell by a file beside it that is for its user alone; what is no secret here is none there either."""
    (tmp_path / "hook").write_text("https://hooks.example.org/s3cret\n")
    (tmp_path / "token").write_text("t0ken")
    url = f"file:{tmp_path}/hook"
    notify = [{"kind": "json", "url": url, "token": f"file:{tmp_path}/token"}, {"kind": "discord", "url": "env:NOBODY_SET_THIS"}]
    lease = Lease(release="r1", owner=split.owner, heartbeat=4, rollout={"routes": [ROUTE.wire()]}, notify=notify)
    split.take("r1", [ROUTE], lease=lease)
    there = split.seen().lease
    assert there
    assert [one["url"] for one in there.notify] == [f"file:{front.folder}/webhook-{number}-url" for number in (0, 1)]
    assert (resolve(there.notify[0]["token"]).reveal(), there.notify[1].keys()) == ("t0ken", {"kind", "url"})
    file = front.folder / "webhook-0-url"
    assert (resolve(there.notify[0]["url"]).reveal(), file.stat().st_mode & 0o777) == ("https://hooks.example.org/s3cret", 0o600)
    with pytest.raises(Unreachable):
        resolve(there.notify[1]["url"])


@pytest.mark.embedded
def test_lines(front: Front, split: RemoteSplit):
    """A keeper there writes its lines beside the splitter's files, from where they are read; before its first one there are none."""
    source = Source(path="/stack/journal.jsonl", stack="production", run="r", actor=Actor(user="ada", host="deploy"))
    lease = Lease(release="r1", owner=split.owner, heartbeat=4, rollout={"routes": [ROUTE.wire()]}, journal=source.text)
    split.take("r1", [ROUTE], lease=lease)
    there = split.seen().lease
    assert there
    assert splits.lines(through(front)) == splits.lines(front.split) == []
    Diary(there, print).back(1000.0, "the hold is over", followed=False)
    (line,) = splits.lines(through(front))
    event = parse(line)
    assert event
    assert (event.actor.user, event.text, event.run) == ("keeper", "the hold is over", "r")


@pytest.mark.embedded
def test_superseded(front: Front, split: RemoteSplit):
    """An error there is the same error here, word for word."""
    split.take("r1", [ROUTE])
    EnvoySplit(str(front.folder), front.admin).take("r2", [ROUTE])
    text = "another deployment took over the traffic (release 'r2'): see `pulumi stack history`"
    with pytest.raises(Superseded) as error:
        split.set(10)
    assert str(error.value) == text


@pytest.mark.embedded
def test_ordered(front: Front, split: RemoteSplit):
    """Who takes traffic only if nobody has asked for an abort since, or only from one owner, is told there as here."""
    split.take("r1", [ROUTE])
    begun = time.time()
    splits.bar({**through(front), "routes": [ROUTE.wire()]})
    with pytest.raises(Superseded):
        split.take("r2", [ROUTE], since=begun - 10)
    with pytest.raises(Superseded):
        split.take("r2", [ROUTE], after="another")
    assert split.take("r2", [ROUTE], since=time.time() + 10).release == "r2"


@pytest.mark.embedded
def test_again(front: Front, split: RemoteSplit):
    """Who has died there is started again, with the same token; signs of life for a lease that it had signed are lost."""
    split.take("r1", [ROUTE])
    child = split.line.child
    assert child
    child.kill()
    with pytest.raises(Unreachable, match=r"^'env python -m sluice\.systems\.splits\.serve \.\.\.' does not answer: "):
        split.set(10)
    assert split.set(20).weight == 20


def test_nobody():
    """Who cannot be reached is told with its last words; no keeper is at work there, and none says anything."""
    where = {"kind": "envoy", "folder": "/nowhere", "admin": "/nowhere/a", "through": ["sh", "-c", "echo no such container >&2"]}
    split = splits.open(where)
    with pytest.raises(Unreachable) as error:
        split.get()
    assert str(error.value) == "'sh -c 'echo no such container >&2' python ...' does not answer: no such container"
    assert split.seen().broken == str(error.value)
    assert (split.kept(time.time()), splits.word(where)) == (False, {})


@pytest.mark.embedded
def test_ends(front: Front):
    """The program there ends with whoever asked it."""
    split = splits.open(through(front))
    assert isinstance(split, RemoteSplit)
    split.get()
    child = split.line.child
    assert child
    assert child.poll() is None
    del split
    gc.collect()
    wait(lambda: child.poll() is not None)
