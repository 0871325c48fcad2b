"""squawk itself, as it is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sluice.core.migration.file import Migration, parse
from sluice.systems import squawk
from sluice.systems.squawk import lint


def migration(text: str, name: str = "1_a") -> Migration:
    return parse(name, text, "select 1")


def test_lint():
    """Each file is asked about by itself; what our own rules say already is left out."""
    text = "alter table users\n  alter a drop not null;\ncreate index on users (a)"
    found, note = lint([migration(text), migration("select 1", "2_b")])
    assert note == ""
    assert [(one.rule, one.line) for one in found["1"]] == [("ban-drop-not-null", 2)]
    assert found["2"] == []


def test_a_backfill():
    """A file with `:batch`, which is no SQL, is read with the number in its place."""
    text = "-- backfill: batch=10\nupdate users set a = 1 where id in (select id from users where a is null limit :batch)"
    assert lint([migration(text)]) == ({"1": []}, "")


def test_missing(monkeypatch: pytest.MonkeyPatch):
    """Without the program there is a sentence that says what to do, and no finding."""
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    assert lint([migration("select 1")]) == ({}, "squawk is not installed, so its rules were not asked: run pip install squawk-cli")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 3", "exit code 3"),
        ("echo nonsense", "Expecting value: line 1 column 1 (char 0)"),
        ("sleep 9", "it took more than 0.1 s"),
    ],
)
def test_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str):
    """A program that fails, says something else or hangs gives no answer, which is told."""
    program = tmp_path / "squawk"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(squawk, "binary", lambda: str(program))
    monkeypatch.setattr(squawk, "SHORT", 0.1 if "sleep" in script else 5.0)
    assert lint([migration("select 1")]) == ({}, f"squawk gave no answer, so its rules were not asked: {why}")


def test_not_to_be_started(monkeypatch: pytest.MonkeyPatch):
    """A program that cannot be started is told."""
    monkeypatch.setattr(squawk, "binary", lambda: "/nonexistent/squawk")
    assert lint([migration("select 1")])[1].startswith(
        "squawk gave no answer, so its rules were not asked: '/nonexistent/squawk' cannot be started"
    )
