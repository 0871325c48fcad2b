"""Dividing traffic with a real Envoy, and with several deployers at once."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sluice.core.errors import Superseded, Unreachable
from sluice.core.ladder import Cohort
from sluice.core.split import Route, Share
from sluice.systems import splits
from sluice.systems.splits.envoy import EnvoySplit
from tests.fixtures.front import Front, wait

BOTH = Route(service="web", prefix="/web/", live="web@1", canary="web@2")
LIVE = BOTH.model_copy(update={"canary": None})
BETA = Cohort(header="x-beta")


@pytest.fixture
def folder(tmp_path: Path) -> dict[str, Any]:
    """A splitter's descriptor whose Envoy does not run: enough for what is written."""
    return {"kind": "envoy", "folder": str(tmp_path), "admin": str(tmp_path / "admin.sock")}


def at(descriptor: dict[str, Any], *routes: Route) -> dict[str, Any]:
    return {**descriptor, "routes": [route.wire() for route in routes]}


def answer(front: Front, path: str = "/web/", **headers: str) -> tuple[int, str | None]:
    found = httpx.get(front.url + path, headers=headers)
    return found.status_code, found.headers.get("x-version")


# what is written


def test_nothing_was_told(folder: dict[str, Any]):
    """Before anything was written nobody has traffic, and looking creates nothing."""
    assert splits.open(folder).get() == Share()
    assert not splits.settled(at(folder, LIVE))
    assert list(Path(folder["folder"]).iterdir()) == []


def test_take_keeps_its_own(folder: dict[str, Any]):
    """A release that comes back to its own share goes on with its weight and cohort; only the owner is another."""
    first, second = splits.open(folder), splits.open(folder)
    first.take("r2", [BOTH])
    before = first.set(25, BETA)
    after = second.take("r2", [BOTH])
    assert (after.weight, after.cohort, after.release) == (25, BETA, "r2")
    assert after.owner != before.owner
    assert after.revision != before.revision


@pytest.mark.parametrize("other", [("r3", [BOTH]), ("r2", [LIVE])])
def test_take_of_another_release(folder: dict[str, Any], other: tuple[str, list[Route]]):
    """Another release, and the same one with other routes, never inherit a weight or a cohort."""
    split = splits.open(folder)
    split.take("r2", [BOTH])
    split.set(50, BETA)
    share = splits.open(folder).take(*other)
    assert (share.weight, share.cohort, share.routes) == (0, None, other[1])


def test_only_the_owner_writes(folder: dict[str, Any]):
    """Who was superseded is told so, by whom, and writes nothing."""
    old, new = splits.open(folder), splits.open(folder)
    old.take("r2", [BOTH])
    new.take("r3", [BOTH])
    new.set(10)
    before = new.get()
    with pytest.raises(Superseded) as caught:
        old.set(50)
    assert str(caught.value) == "another deployment took over the traffic (release 'r3'): see `pulumi stack history`"
    assert new.get() == before


def test_a_weight_without_an_owner(folder: dict[str, Any]):
    """Nobody sets a weight before taking the split."""
    with pytest.raises(Superseded):
        splits.open(folder).set(10)
    assert splits.open(folder).get() == Share()


def test_a_broken_file(folder: dict[str, Any]):
    """Routes that cannot be read are an error that names the file; whoever takes over writes them anew, at weight 0."""
    file = Path(folder["folder"]) / "rds.json"
    for text in (
        "{",
        "[]",
        '{"resources": []}',
        '{"resources": [{"virtual_hosts": [{"metadata": {"filter_metadata": {"sluice": {"x": 1}}}}]}]}',
    ):
        file.write_text(text)
        with pytest.raises(Unreachable, match="cannot be read") as caught:
            splits.open(folder).get()
        kind = str(caught.value).partition("(")[2].partition(")")[0]
        assert str(caught.value) == f"the routes in '{file}' cannot be read ({kind}): run `pulumi up`, which writes them anew"
        assert not splits.settled(at(folder, LIVE))
        share = splits.open(folder).take("r2", [BOTH])
        assert (share.weight, splits.open(folder).get()) == (0, share)


