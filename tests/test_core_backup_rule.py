"""Rules about backups."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.backup.manifest import Backup, Rehearsed
from sluice.core.backup.rule import apart, differs, empty, expendable, hollow, joint, mutual, stale, unfit, unrehearsed
from tests.test_core_backup_manifest import ID, drilled, manifest

SEEN = {"rows": {"public.a": 3, "public.b": 0}, "sequences": {"public.s": 6}, "shape": "a" * 64}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (1000.0, ""),
        (1900.0, ""),
        (1901.0, f"backup {ID} has been ready for 901 s, at most 900 s are allowed: make another"),
        (940.0, ""),
        (939.0, f"backup {ID} is from 61 s in the future: set the clocks right, then make another"),
    ],
)
def test_stale(now: float, said: str):
    """A backup is relied on for 15 minutes from when it was ready; one from the future is a clock's mistake, not a fresh one."""
    assert stale(ID, 1000.0, now) == said


def test_most():
    """How old it may be can be said."""
    assert stale(ID, 1000.0, 1011, most=10) == f"backup {ID} has been ready for 11 s, at most 10 s are allowed: make another"


def test_unfit():
    """A backup protects for one release, on one server, once it was proved and the files were rehearsed on it."""
    asked = {"database": "shop", "release": "r1", "system": "7"}
    made = Backup(folder="f", manifest=manifest(for_release="r1"))
    ready = made.model_copy(update={"drilled": drilled(), "rehearsed": Rehearsed(steps={}, histories={})})
    assert unfit(ready, **asked) == ""
    assert unfit(ready, **{**asked, "release": "r2"}) == f"backup '{ID}' of 'shop' was made for release 'r1', not for 'r2'"
    assert unfit(ready, **{**asked, "system": "8"}) == f"backup '{ID}' of 'shop' is from system 7, and the server is system 8"
    assert unfit(made, **asked) == f"backup '{ID}' of 'shop' has not been restored and compared"
    assert unfit(made.model_copy(update={"drilled": drilled()}), **asked) == f"nothing was rehearsed on backup '{ID}' of 'shop'"


def test_unrehearsed():
    """Only the steps that were rehearsed, all of them and in their order, may run, and on the history that they were rehearsed on."""
    seen = Rehearsed(steps={"expand": ("up 0001_a x", "up 0002_b y")}, histories={"expand": "h"})
    asked = {"contents": ("up 0001_a x", "up 0002_b y"), "history": "h"}
    assert unrehearsed(seen, "expand", **asked) == ""
    other = unrehearsed(seen, "expand", **{**asked, "contents": ("up 0001_a z", "up 0003_c y")})
    assert other == "'0001_a', '0003_c' is not what was rehearsed for expand: its file has changed since, or was not there"
    moved = "the history of migrations is not the one that expand was rehearsed on: somebody has migrated since"
    assert unrehearsed(seen, "expand", **{**asked, "history": "i"}) == moved
    assert unrehearsed(seen, "expand", **{**asked, "contents": ("up 0002_b y",)}) == moved
    assert "is not what was rehearsed for settle" in unrehearsed(seen, "settle", **asked)


def test_large():
    """Large objects are data: with one a backup is not hollow, and they are compared by number and contents where both are known."""
    one = manifest(rows={}, large=(1, "a"))
    assert hollow(one) == ""
    seen = {**SEEN, "rows": {}}
    assert differs(one, **seen, large=(1, "a")) == differs(one, **seen, large=(1, "")) == []
    assert differs(one, **seen, large=(0, "")) == ["large objects: 0 in the copy, 1 in the manifest"]
    assert differs(one, **seen, large=(1, "b")) == ["large objects: other contents in the copy than in the manifest"]
    assert differs(manifest(), **SEEN, large=(5, "")) == []


def test_empty():
    """Tables without rows are as empty as no table."""
    assert empty({})
    assert empty({"public.a": 0})
    assert not empty({"public.a": 0, "public.b": 1})


def test_hollow():
    """A backup without rows is none, unless it was the first deployment."""
    wanted = f"backup {ID} of 'shop' holds no row, which is right on a first deployment only: was it the right database?"
    assert hollow(manifest(rows={"public.a": 0})) == wanted
    assert hollow(manifest(rows={})) == wanted
    assert hollow(manifest(rows={}, first=True)) == ""
    assert hollow(manifest()) == ""


@pytest.mark.parametrize("value", [5, 6, 7])
def test_same(value: int):
    """A copy is the same when every count is, and each sequence stands where it did at some moment of the dump."""
    assert differs(manifest(), **{**SEEN, "sequences": {"public.s": value}}) == []


def test_backwards():
    """A sequence that counts down is compared in its own direction."""
    down = manifest(sequences={"public.s": (-5, -7)})
    assert differs(down, **{**SEEN, "sequences": {"public.s": -6}}) == []
    assert differs(down, **{**SEEN, "sequences": {"public.s": -4}}) == ["sequence public.s: -4 in the copy, -7 to -5 in the manifest"]


