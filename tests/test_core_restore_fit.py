"""Whether code runs with what a restore brings."""

from __future__ import annotations

import pytest

from sluice.core.migration.file import Migration, parse
from sluice.core.restore.fit import ahead, unfit

FILES = [
    parse("0001_a", "create table a (id int);", "drop table a;"),
    parse("0002_b", "alter table a add column b int;", "alter table a drop column b;"),
    parse("0003_c", "-- phase: contract\nalter table a drop column id;", None),
    parse("0004_d", "alter table a add column d int;", "alter table a drop column d;"),
]
IDS = [one.id for one in FILES]


def until(id: str) -> list[Migration]:
    return FILES[: IDS.index(id) + 1] if id in IDS else []


def why(revision: str, target: str, *, settled: bool = False) -> str:
    return unfit(revision, target, known=IDS, wanted=until(target), there=until(revision), settled=settled)


@pytest.mark.parametrize(("revision", "target"), [("0002", "0002"), ("0002", "0001"), ("0001", "0002"), ("", "0003"), ("0002", "0003")])
def test_fits(revision: str, target: str):
    """Code runs with its own revision, with what expands have added, and with what is behind, once expand and settle have run."""
    assert why(revision, target) == ""


@pytest.mark.parametrize(
    ("revision", "target", "settled", "said"),
    [
        (
            "0003", "0002", False,
            "is then at '0003', and what runs with '0002' does not run with '0003_c': name a backup from before",
        ),
        (
            "0001", "0002", True,
            "is then at '0001', and a live release runs no migrations ('0002_b'): release it under another version",
        ),
        (
            "0001", "0004", False,
            "is then at '0001', from where '0004_d' cannot expand before '0003_c', a contract: release '0003' first, with this restore",
        ),
        ("0009", "0002", False, "is then at '0009', which is no file here: release from a checkout that has it"),
    ],
)  # fmt: skip
def test_unfit(revision: str, target: str, settled: bool, said: str):
    """What it does not run with is told, with what to do; a live release migrates nothing."""
    assert why(revision, target, settled=settled) == said


def test_ahead():
    """A restored database is ahead of a revision that does not need its own."""
    assert [ahead(id, until("0002")) for id in ("", "0001", "0002", "0003")] == [False, False, False, True]
