"""Questions to log files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sluice.core.errors import Unreachable
from sluice.core.reading import NoData, Number
from sluice.systems.logs import ask

START = 1_700_000_000


def entry(at: float | None = None, **fields: Any) -> str:
    return json.dumps(({} if at is None else {"time": datetime.fromtimestamp(START + at, UTC).isoformat()}) | fields)


def log(tmp_path: Path, *lines: str, name: str = "web.log") -> dict[str, Any]:
    (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    return {"path": str(tmp_path / name)}


def count(of: dict[str, Any]) -> float | str | None:
    seen = ask("logs.count", of, 5)
    return seen.value if isinstance(seen, Number) else None


def test_level(tmp_path: Path):
    """A level counts its lines and the worse ones, however loggers spell it."""
    of = log(
        tmp_path, entry(level="info"), entry(level="ERROR"), entry(severity="critical"), entry(levelname="Warning"), entry(level="odd")
    )
    assert ask("logs.count", {**of, "level": "error"}, 5) == Number(value=2.0, samples=5, evidence="of 5 lines")
    assert count({**of, "level": "warn"}) == 3


def test_level_unknown(tmp_path: Path):
    """An unknown level is refused with the known ones."""
    with pytest.raises(ValueError, match="unknown level") as caught:
        ask("logs.count", {**log(tmp_path), "level": "bad"}, 5)
    known = "trace, debug, info, notice, warn, warning, error, critical, fatal, panic"
    assert str(caught.value) == f"unknown level 'bad': known are {known}"


def test_where(tmp_path: Path):
    """Fields are compared by value, all of them, also those in an object; a number from Pulumi is a double."""
    of = log(
        tmp_path, entry(status=500, path="/a"), entry(status=500, path="/b"), entry(request={"status": 500}), entry(status=200, path="/a")
    )
    assert count({**of, "where": {"status": 500.0}}) == 2
    assert count({**of, "where": {"status": 500.0, "path": "/a"}}) == 1
    assert count({**of, "where": {"request.status": 500.0}}) == 1


def test_pattern(tmp_path: Path):
    """A pattern sees every line, those that are not JSON too."""
    of = log(tmp_path, entry(message="Traceback in a field"), "Traceback (most recent call last):", "  File ...", entry(message="fine"))
    assert ask("logs.count", {**of, "pattern": "Traceback"}, 5) == Number(value=2.0, samples=4, evidence="of 4 lines")


def test_pattern_wrong(tmp_path: Path):
    """A pattern that is none is the check's fault."""
    with pytest.raises(ValueError, match=r"^pattern '\(' is not a regular expression: missing \), unterminated subpattern at position 0$"):
        ask("logs.count", {**log(tmp_path), "pattern": "("}, 5)


def test_plain_lines(tmp_path: Path):
    """Lines that are not JSON objects are none to a question without a pattern."""
    of = log(tmp_path, "hello", "[1]", "7", entry(level="error"))
    assert ask("logs.count", {**of, "level": "error"}, 5) == Number(value=1.0, samples=1, evidence="of 1 lines")


def test_since(tmp_path: Path):
    """Only lines since the time count, whether it is written in ISO 8601, in seconds or in milliseconds."""
    of = log(
        tmp_path,
        entry(-60),
        entry(-1),
        entry(0),
        '{"ts": 1700000001}',
        '{"timestamp": 1700000002000}',
        '{"@timestamp": "2023-11-14T22:13:23Z"}',
    )
    assert count({**of, "since": START}) == 4
    assert count({**of, "since": START + 3}) == 1


def test_last(tmp_path: Path):
    """`last` looks back from now, so that a check written once always means the same span."""
    now = datetime.now(UTC).timestamp() - START
    of = log(tmp_path, entry(now - 90, level="ERROR"), entry(now - 20, level="ERROR"), entry(now - 10, level="INFO"))
    assert ask("logs.count", {**of, "level": "ERROR", "last": 60.0}, 5) == Number(value=1.0, samples=2, evidence="of 2 lines")
    assert count({**of, "level": "ERROR", "last": 120}) == 2
    assert ask("logs.count", {**of, "level": "ERROR", "last": 5}, 5) == NoData("no lines")


@pytest.mark.parametrize(
    ("given", "why"), [({"last": 0}, "last 0 is not above 0"), ({"last": 60, "since": 1}, "takes 'since' or 'last', not both")]
)
def test_last_wrong(tmp_path: Path, given: dict[str, Any], why: str):
    """A span that is none, and two of them, are refused."""
    with pytest.raises(ValueError, match=r"since|last") as caught:
        ask("logs.count", {**log(tmp_path, entry(1)), **given}, 5)
    assert str(caught.value) == why


def test_since_naive(tmp_path: Path):
    """A time without a zone is read as UTC."""
    of = log(tmp_path, '{"time": "2023-11-14T22:13:20"}', '{"time": "2023-11-14 22:13:19.999"}')
    assert count({**of, "since": START}) == 1


def test_since_out_of_order(tmp_path: Path):
    """Lines that threads wrote a little out of order are all found."""
    of = log(tmp_path, entry(1), entry(-2), entry(0), entry(-1), entry(2))
    assert count({**of, "since": START}) == 3


def test_since_stops(tmp_path: Path):
    """What is older is not even read."""
    of = log(tmp_path, entry(50), entry(-60), entry(1))
    assert count({**of, "since": START}) == 1


def test_untimed(tmp_path: Path):
    """A line without a time belongs to the last one before it that has one: an old failure's traceback is old."""
    of = log(tmp_path, entry(-60), "Traceback old", entry(0), "Traceback new", name="web.log")
    assert count({**of, "since": START, "pattern": "Traceback"}) == 1


