"""What `make bench` hands over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import run
from bench.measure import Measure, Skipped

GATE = Measure("gate_50_checks_s", 1.26, "s", "at most 2; one after the other 50")
ABORT = Measure("abort_ms", 4.0, "ms", "at most 100; the longest of 9 took 6")


def test_report(tmp_path: Path):
    """A report is a list of name, value, unit and against; what is measured later replaces its own figure alone."""
    report = tmp_path / "report.json"
    run.write([GATE], report)
    run.write([ABORT], report)
    run.write([Measure("gate_50_checks_s", 1.5, "s", "")], report)

    assert json.loads(report.read_text()) == [
        {"name": "abort_ms", "value": 4.0, "unit": "ms", "against": "at most 100; the longest of 9 took 6"},
        {"name": "gate_50_checks_s", "value": 1.5, "unit": "s", "against": ""},
    ]


def test_table():
    """The table has a line a figure, in columns."""
    assert run.table([GATE, ABORT]).splitlines() == [
        "name              value  unit  against",
        "gate_50_checks_s  1.26   s     at most 2; one after the other 50",
        "abort_ms          4      ms    at most 100; the longest of 9 took 6",
    ]


def test_no_pulumi(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Without Pulumi's CLI nothing is measured, and one line says what to do."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert run.main([]) == 2
    said = "bench: no 'pulumi' on PATH, expected Pulumi's CLI: run `make bench`, or `make setup` and then `. scripts/env`\n"
    assert capsys.readouterr() == ("", said)


def test_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """What cannot be measured here is said under the table with its reason, and all else is measured."""

    def lacking(runs: int) -> Measure:
        raise Skipped("no Docker engine answers: start one")

    monkeypatch.setattr(run, "BENCHES", {"docker_preview_ratio": lacking, "abort_ms": lambda runs: ABORT})
    monkeypatch.setattr(run, "REPORT", tmp_path / "report.json")
    monkeypatch.setattr(run.shutil, "which", lambda name: name)
    assert run.main([]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "abort_ms  4      ms    at most 100; the longest of 9 took 6",
        "docker_preview_ratio was skipped: no Docker engine answers: start one",
    ]
    assert [entry["name"] for entry in json.loads((tmp_path / "report.json").read_text())] == ["abort_ms"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "speed"], "argument --only: invalid choice: 'speed'"),
        (["--runs", "0"], "error: --runs is 0, expected 1 or more"),
    ],
)
def test_wrong_words(words: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    """A benchmark that there is not, and no run at all, are refused."""
    with pytest.raises(SystemExit):
        run.main(words)
    assert said in capsys.readouterr().err
