"""The scripts, in a small checkout of their own whose path has a space, with tools that are the real ones but for curl, go and pulumi."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
VERSION = "3.250.0"
TOOLS = ["bash", "cat", "chmod", "cksum", "cp", "cut", "dirname", "env", "head", "id", "ln", "mkdir", "mktemp", "mv", "od", "rm", "seq"]
TOOLS += ["sh", "sleep", "tail", "tr"]
PATIENCE = 20.0  # seconds until a wait for another process is given up

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[tool.setuptools.package-dir]
"sluice.core" = "core"
"""
# The least that pip can install in place, so that the set-up is tried without a package index.
BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(f"{folder}/sluice-0.1-py3-none-any.whl", "w") as wheel:
        info = "sluice-0.1.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: sluice\\nVersion: 0.1\\nProvides-Extra: dev\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return "sluice-0.1-py3-none-any.whl"
"""
CLOSED = "echo 'curl: (6) Could not resolve host: get.pulumi.com' >&2; exit 6"
GO = """
case $1 in
  env) echo "$FAKE/$2" ;;
  list) echo "$FAKE/module" ;;
  build)
    echo $$ >> "$FAKE/builds"
    for _ in $(seq 1000); do [ ! -e "$FAKE/go-on" ] || break; sleep 0.02; done
    [ ! -e "$FAKE/broken" ] || { echo "undefined: x"; exit 1; }
    while [ "$1" != -o ]; do shift; done
    echo built > "$2" ;;
esac
"""


def executable(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def pulumi(folder: Path, *, version: str = f"v{VERSION}", host: str = "exit 0") -> Path:
    folder.mkdir(parents=True)
    executable(folder / "pulumi", f"echo {version}")
    executable(folder / "pulumi-language-python", host)
    executable(folder / "pulumi-language-python-exec", "exit 0")
    executable(folder / "pulumi-resource-pulumi-python", "exit 0")
    return folder


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Desk:
    """A folder of tools, a cache, and whatever is put on PATH before them."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.cache, self.fake = folder / "bin", folder / "a cache", folder / "fake"
        self.cli = self.cache / f"pulumi-{VERSION}" / "bin"
        for path in (self.bin, self.fake):
            path.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        executable(self.bin / "python3.11", f'exec "{sys.executable}" "$@"')
        (self.bin / "python3").symlink_to("python3.11")
        executable(self.bin / "curl", CLOSED)
        self.path = str(self.bin)

    def go(self) -> None:
        """Put a `go` on PATH that builds nothing, and nothing at all before it is told to go on."""
        for name in ("cmd/pulumi-language-python-exec", "dist/pulumi-resource-pulumi-python"):
            file = self.fake / "module" / "python" / name
            file.parent.mkdir(parents=True)
            file.write_text("launcher")
        executable(self.bin / "go", GO)

    @property
    def builds(self) -> list[int]:
        file = self.fake / "builds"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def env(self) -> dict[str, str]:
        return {"PATH": self.path, "SLUICE_CACHE": str(self.cache), "FAKE": str(self.fake), "HOME": str(self.fake)}

    @contextmanager
    def start(self, *argv: str | Path) -> Iterator[subprocess.Popen[str]]:
        """Start a command that is killed when the block is left early: a test that fails must not hang."""
        with subprocess.Popen(argv, env=self.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *argv: str | Path) -> tuple[int, str, str]:
        with self.start(*argv) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def lay(folder: Path) -> Path:
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "requirements.txt").write_text("")
    (folder / "core").symlink_to(ROOT / "core")
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return lay(tmp_path / "a checkout")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Desk]:
    """A checkout that is set up once, with a CLI in its cache."""
    folder = tmp_path_factory.mktemp("set up")
    desk, checkout = Desk(folder), lay(folder / "a checkout")
    pulumi(desk.cli)
    assert desk.run(checkout / "scripts" / "setup")[0] == 0
    return checkout, desk