def test_time_unreadable(tmp_path: Path):
    """A time that cannot be read is none."""
    of = log(tmp_path, entry(-60), '{"time": "soon"}', entry(0), '{"time": "now"}')
    assert count({**of, "since": START}) == 2


def test_untimed_beginning(tmp_path: Path):
    """Lines at the very beginning of a log follow nothing, and count."""
    of = log(tmp_path, "Traceback at start", entry(1))
    assert count({**of, "since": START, "pattern": "Traceback"}) == 1


def test_rotated(tmp_path: Path):
    """Since a time, reading goes on in the rotated file."""
    log(tmp_path, entry(-60, level="error"), entry(1, level="error"), name="web.log.1")
    of = log(tmp_path, entry(2, level="error"))
    assert count({**of, "since": START, "level": "error"}) == 2


def test_offset(tmp_path: Path):
    """Since an offset, lines need no time."""
    of = log(tmp_path, entry(level="error"))
    offset = float((tmp_path / "web.log").stat().st_size)
    log(tmp_path, entry(level="error"), entry(level="error"), entry(level="info"))
    assert count({**of, "offset": offset, "level": "error"}) == 1


def test_folder(tmp_path: Path):
    """A folder is all of its logs."""
    log(tmp_path, entry(level="error"), name="a.log")
    log(tmp_path, entry(level="error"), name="b.log")
    log(tmp_path, entry(level="error"), name="notes.txt")
    assert count({"path": str(tmp_path), "level": "error"}) == 2


def test_ratio(tmp_path: Path):
    """A ratio is of all lines since then, with its evidence."""
    of = log(tmp_path, *[entry(status=500)] * 3, *[entry(status=200)] * 22)
    assert ask("logs.ratio", {**of, "where": {"status": 500}}, 5) == Number(value=0.12, samples=25, evidence="3 of 25 lines match")


@pytest.mark.parametrize(("quantile", "value"), [(0.5, 50.0), (0.95, 95.0), (1, 100.0), (0.001, 1.0)])
def test_quantile(tmp_path: Path, quantile: float, value: float):
    """A quantile is a value that was seen, in the log's own unit; lines without the number are no samples."""
    of = log(
        tmp_path, *(entry(duration_ms=number) for number in range(100, 0, -1)), entry(duration_ms="fast"), entry(duration_ms=True), entry()
    )
    seen = ask("logs.quantile", {**of, "field": "duration_ms", "quantile": quantile}, 5)
    assert seen == Number(value=value, samples=100, evidence="of 100 lines")


def test_quantile_scale(tmp_path: Path):
    """A scale turns milliseconds into seconds; by default it is the 95th percentile."""
    of = log(tmp_path, *(entry(duration_ms=number * 100) for number in range(1, 21)))
    seen = ask("logs.quantile", {**of, "field": "duration_ms", "scale": 0.001}, 5)
    assert seen == Number(value=pytest.approx(1.9), samples=20, evidence="of 20 lines")


def test_quantile_filtered(tmp_path: Path):
    """Only lines that match give their number."""
    of = log(tmp_path, entry(path="/a", duration_ms=1), entry(path="/b", duration_ms=9))
    seen = ask("logs.quantile", {**of, "field": "duration_ms", "where": {"path": "/a"}}, 5)
    assert seen == Number(value=1.0, samples=1, evidence="of 1 lines")


def test_quantile_wrong(tmp_path: Path):
    """95 is not a quantile, 0.95 is."""
    with pytest.raises(ValueError, match=r"^quantile 95 is not above 0 and up to 1$"):
        ask("logs.quantile", {**log(tmp_path), "field": "duration_ms", "quantile": 95}, 5)


def test_field(tmp_path: Path):
    """The share of lines that have a field; empty and null are not having it."""
    of = log(tmp_path, entry(trace_id="a"), entry(trace_id=""), entry(trace_id=None), entry(), "plain")
    seen = ask("logs.field", {**of, "field": "trace_id"}, 5)
    assert seen == Number(value=0.25, samples=4, evidence="1 of 4 lines have 'trace_id'")


@pytest.mark.parametrize("question", ["logs.count", "logs.ratio", "logs.field"])
def test_silence(tmp_path: Path, question: str):
    """No lines since then is no data: a service that writes nothing is not a healthy one."""
    of = {**log(tmp_path, entry(-60)), "since": START} | ({"field": "trace_id"} if question == "logs.field" else {})
    assert ask(question, of, 5) == NoData("no lines")


def test_no_numbers(tmp_path: Path):
    """No number in the field is no data."""
    assert ask("logs.quantile", {**log(tmp_path, entry()), "field": "ms"}, 5) == NoData("no line with a number in 'ms'")


def test_missing(tmp_path: Path):
    """A log that is not there could not be asked."""
    with pytest.raises(Unreachable, match=r"^log '.*/none\.log' does not exist$"):
        ask("logs.count", {"path": str(tmp_path / "none.log")}, 5)


def test_unreadable(tmp_path: Path):
    """A log that cannot be read could not be asked either, and the system says why."""
    (tmp_path / "a.log").mkdir()
    with pytest.raises(Unreachable) as caught:
        ask("logs.count", {"path": str(tmp_path)}, 5)
    assert str(caught.value) == f"log '{tmp_path}' cannot be read: is a directory"


def test_time_is_up(tmp_path: Path):
    """A log too large for the time is an error, not half an answer."""
    of = log(tmp_path, entry())
    with pytest.raises(Unreachable) as caught:
        ask("logs.count", of, 0)
    assert str(caught.value) == f"reading '{of['path']}' took longer than 0 s"
