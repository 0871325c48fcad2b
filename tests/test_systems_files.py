"""Files that are whole or not there."""

import json
import threading

import pytest

from sluice.core.errors import Unreachable
from sluice.core.reading import NoData, Number
from sluice.systems import files
from tests.fixtures.grip import held


def test_write(tmp_path):
    """A file is replaced in one step, with the mode asked for, and nothing is left beside it."""
    path = tmp_path / "secret"
    files.write(path, "old")
    files.write(path, "new", mode=0o600)
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_write_fails(tmp_path):
    """A write that fails leaves the old content and no temporary file."""
    path = tmp_path / "file"
    files.write(path, "old")
    with pytest.raises(TypeError):
        files.write(path, 1)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_lock(tmp_path):
    """Changes under the lock are not lost, also between threads of one process."""
    path = tmp_path / "count.json"
    files.write(path, "0")

    def count() -> None:
        for _ in range(20):
            with files.lock(tmp_path / "lock"):
                files.write(path, json.dumps(files.read(path) + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files.read(path) == 80


def test_lock_that_stays(tmp_path):
    """Who does not let go is named after a while, and nothing of the block has run; once it has, the lock is there."""
    path = tmp_path / "lock"
    with held(path) as pid, pytest.raises(Unreachable) as error, files.lock(path, limit=0.1):
        raise AssertionError("it ran without the lock")
    ways = f"`kill -CONT {pid}` lets it go on, `kill -9 {pid}` ends it; then try again"
    assert str(error.value) == f"'{path}' was not free within 0.1 s: pid {pid} holds it, and is stopped: {ways}"
    with files.lock(path, limit=0.1):
        pass


def test_read(tmp_path):
    """A missing file is None; one that is no JSON is an error that names it."""
    assert files.read(tmp_path / "none") is None
    (tmp_path / "bad").write_text("{")
    with pytest.raises(Unreachable) as error:
        files.read(tmp_path / "bad")
    assert str(error.value) == f"'{tmp_path}/bad' cannot be read as JSON (JSONDecodeError): restore or remove it"


def test_tail(tmp_path):
    """The last lines are those after a mark, without empty ones; a log that was rotated is read from its beginning."""
    log = tmp_path / "log"
    log.write_text("a\nb\n\nc\n")
    assert files.tail(log, 2) == ["b", "c"]
    assert files.tail(log, 5, since=4) == ["c"]
    assert files.tail(log, 5, since=100) == ["a", "b", "c"]
    assert files.tail(tmp_path / "none", 5) == []


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "run.sh").write_text("echo")
    (folder / "sub" / "data").write_text("1")
    return folder


def test_digest(source):
    """The digest follows names, contents, executable bits and links, and not what running leaves behind."""
    seen = [files.digest(source)]
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "x.pyc").write_text("x")
    assert files.digest(source) == seen[0]
    (source / "sub" / "data").write_text("2")
    seen.append(files.digest(source))
    (source / "run.sh").chmod(0o755)
    seen.append(files.digest(source))
    (source / "link").symlink_to("run.sh")
    seen.append(files.digest(source))
    (source / "link").rename(source / "other")
    seen.append(files.digest(source))
    assert len(set(seen)) == 5


def test_copy(tmp_path, source):
    """A copy has the source's digest, and stays what it is when the source changes."""
    target, digest = tmp_path / "copy", files.digest(source)
    files.copy(source, target, expected=digest)
    (source / "run.sh").write_text("changed")
    files.copy(source, target, expected=digest)
    assert files.digest(target) == digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]


def test_copy_changed(tmp_path, source):
    """A source that is not what was declared is refused, and nothing is left."""
    seen = files.digest(source)
    with pytest.raises(Unreachable) as error:
        files.copy(source, tmp_path / "copy", expected="0" * 64)
    known = f"(SHA-256 {seen[:12]}, expected 000000000000)"
    assert str(error.value) == f"'{source}' has changed since it was declared {known}: run `pulumi up` again"
    assert list(tmp_path.iterdir()) == [source]


def test_copy_gone(tmp_path):
    """A source that is gone is named."""
    with pytest.raises(Unreachable) as error:
        files.copy(tmp_path / "gone", tmp_path / "copy", expected="")
    assert str(error.value) == f"the folder '{tmp_path}/gone' does not exist: bring it back, or point the artifact to where it is"


def test_ask(tmp_path):
    """Size, age and free space are answered; a missing file is no data, and an unknown question an error."""
    path = tmp_path / "file"
    path.write_text("12345")
    assert files.ask("files.size", {"path": str(path)}, 1) == Number(value=5.0, evidence=str(path))
    assert 0 <= files.ask("files.age", {"path": str(path)}, 1).value < 60
    assert files.ask("files.free", {"path": str(tmp_path)}, 1).value > 0
    assert files.ask("files.size", {"path": "/nowhere"}, 1) == NoData("'/nowhere' does not exist")
    with pytest.raises(ValueError, match=r"^unknown question 'files\.colour': known are files\.age, files\.size, files\.free$"):
        files.ask("files.colour", {"path": "/"}, 1)