def snapshot(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*") if "__pycache__" not in path.parts}


def test_setup_installs(place: tuple[Path, Desk]) -> None:
    """Set-up leaves a virtualenv that has the package, and says where the CLI is."""
    checkout, desk = place
    code = "import importlib.metadata; print(importlib.metadata.version('sluice'))"
    assert desk.run(checkout / ".venv/bin/python", "-I", "-c", code)[:2] == (0, "0.1\n")
    assert (checkout / ".venv/pulumi").read_text() == f"{desk.cli}\n"


def test_setup_again(place: tuple[Path, Desk]) -> None:
    """A second set-up says nothing and touches no file."""
    checkout, desk = place
    before = snapshot(checkout)
    assert desk.run(checkout / "scripts" / "setup") == (0, "", "")
    assert snapshot(checkout) == before


def test_setup_after_change(place: tuple[Path, Desk]) -> None:
    """A changed pin is installed by the next set-up, into the same virtualenv."""
    checkout, desk = place
    made = (checkout / ".venv/pyvenv.cfg").stat().st_mtime_ns
    (checkout / "requirements.txt").write_text("# changed\n")
    assert desk.run(checkout / "scripts" / "setup") == (0, "", "installing the pinned dependencies into .venv\n")
    assert desk.run(checkout / "scripts" / "setup") == (0, "", "")
    assert (checkout / ".venv/pyvenv.cfg").stat().st_mtime_ns == made


def test_setup_without_python(desk: Desk, bare: Path) -> None:
    """Without a Python that will do, set-up names what it tried and the command that brings one."""
    (desk.bin / "python3").unlink()
    executable(desk.bin / "python3.11", "exit 1")  # a shim for a version that is not there, or a Python without venv
    assert desk.run(bare / "scripts" / "setup") == (
        1,
        "",
        "no Python 3.11 or newer with venv on PATH (tried python3.11 python3.12 python3.13 python3.14 python3): install one, as by "
        "`apt-get install python3.11-venv` or `brew install python@3.13`, then run `make setup` again\n",
    )
    assert not (bare / ".venv").exists()


def test_cli_on_path(desk: Desk, bare: Path, tmp_path: Path) -> None:
    """A CLI on PATH is used as it is: there is nothing to add, and no cache is made."""
    desk.path = f"{pulumi(tmp_path / 'own')}:{desk.path}"
    assert desk.run(bare / "scripts" / "pulumi-cli") == (0, "", "")
    assert not desk.cache.exists()


@pytest.mark.parametrize(
    "unfit",
    [{"version": "v3.249.9"}, {"version": "v4.0.0"}, {"host": "exit 1"}],
    ids=["older", "another-major", "no-language-host"],
)
def test_cli_on_path_unfit(desk: Desk, bare: Path, tmp_path: Path, unfit: dict[str, str]) -> None:
    """A CLI on PATH that is too old, or cannot run Python, gives way to the cached one."""
    desk.path = f"{pulumi(tmp_path / 'own', **unfit)}:{desk.path}"
    pulumi(desk.cli)
    assert desk.run(bare / "scripts" / "pulumi-cli") == (0, f"{desk.cli}\n", "")


def test_cli_cached(desk: Desk, bare: Path) -> None:
    """A cached CLI needs no network and no Go, and is named even by a shell that has it on PATH already."""
    pulumi(desk.cli)
    (desk.bin / "curl").unlink()
    assert desk.run(bare / "scripts" / "pulumi-cli") == (0, f"{desk.cli}\n", "")
    desk.path = f"{desk.cli}:{desk.path}"
    assert desk.run(bare / "scripts" / "pulumi-cli") == (0, f"{desk.cli}\n", "")


def test_cli_installer(desk: Desk, bare: Path) -> None:
    """The official installer is asked for the pinned version, into the cache and never into HOME."""
    bring = 'mkdir -p "$4/bin"; printf "#!/bin/sh\\necho v3" > "$4/bin/pulumi"; chmod 755 "$4/bin/pulumi"'
    executable(desk.fake / "install.sh", f'echo "$*" > "$FAKE/asked"; {bring}')
    executable(desk.bin / "curl", 'while [ "$1" != -o ]; do shift; done; cp "$FAKE/install.sh" "$2"')
    code, out, _ = desk.run(bare / "scripts" / "pulumi-cli")
    assert (code, out) == (0, f"{desk.cli}\n")
    asked = (desk.fake / "asked").read_text()
    assert re.fullmatch(rf"--version {VERSION} --install-root {desk.cache}/unfinished\.\w+/tree --no-edit-path\n", asked)
    assert sorted(path.name for path in desk.cache.iterdir()) == ["lock", f"pulumi-{VERSION}"]


def test_cli_without_network_and_go(desk: Desk, bare: Path) -> None:
    """With a closed network and no Go, the error says what was tried and what to do."""
    code, out, err = desk.run(bare / "scripts" / "pulumi-cli")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        f"bringing Pulumi {VERSION} from https://get.pulumi.com: 0:00",
        "nothing came from https://get.pulumi.com (curl: (6) Could not resolve host: get.pulumi.com)",
        f"no Pulumi CLI: none on PATH, none in '{desk.cache}', none from https://get.pulumi.com, and no `go` to build one: install Pulumi "
        f"{VERSION} or newer (https://www.pulumi.com/docs/install) and run `make setup` again, or install Go 1.25 or newer",
    ]
    assert [path.name for path in desk.cache.iterdir()] == ["lock"]


