"""Run all tests in three parts at once, each in a process of its own, and print what each has said: `parts.py`.

Tests of the engine wait for soaks more than they compute: one after the other they take three times as long.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

BUILD, EVERY = Path("build"), 60.0
FOLDERS = ("core", "systems", "hooks", "runtimes", "components")


def parts() -> list[list[str]]:
    """Return the words for pytest of each part: every second file of the engine's, the others of it, and all else, wherever it is."""
    engine = sorted(map(str, Path("tests").glob("test_engine_*.py")))
    return [engine[::2], engine[1::2], ["tests", *(f"--ignore={one}" for one in engine)]]


def start(number: int, words: list[str]) -> subprocess.Popen[bytes]:
    """Start a part; what it says goes to a file, what it covers to another."""
    cover = [f"--cov={folder}" for folder in FOLDERS]
    argv = [sys.executable, "-m", "pytest", *cover, "--cov-report=", f"--junitxml={BUILD}/tests-{number}.xml", *words]
    env = {**os.environ, "COVERAGE_FILE": f"{BUILD}/.coverage.{number}"}
    with (BUILD / f"tests-{number}.log").open("wb") as log:
        return subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def wait(running: list[subprocess.Popen[bytes]]) -> None:
    """Say each minute that it goes on."""
    begun = said = time.monotonic()
    while any(child.poll() is None for child in running):
        time.sleep(1)
        if time.monotonic() - said > EVERY:
            said = time.monotonic()
            print(f"  {sum(child.poll() is None for child in running)} parts run, {said - begun:.0f} s", file=sys.stderr, flush=True)


def main() -> int:
    """Run them, and return 1 when one has failed."""
    for old in [*BUILD.glob("tests*"), *BUILD.glob(".coverage*")]:
        old.unlink()
    running = [start(number, words) for number, words in enumerate(parts(), 1)]
    wait(running)
    for number in range(1, len(running) + 1):
        print((BUILD / f"tests-{number}.log").read_text(errors="replace"), flush=True)
    found = [str(one) for one in BUILD.glob(".coverage.*")]
    subprocess.run([sys.executable, "-m", "coverage", "combine", "--quiet", *found], check=False)
    subprocess.run([sys.executable, "-m", "coverage", "report", "--skip-covered", "--show-missing"], check=False)
    for number in range(1, len(running) + 1):
        subprocess.run([sys.executable, "scripts/suites.py", f"{BUILD}/tests-{number}.xml"], check=False)
    return int(any(child.returncode for child in running))


sys.exit(main())
