"""Where secrets are."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.core.errors import Unreachable
from sluice.systems.secret import resolve


def test_variable(monkeypatch: pytest.MonkeyPatch):
    """A variable's value is the secret, as it is."""
    monkeypatch.setenv("PLANTED", " hunter2 ")
    assert resolve("env:PLANTED").reveal() == " hunter2 "


@pytest.mark.parametrize(
    ("content", "wanted"), [(b"hunter2", "hunter2"), (b"hunter2\n", "hunter2"), (b"hunter2\r\n", "hunter2"), (b"a\nb\n\n", "a\nb\n")]
)
def test_file(tmp_path: Path, content: bytes, wanted: str):
    """A file's content is the secret, without its last line break."""
    (tmp_path / "secret").write_bytes(content)
    assert resolve(f"file:{tmp_path / 'secret'}").reveal() == wanted


def refused(reference: str) -> str:
    with pytest.raises(Unreachable) as caught:
        resolve(reference)
    return str(caught.value)


def test_no_variable(monkeypatch: pytest.MonkeyPatch):
    """A variable that is not set is named, with the way to set it."""
    monkeypatch.delenv("PLANTED", raising=False)
    assert refused("env:PLANTED") == "the secret 'env:PLANTED' is not set on the machine that deploys; run: export PLANTED=..."


def test_empty(monkeypatch: pytest.MonkeyPatch):
    """An empty secret is none."""
    monkeypatch.setenv("PLANTED", "")
    assert refused("env:PLANTED") == "the secret 'env:PLANTED' is empty on the machine that deploys"


def test_no_file(tmp_path: Path):
    """A file that cannot be read is named, with the reason."""
    where = f"file:{tmp_path}"
    assert refused(f"{where}/none") == f"the secret '{where}/none' cannot be read on the machine that deploys (FileNotFoundError)"
    assert refused(where) == f"the secret '{where}' cannot be read on the machine that deploys (IsADirectoryError)"


def test_odd_file(tmp_path: Path):
    """A file that is no text, or too large for a credential, is not used, and not quoted."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * (64 * 1024 + 1))
    assert refused(f"file:{tmp_path}/binary").endswith("cannot be read on the machine that deploys (UnicodeDecodeError)")
    assert refused(f"file:{tmp_path}/large") == f"the secret 'file:{tmp_path}/large' is larger than 64 KiB: is it the right file?"


@pytest.mark.parametrize("reference", ["hunter2", "https://hooks.example.org/hunter2", "env:", "file:hunter2"])
def test_no_reference(reference: str):
    """A text that is no reference may be the secret itself, and is not repeated."""
    with pytest.raises(ValueError, match=r"^not a reference") as caught:
        resolve(reference)
    assert str(caught.value) == "not a reference to a secret: write 'env:NAME' or 'file:/path'"
