"""What the keeper writes to the journal, and that nothing there stops it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from sluice.core.journal import Actor, Event, Happened, Source
from sluice.core.lease import Lease
from sluice.core.moment import Moment
from sluice.systems import journal
from sluice.systems.keeper.diary import Diary

AT = 1_700_000_000.0


def lease(path: Path, **more: Any) -> Lease:
    source = Source(path=str(path), stack="production", run="r1", actor=Actor(user="ada", host="vm", git="4f2a"))
    return Lease.model_validate({"release": "1-a", "owner": "o", "rollout": {}, "heartbeat": 10, "journal": source.text, **more})


def told(path: Path) -> list[Event]:
    return journal.read(path)[0]


def test_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A line belongs to the update that has left the lease, the keeper has written it, and no secret of the lease is in it."""
    monkeypatch.setenv("HOOK", "https://pl4nted.example.org")
    path, said = tmp_path / "journal.jsonl", list[str]()
    diary = Diary(lease(path, notify=[{"kind": "slack", "url": "env:HOOK"}]), said.append)
    diary(AT, Happened.JUDGED, "by https://pl4nted.example.org", {"step": 10})
    assert not diary.told
    diary.back(AT + 1, "error rate", followed=True)
    diary.back(AT + 2, "again", followed=True)
    shared = {"stack": "production", "release": "1-a", "run": "r1", "moment": Moment.CANARY}
    shared["actor"] = Actor(user="keeper", host=socket.gethostname())
    assert [(event.at.timestamp(), event.event.value, event.text, event.figures) for event in told(path)] == [
        (AT, "judged", "by ***", {"step": 10}),
        (AT + 1, "shifted", "0 %", {"weight": 0}),
        (AT + 1, "aborted", "error rate", {"weight": 0}),
    ]
    assert all({name: getattr(event, name) for name in shared} == shared for event in told(path))
    assert (diary.told, said) == (True, [])


def test_not_followed(tmp_path: Path):
    """What the splitter has not confirmed is no weight that it follows; that the traffic was taken back is written all the same."""
    path = tmp_path / "journal.jsonl"
    Diary(lease(path), print).back(AT, "why", followed=False)
    assert [event.event for event in told(path)] == [Happened.ABORTED]


@pytest.mark.parametrize("where", ["folder", "nonsense"])
def test_it_cannot_write(tmp_path: Path, where: str):
    """A journal that cannot be written, or of which nothing can be read, is told, and stops nothing; it is tried again."""
    said = list[str]()
    one = lease(tmp_path) if where == "folder" else lease(tmp_path, journal="nonsense")
    diary = Diary(one, said.append)
    diary.back(AT, "why", followed=False)
    why = (
        f"the journal '{tmp_path}' cannot be written (Is a directory)"
        if where == "folder"
        else "the journal was not written: ValidationError"
    )
    assert (diary.told, said) == (False, [why])


def test_nowhere():
    """A lease without a journal, of a canary on its own, is kept without one."""
    said = list[str]()
    Diary(lease(Path("/none"), journal=""), said.append).back(AT, "why", followed=True)
    assert said == []