def test_differs():
    """Every difference is told, not the first alone."""
    assert differs(
        manifest(sequences={"public.s": (5, 5), "public.t": (1, 1)}),
        rows={"public.a": 2, "public.c": 4},
        sequences={"public.s": 6, "public.u": 1},
        shape="f" * 64,
        change=["-old", "+new"],
    ) == [
        "table public.a: 2 rows in the copy, 3 in the manifest",
        "table public.b: not in the copy, 0 rows in the manifest",
        "table public.c: 4 rows in the copy, not in the manifest",
        "sequence public.s: 6 in the copy, 5 in the manifest",
        "sequence public.t: not in the copy",
        "sequence public.u: not in the manifest",
        "schema: SHA-256 ffffffffffff in the copy, aaaaaaaaaaaa in the manifest\n    -old\n    +new",
    ]


def backups(*words: str) -> list[Backup]:
    """Make backups oldest first: v is verified, u is not; the id is the place in the list."""
    made = [manifest(id=str(place), made_at=float(place)) for place in range(len(words))]
    return [Backup(folder="/f", manifest=one, drilled=drilled() if word == "v" else None) for one, word in zip(made, words, strict=True)]


@pytest.mark.parametrize(
    ("words", "needed", "keep", "gone"),
    [
        ("vvv", [], 2, "0"),
        ("vvv", [], 0, "01"),  # the last verified one always stays
        ("vvv", ["0"], 1, "1"),
        ("vuu", [], 1, ""),  # what failed since counts for nothing
        ("uvuv", [], 1, "012"),
        ("uvuv", [], 2, "0"),
        ("uv", ["0"], 1, ""),
        ("uuu", [], 1, ""),
        ("vv", [], 3, ""),
        ("", [], 1, ""),
    ],
)
def test_expendable(words: str, needed: list[str], keep: int, gone: str):
    """Verified ones beyond `keep` go, oldest first, and unverified ones that are older than all that stay."""
    assert [one.id for one in expendable(backups(*words)[::-1], needed, keep)] == list(gone)


@given(st.lists(st.sampled_from("vu"), max_size=8), st.sets(st.integers(0, 7)), st.integers(0, 4))
def test_never(words: list[str], needed: set[int], keep: int):
    """Whatever there is, neither the last verified one nor a needed one goes, and `keep` verified ones are left."""
    made, wanted = backups(*words), {str(one) for one in needed}
    gone = expendable(made, wanted, keep)
    proven = [one for one in made if one.verified]
    assert not (proven and proven[-1] in gone)
    assert not wanted & {one.id for one in gone}
    assert len([one for one in proven if one not in gone]) >= min(keep, len(proven))
    assert all(first.manifest.made_at < second.manifest.made_at for first, second in itertools.pairwise(gone))


def test_mutual():
    """Several backups are consistent with each other only when they share a moment; the sentence says who was writing then."""
    facts = {"joint": "7:7:", "idle": True}
    shop, mail = manifest(**facts), manifest(database="mail", made_at=1000.0123, **facts)
    assert mutual([mail]) == "'mail': consistent in itself, its snapshot is one moment"
    assert mutual([shop, mail]) == "'shop', 'mail': consistent with each other, of one moment at which nobody was writing"
    held = [one.model_copy(update={"paused": True, "idle": False}) for one in (shop, mail)]
    assert mutual(held) == "'shop', 'mail': consistent with each other, of one moment for which writers were held up"
    open = [one.model_copy(update={"idle": False}) for one in (shop, mail)]
    assert mutual(open) == (
        "'shop', 'mail': of one moment, at which transactions were open: what is written to several by several may be there in part"
    )


def test_apart():
    """What several copies do not agree in is told with what each has; what only one was asked for is no difference."""
    found = {"shop": {"users": "3", "orders": "1"}, "mail": {"users": "4", "orders": "1"}, "else": {"mails": "9"}}
    made = [
        Backup(folder="/f", manifest=manifest(database=name), drilled=drilled().model_copy(update={"agreed": agreed}))
        for name, agreed in found.items()
    ]
    assert apart(made) == ["'users' is 3 in 'shop', 4 in 'mail'"]
    assert apart([made[0], made[2], Backup(folder="/f", manifest=manifest())]) == []


@pytest.mark.parametrize(
    ("shop", "mail", "fit"),
    [
        ({"joint": "7", "idle": True}, {"joint": "7", "idle": True}, True),
        ({"joint": "7", "paused": True}, {"joint": "7", "paused": True}, True),
        ({"joint": "7", "idle": True}, {"joint": "7"}, False),
        ({"joint": "7", "idle": True}, {"joint": "8", "idle": True}, False),
        ({"idle": True}, {"idle": True}, False),
    ],
)
def test_joint(shop: dict[str, Any], mail: dict[str, Any], fit: bool):
    """Only what was saved as of one moment, at which nobody was writing, must fit together."""
    assert joint([manifest(**shop), manifest(database="mail", **mail)]) is fit


@pytest.mark.parametrize("joints", [("", ""), ("7:7:", "7:8:"), ("7:7:", "")])
def test_not_mutual(joints: tuple[str, str]):
    """Backups of two moments, or of none that is known, are not consistent with each other, whoever was held up."""
    shop, mail = manifest(joint=joints[0], paused=True), manifest(database="mail", joint=joints[1], made_at=1000.0123, paused=True)
    assert mutual([shop, mail]) == (
        "'shop', 'mail': not consistent with each other, somebody wrote between the snapshots, which are 0.012 s apart"
    )
