"""Reading a log from its end."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.systems import tail
from sluice.systems.tail import backwards


def test_order(tmp_path: Path):
    """Lines come newest first, empty ones left out, one without its line break included."""
    log = tmp_path / "a.log"
    log.write_bytes(b"one\r\n\ntwo\nthr")
    assert list(backwards(log)) == ["thr", "two", "one"]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=9)), st.integers(1, 7))
def test_blocks(tmp_path_factory: pytest.TempPathFactory, lines: list[str], block: int):
    """Wherever the blocks' borders fall, in a line, a letter or a line break, the lines are whole."""
    log = tmp_path_factory.mktemp("log") / "a.log"
    log.write_text("".join(f"{line}\n" for line in lines), newline="\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "BLOCK", block)
        assert list(backwards(log)) == lines[::-1]


def test_rotated(tmp_path: Path):
    """Rotated files follow, oldest last, until a number is missing."""
    log = tmp_path / "a.log"
    for number, text in enumerate(["new", "old", "older"]):
        (tmp_path / f"a.log.{number}" if number else log).write_text(f"{text}\n")
    (tmp_path / "a.log.4").write_text("lost\n")
    assert list(backwards(log)) == ["new", "old", "older"]


def test_offset(tmp_path: Path):
    """From an offset on, only what was written after it is read, and no rotated file."""
    log = tmp_path / "a.log"
    (tmp_path / "a.log.1").write_text("older\n")
    log.write_text("before\n")
    offset = log.stat().st_size
    with log.open("a") as file:
        file.write("after\n")
    assert list(backwards(log, offset=offset)) == ["after"]


def test_offset_rotated(tmp_path: Path):
    """A file that is shorter than the offset was rotated: the place is in the one before, and nothing older counts."""
    log = tmp_path / "a.log"
    log.write_text("new\n")
    (tmp_path / "a.log.1").write_text("before that\nafter\n")
    (tmp_path / "a.log.2").write_text("older\n")
    assert list(backwards(log, offset=len("before that\n"))) == ["new", "after"]


def test_memory(tmp_path: Path):
    """The end of a large file is reached without reading it."""
    log = tmp_path / "a.log"
    with log.open("wb") as file:
        file.truncate(2**32)
        file.seek(0, 2)
        file.write(b"\nlast\n")
    tracemalloc.start()
    assert next(backwards(log)) == "last"
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