def test_ordered(folder: dict[str, Any]):
    """What a person has aborted since a deployer began it does not get, and writes nothing; one that begins later does, and so does whoever
    comes after a failed step's abort, or the keeper's."""
    begun, split = time.time() - 1, splits.open(folder)
    split.take("r1", [LIVE], since=begun)
    splits.bar(at(folder, LIVE))
    before = split.get()
    with pytest.raises(Superseded) as caught:
        splits.open(folder).take("r2", [BOTH], since=begun)
    why = "the traffic was taken back while this update was on its way (aborted by sluice abort): `pulumi up` begins again"
    assert (str(caught.value), split.get()) == (why, before)
    with pytest.raises(Superseded):
        splits.clear(at(folder, LIVE), "r2", since=begun)
    for mark, since in (("aborted by sluice abort", time.time() + 1), ("aborted by the keeper: why", begun), ("aborted: why", begun)):
        split.take(mark, [LIVE])
        assert split.take("r2", [BOTH], since=since).release == "r2"


@contextmanager
def full() -> Iterator[None]:
    """Let no file grow: every write fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_way_back_needs_no_room(folder: dict[str, Any]):
    """On a full disk no weight goes up, and all of it still goes back to 0; for its owner alone."""
    old, split = splits.open(folder), splits.open(folder)
    old.take("r2", [BOTH])
    split.take("r2", [BOTH])
    before = split.set(25, BETA)
    with full():
        for change in (lambda: split.set(50), lambda: split.set(0, BETA), lambda: splits.open(folder).take("r3", [BOTH])):
            with pytest.raises(Unreachable, match=r"\.json' cannot be written \(File too large\): mend that, then `pulumi up`$"):
                change()
        with pytest.raises(Superseded):
            old.set(0)
        assert split.get() == before
        share = split.set(0)
    assert (share.weight, share.cohort, share.routes, split.get()) == (0, None, [BOTH], share)
    assert share.revision != before.revision
    assert split.set(10).weight == 10


def test_taking_all_back_needs_no_room(folder: dict[str, Any]):
    """After the last step too: on a full disk a later failure still takes all traffic back, and nobody begins anything new."""
    split = splits.open(folder)
    split.take("r2", [BOTH])
    split.set(100)
    with full():
        with pytest.raises(Unreachable, match="cannot be written"):
            splits.open(folder).take("r3", [BOTH])
        with pytest.raises(Unreachable, match="cannot be written"):
            splits.open(folder).take("r3", [LIVE.model_copy(update={"live": "web@0"})])
        assert split.get().weight == 100
        share = splits.open(folder).take("aborted", [LIVE])
    assert (share.weight, split.get(), splits.settled(at(folder, LIVE))) == (0, share, True)


def test_the_way_back_from_a_broken_file(folder: dict[str, Any]):
    """A file that became unreadable on the way up does not hold up the way back."""
    split = splits.open(folder)
    split.take("r2", [BOTH])
    split.set(25)
    (Path(folder["folder"]) / "rds.json").write_text("{")
    with pytest.raises(Unreachable):
        split.set(50)
    assert split.set(0) == split.get()


def test_an_unknown_splitter():
    """A descriptor of a kind that nobody knows is an error."""
    with pytest.raises(ValueError, match=r"^no splitter of kind 'nginx', known is 'envoy'$"):
        splits.open({"kind": "nginx"})


# writers at once

WRITER = """
import sys
from sluice.core.errors import Superseded
from sluice.core.split import Route
from sluice.systems.splits.envoy import EnvoySplit
folder, name = sys.argv[1:]
split, route = EnvoySplit(folder, ""), Route(service="web", prefix="/", live="web@1", canary=name)
wins = losses = 0
for _ in range(60):
    taken = split.take(name, [route])
    try:
        seen = split.set(50)
        assert (seen.release, seen.routes[0].canary, seen.owner) == (name, name, split.owner), seen
        wins += 1
    except Superseded:
        losses += 1