def test_cli_without_cache(desk: Desk, bare: Path) -> None:
    """A cache that cannot be written is an error that names the variable to set."""
    desk.cache.write_text("a file in its place")
    assert desk.run(bare / "scripts" / "pulumi-cli") == (
        1,
        "",
        f"cannot write to the cache '{desk.cache}': set SLUICE_CACHE to a folder of your own, then run `make setup` again\n",
    )


def test_cli_build(desk: Desk, bare: Path) -> None:
    """Where only Go modules are reached, the CLI, its language host and both launchers are built into the cache."""
    desk.go()
    (desk.fake / "go-on").touch()
    assert desk.run(bare / "scripts" / "pulumi-cli")[:2] == (0, f"{desk.cli}\n")
    names = ["pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python"]
    assert sorted(path.name for path in desk.cli.iterdir()) == names
    assert all(os.access(desk.cli / name, os.X_OK) for name in names[2:])
    assert sorted(path.name for path in desk.cache.iterdir()) == ["lock", f"pulumi-{VERSION}"]


def test_cli_build_fails(desk: Desk, bare: Path) -> None:
    """A build that fails shows the compiler's last words and leaves nothing."""
    desk.go()
    for name in ("go-on", "broken"):
        (desk.fake / name).touch()
    code, out, err = desk.run(bare / "scripts" / "pulumi-cli")
    assert (code, out, len(desk.builds)) == (1, "", 1)
    assert err.splitlines()[-2:] == [
        "undefined: x",
        f"the Pulumi CLI could not be built from its Go modules, see above: install Pulumi {VERSION} or newer "
        "(https://www.pulumi.com/docs/install) and run `make setup` again",
    ]
    assert [path.name for path in desk.cache.iterdir()] == ["lock"]


def test_cli_two_at_once(desk: Desk, bare: Path) -> None:
    """Of two set-ups at once one builds, and the other waits and says so."""
    desk.go()
    with desk.start(bare / "scripts" / "pulumi-cli") as first:
        until(lambda: desk.builds)
        with desk.start(bare / "scripts" / "pulumi-cli") as second:
            assert second.stderr
            assert second.stderr.readline() == "another set-up is bringing the Pulumi CLI: waiting\n"
            (desk.fake / "go-on").touch()
            assert second.communicate(timeout=PATIENCE) == (f"{desk.cli}\n", "")
        assert first.communicate(timeout=PATIENCE)[0] == f"{desk.cli}\n"
    assert len(desk.builds) == 2  # the CLI and its language host, each once


