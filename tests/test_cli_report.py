"""Where `sluice report` writes its page; what is on it is in test_systems_page."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.cli.report import write
from sluice.core.errors import Unreachable


def test_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A page is written into what is there, and a link stays one; - is the screen."""
    page, link = tmp_path / "page.html", tmp_path / "link"
    link.symlink_to(page)
    write(link, "päge")
    assert (link.is_symlink(), page.read_text("utf-8"), capsys.readouterr().out) == (True, "päge", f"written: {link}\n")
    write(Path("-"), "päge")
    assert capsys.readouterr().out == "päge\n"


def test_where_nothing_can_be_written(tmp_path: Path):
    """A folder that is not there, or a folder itself, is told with what to do."""
    for path, why in ((tmp_path / "no" / "page.html", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(Unreachable) as caught:
            write(path, "page")
        assert str(caught.value) == f"'{path}' cannot be written ({why}): name another file with --output"
