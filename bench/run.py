"""Measures Sluice: prints a table, and writes bench/report.json, a list of `{name, value, unit, against}`.

    python bench/run.py [--only NAME ...] [--runs N]

With `--only` the other figures of an earlier report are kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # started by path, as `make bench` does

from bench import abort, back, backup, contained, gate, kill, preview, restore, traffic  # noqa: E402
from bench.measure import Measure, Skipped, say  # noqa: E402

REPORT = HERE / "report.json"
# Fewer medians than this say little on a machine that does other things too.
RUNS = 9
BENCHES: dict[str, Callable[[int], Measure]] = {
    "preview_ratio": preview.demo,
    "preview_scale_ratio": preview.scale,
    "docker_preview_ratio": contained.preview,
    "abort_ms": abort.measure,
    "kill_switch_s": kill.measure,
    "return_s": back.measure,
    "failed_requests": traffic.measure,
    "gate_50_checks_s": gate.measure,
    "backup_ratio": backup.speed,
    "backup_memory_mb": backup.memory,
    "drill_ratio": backup.proof,
    "restore_ratio": restore.speed,
    "swap_s": restore.swap,
}
HEAD = ("name", "value", "unit", "against")


def table(measures: Sequence[Measure]) -> str:
    """Return the measures as lines of aligned columns."""
    rows = [HEAD, *((one.name, f"{one.value:g}", one.unit, one.against) for one in measures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def write(measures: Sequence[Measure], report: Path) -> None:
    """Write a report, in the order of the benches; figures that were not measured now stay."""
    known = {entry["name"]: entry for entry in (json.loads(report.read_text()) if report.exists() else [])}
    known |= {one.name: asdict(one) for one in measures}
    report.write_text(json.dumps([known[name] for name in BENCHES if name in known], indent=2) + "\n")


def main(words: Sequence[str] | None = None) -> int:
    """Measure what was asked for; 2 when there is nothing to measure with."""
    given = _arguments(words)
    if shutil.which("pulumi") is None:
        say("bench: no 'pulumi' on PATH, expected Pulumi's CLI: run `make bench`, or `make setup` and then `. scripts/env`")
        return 2
    measures, skipped = [], []
    for name in given.only or BENCHES:
        say(name)
        try:
            measures.append(BENCHES[name](given.runs))
        except Skipped as why:
            skipped.append(f"{name} was skipped: {why}")
        write(measures, REPORT)
    print("\n".join([table(measures), *skipped]))
    return 0


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Measure Sluice.")
    names = f"one of {', '.join(BENCHES)}; may be repeated"
    parser.add_argument("--only", action="append", choices=list(BENCHES), metavar="NAME", help=names)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"rounds of what is repeated (default {RUNS})")
    given = parser.parse_args(words)
    if given.runs < 1:
        parser.error(f"--runs is {given.runs}, expected 1 or more")
    return given


if __name__ == "__main__":
    sys.exit(main())