def test_cli_stopped(desk: Desk, bare: Path) -> None:
    """A set-up that is told to stop ends its compiler too, and leaves nothing behind."""
    desk.go()
    with desk.start(bare / "scripts" / "pulumi-cli") as process:
        until(lambda: desk.builds)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    until(lambda: dead(desk.builds[0]))
    assert [path.name for path in desk.cache.iterdir()] == ["lock"]


def test_cli_killed(desk: Desk, bare: Path) -> None:
    """What a killed set-up left half-way is no CLI, holds no lock, and is cleared by the next one."""
    desk.go()
    with desk.start(bare / "scripts" / "pulumi-cli") as process:
        until(lambda: desk.builds)
        process.kill()
    assert not desk.cli.exists()
    orphan = desk.builds[0]
    os.kill(orphan, signal.SIGSTOP)
    (desk.fake / "go-on").touch()
    try:
        assert desk.run(bare / "scripts" / "pulumi-cli")[:2] == (0, f"{desk.cli}\n")
    finally:
        os.kill(orphan, signal.SIGKILL)
    assert sorted(path.name for path in desk.cache.iterdir()) == ["lock", f"pulumi-{VERSION}"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_env(place: tuple[Path, Desk], shell: str) -> None:
    """Sourced from anywhere, any number of times, the environment puts our Python and CLI first, and leaves nothing else behind."""
    if not (found := shutil.which(shell)):
        pytest.skip(f"no {shell} on PATH: install it")
    checkout, desk = place
    script = (
        f'. "{checkout}/scripts/env"; . "{checkout}/scripts/env"; echo "$PATH"; echo "$PULUMI_SKIP_UPDATE_CHECK"; typeset -f sluice_env'
    )
    _, out, err = desk.run(found, "-c", f"cd /; {script}; :")
    assert (out, err) == (f"{checkout}/.venv/bin:{desk.cli}:{desk.bin}\n1\n", "")


def test_env_without_home(place: tuple[Path, Desk]) -> None:
    """Where HOME cannot be written, Pulumi's own folder goes beside the CLI; a choice of the user's is kept."""
    checkout, desk = place
    script = f'HOME=/nonexistent; . "{checkout}/scripts/env"; echo "$PULUMI_HOME"'
    assert desk.run("bash", "-c", script)[1] == f"{desk.cache}/home\n"
    assert desk.run("bash", "-c", f"PULUMI_HOME=/own; {script}")[1] == "/own\n"
    assert desk.run("bash", "-c", f'. "{checkout}/scripts/env"; echo "${{PULUMI_HOME:-unset}}"')[1] == "unset\n"


def test_env_before_setup(desk: Desk, bare: Path) -> None:
    """A checkout that is not set up says so instead of leaving another Python in front."""
    assert desk.run("bash", "-c", f'. "{bare}/scripts/env"') == (1, "", f"'{bare}' is not set up: run `make setup` there\n")


BACKEND_LINES = 'echo "$PULUMI_BACKEND_URL"; echo "$PULUMI_CONFIG_PASSPHRASE_FILE"; echo "$SLUICE_HOME"'


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_backend(desk: Desk, bare: Path, shell: str) -> None:
    """State and passphrase are the checkout's own and closed to others; a second call keeps them."""
    if not (found := shutil.which(shell)):
        pytest.skip(f"no {shell} on PATH: install it")
    demo = bare / ".demo"
    code, out, err = desk.run(found, "-c", f'. "{bare}/scripts/backend"; {BACKEND_LINES}')
    assert (code, out.splitlines()[:2], err) == (0, [f"file://{demo}/state", f"{demo}/passphrase"], "")
    home = "/var/lib/sluice" if os.getuid() == 0 else f"{desk.fake}/.local/state/sluice"
    assert re.fullmatch(rf"{home}/demo-\d+", out.splitlines()[2])
    assert [stat.S_IMODE((demo / name).stat().st_mode) for name in ("", "state", "passphrase")] == [0o700, 0o700, 0o600]
    passphrase = (demo / "passphrase").read_text()
    assert re.fullmatch("[0-9a-f]{48}", passphrase)
    assert desk.run(found, "-c", f'. "{bare}/scripts/backend"; {BACKEND_LINES}') == (0, out, "")
    assert [path.name for path in demo.iterdir() if path.is_file()] == ["passphrase"]
    assert (demo / "passphrase").read_text() == passphrase


def test_backend_elsewhere(desk: Desk, bare: Path, tmp_path: Path) -> None:
    """Two checkouts share neither data folder nor passphrase."""
    other = lay(tmp_path / "another checkout")
    homes = {desk.run("bash", "-c", f'. "{root}/scripts/backend"; echo "$SLUICE_HOME"')[1] for root in (bare, other)}
    assert len(homes) == 2
    assert (bare / ".demo/passphrase").read_text() != (other / ".demo/passphrase").read_text()


def test_lock_complete() -> None:
    """Every direct dependency is pinned, within its range, by a version alone: no hash, no host."""
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    pins = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in (line.split("==") for line in lines)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["dev"]]
    missing = [str(want) for want in wanted if pins.get(re.sub(r"[-_.]+", "-", want.name).lower()) not in want.specifier]
    assert missing == []


