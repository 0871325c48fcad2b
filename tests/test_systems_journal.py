"""The journal's file under many writers, kills, a full disk, and readers."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluice.core.errors import Unreachable
from sluice.core.journal import Actor, Event, Happened
from sluice.core.moment import Moment
from sluice.systems import journal

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
WRITER = """
import sys
from pathlib import Path
from tests.test_systems_journal import event
from sluice.systems import journal
path, name, count, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
print("ready", flush=True)
for number in range(count):
    journal.append(path, event(f"{name} {number} " + "x" * size).line())
"""


def event(text: str) -> Event:
    actor = Actor(user="ada", host="vm")
    return Event(at=NOON, stack="s", release="1-a", moment=Moment.CANARY, event=Happened.LOOKED, actor=actor, text=text)


def writer(path: Path, name: str, count: int, size: int = 10) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", WRITER, str(path), name, str(count), str(size)]
    child = subprocess.Popen(argv, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    return child


def test_there_and_back(tmp_path: Path):
    """What is appended is read, in order; a journal that is not there has no events."""
    path = tmp_path / "deep" / "journal.jsonl"
    assert journal.read(path) == ([], 0)
    for text in ("a", "b"):
        journal.append(path, event(text).line())
    events, skipped = journal.read(path)
    assert ([one.text for one in events], skipped) == (["a", "b"], 0)


def test_many_writers(tmp_path: Path):
    """Four processes append at once: every line of each is there, whole, in its order."""
    path = tmp_path / "journal.jsonl"
    children = [writer(path, name, 100, 5000) for name in "abcd"]
    assert [child.wait(60) for child in children] == [0, 0, 0, 0]
    events, skipped = journal.read(path)
    assert skipped == 0
    for name in "abcd":
        numbers = [int(one.text.split()[1]) for one in events if one.text.startswith(name)]
        assert numbers == list(range(100))


def test_killed_writers(tmp_path: Path):
    """Writers are killed at work, one after the other: at most one line of each is torn, and no line of the others is lost."""
    path = tmp_path / "journal.jsonl"
    steady = writer(path, "steady", 150, 2000)
    for round_ in range(5):
        victim = writer(path, f"victim{round_}", 100000, 2000)
        time.sleep(0.05)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    assert steady.wait(60) == 0
    events, skipped = journal.read(path)
    assert [int(one.text.split()[1]) for one in events if one.text.startswith("steady ")] == list(range(150))
    assert skipped <= 5
    for round_ in range(5):
        numbers = [int(one.text.split()[1]) for one in events if one.text.startswith(f"victim{round_} ")]
        assert numbers == list(range(len(numbers)))


def test_a_torn_line(tmp_path: Path):
    """A torn last line is skipped and counted, and the next writer begins on a line of its own."""
    path = tmp_path / "journal.jsonl"
    journal.append(path, event("a").line())
    with path.open("a") as file:
        file.write(event("torn").line()[:40])
    assert [one.text for one in journal.read(path)[0]] == ["a"]
    journal.append(path, event("b").line())
    events, skipped = journal.read(path)
    assert ([one.text for one in events], skipped) == (["a", "b"], 1)


def test_a_writer_that_stands_still(tmp_path: Path):
    """Whoever holds the lock for ever holds nobody up for long."""
    path = tmp_path / "journal.jsonl"
    journal.append(path, event("a").line())
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        begun = time.monotonic()
        journal.append(path, event("b").line())
        assert time.monotonic() - begun < 2
    assert [one.text for one in journal.read(path)[0]] == ["a", "b"]


def test_a_full_disk(tmp_path: Path):
    """A line that does not fit is taken back whole, and the error says which file and how much of it went."""
    path = tmp_path / "journal.jsonl"
    journal.append(path, event("a").line())
    size = path.stat().st_size
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))
    try:
        with pytest.raises(Unreachable) as caught:
            journal.append(path, event("b" * 500).line())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert str(caught.value).startswith(f"the journal '{path}' cannot be written (20 of ")
    assert path.stat().st_size == size


def test_no_place(tmp_path: Path):
    """A journal where there can be none is one clear line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable, match=r"^the journal '.*/file/journal.jsonl' cannot be written \(\w[^)]*\)$"):
        journal.append(tmp_path / "file" / "journal.jsonl", "{}")
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unreachable, match=r"^the journal '.*/folder' cannot be read \(Is a directory\)$"):
        journal.read(tmp_path / "folder")


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What inputs refer to is known: variables, files, the passwords of a passfile; and what the environment calls a secret."""
    for name in [name for name in os.environ if any(word in name.upper() for word in journal.TELLING)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOOK", "https://hooks/T0KEN")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse")
    monkeypatch.setenv("SHORT_TOKEN", "abc")
    (tmp_path / "key").write_text("pl4nted\n")
    (tmp_path / "pass").write_text("*:*:*:*:p\\:ss\\\\word\n# comment\n")
    given = {
        "notify": [{"kind": "slack", "url": "env:HOOK"}, {"kind": "slack", "url": "env:NOT_THERE"}],
        "journeys": [{"headers": {"authorization": f"file:{tmp_path}/key"}}],
        "databases": {"shop": {"passfile": str(tmp_path / "pass"), "port": 5432}, "other": {"passfile": "/nowhere"}},
    }
    assert set(journal.secrets(given)) == {"https://hooks/T0KEN", "pl4nted", "p:ss\\word", "correct horse"}
