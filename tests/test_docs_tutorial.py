"""The tutorial, command by command, with the real engine."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parent.parent
COPIED = ("Pulumi.yaml", "Pulumi.staging.yaml", "__main__.py", "examples", "bench", "docs")
MARK = "== end of command"
# A whole run takes about 90 s on two cores.
SECONDS = 600
ANY = "…"


@dataclass
class Command:
    """A line that a reader types, and the lines that the page shows after it."""

    line: str
    shown: list[str] = field(default_factory=list)

    @property
    def pattern(self) -> str:
        """Return what the output must match as a whole; a line of its own that is `…` stands for any lines."""
        lines = [r"(?:.*\n)*?" if line == ANY else re.escape(line).replace(re.escape(ANY), ".*?") + r"[ \r]*\n" for line in self.shown]
        return "".join(lines)


def commands(page: str) -> list[Command]:
    """Return what the page's console blocks do."""
    found: list[Command] = []
    for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:]))
            else:
                found[-1].shown.append(line)
    return found


def script(typed: list[Command]) -> str:
    """Return one shell script, so that variables and jobs last from command to command; `$?` too."""
    lines = ["exec 2>&1", "git() { :; }  # the copy is no checkout"]
    for number, command in enumerate(typed):
        lines += [command.line, f'code=$?; printf "\\n{MARK} {number} %d\\n" $code; (exit $code)']
    return "\n".join(lines) + "\n"


@pytest.fixture
def place() -> Iterator[Path]:
    """A copy of what the tutorial needs, and nothing left of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-tutorial-"))
    # PostgreSQL runs as another user when the tests run as root.
    folder.chmod(0o711)
    for name in COPIED:
        source, target = ROOT / name, folder / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, ignore=ignore) if source.is_dir() else shutil.copy(source, target)
    (folder / ".venv").symlink_to(sys.prefix)
    yield folder
    for process in [process for process in psutil.process_iter() if str(folder) in _traces(process)]:
        process.send_signal(signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _traces(process: psutil.Process) -> str:
    try:
        return " ".join([*process.cmdline(), process.cwd(), *process.environ().values()])
    except (psutil.Error, OSError):
        return ""


def environment(place: Path) -> dict[str, str]:
    """Return a reader's environment after `. scripts/env`, with a home of its own for the stack."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_CONFIG", "PULUMI_BACKEND", "PULUMI_STACK"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # The page shows what a terminal shows; the test has none.
    return {**given, "PATH": path, "SLUICE_HOME": str(place / "home"), "PULUMI_SKIP_UPDATE_CHECK": "1", "PULUMI_COLOR": "never"}


@pytest.mark.engine
@pytest.mark.embedded
def test_tutorial(place: Path):
    """Every command of the tutorial does what the page says, in order, on a machine that has only what set-up brings."""
    if shutil.which("pulumi") is None:
        pytest.skip("no pulumi on PATH: run `make setup`, then `. scripts/env`")
    typed = commands((ROOT / "docs" / "tutorial.md").read_text())
    done = subprocess.run(
        ["bash", "-s"],
        cwd=place, env=environment(place), input=script(typed),
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    outputs = re.split(rf"\n{MARK} \d+ (\d+)\n", done.stdout)
    assert len(outputs) == 2 * len(typed) + 1, done.stdout[-3000:]
    for number, command in enumerate(typed):
        output, code = outputs[2 * number], int(outputs[2 * number + 1])
        told = f"$ {command.line}\n{output[-4000:]}"
        if command.shown:
            assert re.fullmatch(command.pattern, output.strip("\n") + "\n"), told
        following = typed[number + 1].line if number + 1 < len(typed) else ""
        expected = typed[number + 1].shown if following == "echo $?" else ["0"]
        assert [str(code)] == expected, told


def test_commands():
    """What the page shows is compared: a line must be there, `…` is anything, and the whole output counts."""
    page = "```console\n$ one\n…\na … c\n$ two\n```\n```sh\nthree\n```\n```console\n$ four\n```\n"
    one, two, four = commands(page)
    assert [command.line for command in (one, two, four)] == ["one", "two", "four"]
    assert re.fullmatch(one.pattern, "x\ny\na b c\n")
    assert not re.fullmatch(one.pattern, "a b d\n")
    assert not re.fullmatch(one.pattern, "a b c\nd\n")