def test_layout_checks_types(bare: Path) -> None:
    """The layout shows a type checker our sources under the names they are imported by: a wrong use is an error."""
    subprocess.run([sys.executable, bare / "scripts" / "layout.py"], check=True)
    program = bare / "wrong.py"
    program.write_text("from sluice.core.errors import SluiceError\n\nerror: int = SluiceError('x')\n")
    argv = [sys.executable, "-m", "mypy", "--strict", "--namespace-packages", "--explicit-package-bases", program.name]
    seen = subprocess.run(argv, cwd=bare, env=os.environ | {"MYPYPATH": "build/layout"}, capture_output=True, text=True, check=False)
    assert seen.stdout.splitlines() == [
        'wrong.py:3: error: Incompatible types in assignment (expression has type "SluiceError", variable has type "int")  [assignment]',
        "Found 1 error in 1 file (checked 1 source file)",
    ]


def test_suites(tmp_path: Path) -> None:
    """The closing table counts every test of a run once, and an error in a fixture as a failure."""
    report = tmp_path / "tests.xml"
    case = '<testcase classname="tests.test_{}" name="x" time="0.25">{}</testcase>'
    cases = [("one", ""), ("one", "<failure/>"), ("two", "<error/>"), ("two", "<skipped/>")]
    report.write_text(f"<testsuites><testsuite>{''.join(case.format(*each) for each in cases)}</testsuite></testsuites>")
    seen = subprocess.run([sys.executable, ROOT / "scripts/suites.py", report], capture_output=True, text=True, check=True)
    assert seen.stdout.splitlines() == [
        "suite      passed  failed skipped  seconds",
        "test_one        1       1       0      0.5",
        "test_two        0       1       1      0.5",
    ]


def test_help() -> None:
    """`make` alone lists every target with a sentence."""
    seen = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^  make (\w+) +[A-Z].*\.$", seen.stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert listed == phony[1].split()


def test_what_next() -> None:
    """Who sets up is told what to type next; who is set up on the way to something else is not."""
    said = [subprocess.run(["make", "-n", goal], cwd=ROOT, capture_output=True, text=True, check=True).stdout for goal in ("setup", "up")]
    assert ["next: . scripts/env" in one for one in said] == [True, False]


def test_ci_runs_all(desk: Desk, tmp_path: Path) -> None:
    """Continuous integration runs checks and tests, the second though the first failed, and fails then."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    executable(desk.bin / "make", 'echo "$CI $1"; [ "$1" = test ]')
    code, out, err = desk.run(tmp_path / ".ci" / "run")
    assert (code, err) == (1, "")
    assert re.sub(r"\d+ s", "0 s", out).splitlines() == [
        "== make lint",
        "true lint",
        "== make test",
        "true test",
        "== ran",
        "make lint  failed in 0 s",
        "make test  passed in 0 s",
    ]
