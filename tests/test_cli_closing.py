"""The table that a release ends with; what is in it is in test_core_report_criterion."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.cli.closing import closing
from sluice.core.report.build import report
from sluice.core.report.report import Known
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack
from tests.fixtures.journal import bad


def stack(place: Path, journal: Path) -> Stack:
    (place / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    state = {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": {"journal": str(journal)}}]}
    return Stack(Pulumi(place, "production"), "", state, None, [])


def test_closing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Each criterion is a line, with what the report says of it."""
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(f"{event.line()}\n" for event in bad()))
    closing(stack(tmp_path, path), bad()[0].release)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["criterion", "is", "seen", "by"]
    made = report(Known(stack="production", events=bad()), bad()[0].release, bad()[-1].at).criteria
    assert [line.split("  ")[0] for line in lines] == [one.name for one in made]
    assert all(one.word.value in line and one.figure in line for one, line in zip(made, lines, strict=True))


def test_nothing_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A release that the journal has nothing of ends with a line that says so, and with no error."""
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(f"{event.line()}\n" for event in bad()))
    closing(stack(tmp_path, path), "9.9-abc")
    said = "what the release has come to, criterion by criterion, is not known: '9.9-abc' is not in the journal of 'production': "
    assert capsys.readouterr().out == f"{said}known are {bad()[0].release}\n"