print(wins, losses)
"""


def test_processes_at_once(folder: dict[str, Any]):
    """Deployers that fight for the split never mix: a weight is written for the release that was taken, or refused."""
    names = ("one", "two", "three")
    argv = [sys.executable, "-c", WRITER, folder["folder"]]
    running = [subprocess.Popen([*argv, name], stdout=subprocess.PIPE, text=True) for name in names]
    told = [process.communicate(timeout=120)[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert [int(wins) + int(losses) for wins, losses in told] == [60, 60, 60]
    last = splits.open(folder).get()
    assert (last.weight, last.release) in {(weight, name) for weight in (0, 50) for name in names}
    assert last.routes[0].canary == last.release
    assert not [path for path in Path(folder["folder"]).iterdir() if path.name not in ("rds.json", "back.json", "split.lock")]


def test_threads_at_once(folder: dict[str, Any]):
    """After a takeover not one write of the old owner comes through, however many were on their way."""
    old, new = splits.open(folder), splits.open(folder)
    old.take("r2", [BOTH])
    begun, refused = threading.Event(), []

    def write() -> None:
        for weight in range(1, 100):
            try:
                old.set(weight)
            except Superseded:
                refused.append(weight)
            if weight > 5:
                begun.set()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    new.take("r3", [BOTH])
    for thread in threads:
        thread.join()
    assert refused
    assert (new.get().weight, new.get().release) == (0, "r3")


def test_a_reader_never_sees_half(folder: dict[str, Any]):
    """While one writes, others read whole shares, and never nothing."""
    split = splits.open(folder)
    split.take("r2", [BOTH])
    writer = threading.Thread(target=lambda: [split.set(weight % 101) for weight in range(200)])
    writer.start()
    seen = {split.get().release for _ in range(2000)}
    writer.join()
    assert seen == {"r2"}


# in the world


@pytest.mark.embedded
def test_confirmed_is_applied(front: Front):
    """When a write is confirmed, the very next request goes where it says; before, Envoy has not seen it."""
    split = front.divide("r2", BOTH)
    for weight, version in ((100, "web@2"), (0, "web@1"), (100, "web@2")):
        assert split.confirm(split.set(weight), 5)
        assert answer(front) == (200, version)
    assert not split.confirm(Share(revision="never written"), 0.2)


@pytest.mark.embedded
def test_restore(front: Front):
    """All traffic goes to the live versions, whoever owned the split; where it is there already nothing is written."""
    split = front.divide("r2", BOTH)
    assert split.confirm(split.set(100, BETA), 5)
    back = splits.restore(front.descriptor([LIVE]), "r1")
    assert (back.weight, back.cohort, back.release) == (0, None, "r1")
    assert answer(front, **{"x-beta": "1"}) == (200, "web@1")
    assert splits.settled(front.descriptor([LIVE]))
    assert splits.restore(front.descriptor([LIVE]), "r3") == back
    with pytest.raises(Superseded):
        split.set(10)


@pytest.mark.embedded
def test_clear(front: Front):
    """A release keeps the share that is its own, and takes away that of any other."""
    front.divide("r2", BOTH, 25)
    assert splits.clear(front.descriptor([LIVE]), "r2").weight == 25
    cleared = splits.clear(front.descriptor([LIVE]), "r3")
    assert (cleared.weight, cleared.routes, cleared.release) == (0, [LIVE], "before r3")
    assert answer(front) == (200, "web@1")


@pytest.mark.embedded
def test_aborted_before(front: Front):
    """A release that moves no traffic is not taken for the one that was aborted before it."""
    front.divide("r2", BOTH, 25)
    descriptor = front.descriptor([LIVE])
    splits.abort(descriptor, "by hand")
    splits.clear(descriptor, "r3")
    splits.restore(descriptor, "r3")
    assert (splits.aborted(descriptor), answer(front)) == ("", (200, "web@1"))


@pytest.mark.embedded
def test_abort(front: Front):
    """A step that fails after the canary takes all traffic back, and the share says why."""
    split = front.divide("r2", BOTH, 100)
    splits.abort(front.descriptor([LIVE]), "smoke: " + "login failed " * 20)
    assert answer(front) == (200, "web@1")
    assert split.get().release.startswith("aborted: smoke: login failed login failed")
    assert len(split.get().release) == 80


@pytest.mark.embedded
def test_doors_are_closed(front: Front):
    """Closed doors answer 503 though the versions behind them still run, also when it is said twice."""
    front.serve("web@1")
    splits.restore(front.descriptor([LIVE]), "r1")
    assert answer(front) == (200, "web@1")
    for _ in range(2):
        splits.close(front.descriptor([LIVE]))
        assert answer(front) == (503, None)


@pytest.mark.embedded
def test_close_without_a_splitter(front: Front):
    """Doors are closed for good also when the proxy is gone; putting traffic back says that nobody follows."""
    front.kill("envoy")
    splits.close(front.descriptor([LIVE]))
    assert splits.open(front.split).get().routes == [LIVE.model_copy(update={"live": None})]
    with pytest.raises(Unreachable) as caught:
        splits.restore(front.descriptor([LIVE]), "r1")
    assert str(caught.value) == f"envoy's admin socket '{front.admin}' does not answer (ConnectError): is the proxy up?"


@pytest.mark.embedded
def test_a_splitter_that_does_not_follow(front: Front, monkeypatch: pytest.MonkeyPatch):
    """A proxy that runs and does not apply what was written is an error, not a success."""
    monkeypatch.setattr(splits, "FOLLOW", 0.2)
    # Envoy refuses a route without a prefix, and goes on with what it had.
    monkeypatch.setattr("sluice.core.commands.envoy._nowhere", lambda share: {"match": {}})
    with pytest.raises(Unreachable) as caught:
        splits.restore(front.descriptor([LIVE]), "r1")
    assert str(caught.value) == "the splitter did not follow within 0 s: all traffic should be on the live versions; check the proxy"


@pytest.mark.embedded
def test_paths_that_nobody_has(front: Front):
    """What no service has is answered by the door itself, in its own words: 503 before anything is live, then 404."""
    nothing = httpx.get(front.url + "/elsewhere")
    assert (nothing.status_code, nothing.text, nothing.headers.get("x-version")) == (503, "no version is live yet\n", None)
    front.serve("web@1")
    splits.restore(front.descriptor([LIVE]), "r1")
    for path in ("/elsewhere", "/", "/web"):
        stray = httpx.get(front.url + path)
        assert (stray.status_code, stray.text, stray.headers.get("x-version")) == (404, "no service has this path\n", None)
    assert answer(front, "/web/") == (200, "web@1")


@pytest.mark.embedded
def test_the_longest_door(front: Front):
    """A door inside another one leads to its own service."""
    for name in ("web@1", "api@1"):
        front.serve(name)
    routes = [Route(service="web", prefix="/", live="web@1"), Route(service="api", prefix="/api/", live="api@1")]
    splits.restore(front.descriptor(routes), "r1")
    assert [answer(front, path)[1] for path in ("/", "/api/", "/api/x", "/api")] == ["web@1", "api@1", "api@1", "web@1"]


@pytest.mark.embedded
def test_figures(front: Front):
    """Figures are those of each version by name; one that Envoy does not know has none."""
    front.serve("web@1")
    new = front.serve("web@2", FAIL_RATE="1")
    split = splits.open(front.split)
    split.take("r2", [BOTH])
    assert split.confirm(split.set(100), 5)
    for _ in range(7):
        assert answer(front) == (500, "web@2")
    unknown = new.model_copy(update={"name": "web@9"})
    asked = [front.versions["web@1"], new, unknown]
    wait(lambda: split.figures(asked)["web@2"].latency.total == 7)
    figures = split.figures(asked)
    assert [(name, one.total, one.errors, one.latency.total) for name, one in figures.items()] == [
        ("web@1", 0, 0, 0),
        ("web@2", 7, 7, 7),
        ("web@9", 0, 0, 0),
    ]


def test_the_descriptor_names_the_route(folder: dict[str, Any]):
    """A descriptor without a route's name means the one that Sluice writes."""
    split = splits.open(folder)
    assert isinstance(split, EnvoySplit)
    assert (split.route, split.admin) == ("front", folder["admin"])
    split.take("r2", [BOTH])
    assert json.loads((Path(folder["folder"]) / "rds.json").read_text())["resources"][0]["name"] == "front"
