"""The demo: where it runs, what it refuses before anything is touched, and what it says of its load."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex

import pytest

from bench.load import Tally
from examples.redcube.demo import engine as docker_engine
from examples.redcube.demo.__main__ import main
from examples.redcube.demo.runtime import Docker
from examples.redcube.demo.traffic import Phases
from sluice.systems import docker
from tests.fixtures import image
from tests.fixtures.docker import engine

__all__ = ["engine"]
ROOT = Path(__file__).parent.parent
DEAD = "Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?"
PLUGINS = ["docker", "command"]
KNOWN = ", ".join(f'{{"name": "{name}", "version": "{version(f"pulumi-{name}")}"}}' for name in PLUGINS)
OFFLINE = "warning: Error downloading plugin: no such host\nWill retry in 80ms [1/5]\nerror: failed all 5 attempts"
Tool = Callable[[str, str], None]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Make a command that does what a line of shell says; there is no other."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name: str, line: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)

    return make


def refusal(given: Docker) -> list[str]:
    with pytest.raises(SystemExit) as error:
        given.ready()
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--runtime", "podman"], "RUNTIME is 'podman', expected process or docker: run `make demo RUNTIME=docker`, or without one"),
        (["--image", "a"], "IMAGE and POSTGRES are for containers: run `make demo RUNTIME=docker`, or without them"),
        (["--postgres", "a"], "IMAGE and POSTGRES are for containers: run `make demo RUNTIME=docker`, or without them"),
    ],
)
def test_wrong_words(words: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    """A runtime that there is not is refused, and so is what another one has no use for."""
    with pytest.raises(SystemExit) as error:
        main(words)
    assert (error.value.code, capsys.readouterr().err.splitlines()[-1]) == (2, f"make demo: error: {said}")


@pytest.mark.parametrize(
    ("given", "run"),
    [
        ([], "scripts/demo"),
        (["IMAGE=a"], "scripts/demo"),
        (["RUNTIME=docker"], "scripts/demo --runtime 'docker'"),
        (["RUNTIME=docker", "IMAGE=a", "POSTGRES=b"], "scripts/demo --runtime 'docker' --image 'a' --postgres 'b'"),
    ],
)
def test_make(given: list[str], run: str):
    """`make demo` is the one in processes, and an IMAGE in the environment is none of its business; RUNTIME says another place."""
    # Below another make, as in a test run, it would say which folder it leaves.
    argv = ["make", "--no-print-directory", "-n", "demo", *given]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].rstrip() == run


def test_nothing_there(tool: Tool):
    """Without an engine and without plugins it says so in one go, each with what to do."""
    tool("docker", f"echo '{DEAD}' >&2; exit 1")
    tool("pulumi", f"[ $2 = ls ] && echo '[]' || {{ echo '{OFFLINE}' >&2; exit 1; }}")
    assert refusal(Docker()) == [
        "the demo does not begin, nothing was touched: 3 to mend",
        f"  - the Docker engine does not answer: {DEAD}: start it, or run `make demo`, which needs none",
        *(
            f"  - there is no Pulumi plugin {name} {version(f'pulumi-{name}')}, and it cannot be downloaded"
            f" (warning: Error downloading plugin: no such host):"
            f" run `pulumi plugin install resource {name} {version(f'pulumi-{name}')} --file ARCHIVE`, or run `make demo`, which needs none"
            for name in PLUGINS
        ),
    ]


def test_plugin(tool: Tool, tmp_path: Path):
    """A plugin that is not there, or is another one, is downloaded, of the version that its package asks for."""
    tool("pulumi", f"""[ $2 = ls ] && echo '[{{"name": "docker", "version": "4.0.0"}}]' || echo "$*" >> {tmp_path}/asked""")
    assert docker_engine.plugins() == []
    words = [f"plugin install resource {name} {version(f'pulumi-{name}')}" for name in PLUGINS]
    assert (tmp_path / "asked").read_text().splitlines() == words


def test_images_given(tool: Tool):
    """Images that are given are taken as they are: nothing is built."""
    tool("docker", "true")
    tool("pulumi", f"echo '[{KNOWN}]'")
    assert Docker("shop:1", "postgres:18").ready() == {
        "sluice:runtime.kind": "docker", "sluice:runtime.image": "shop:1", "sluice:runtime.postgres": "postgres:18",
    }  # fmt: skip


def test_image_unknown(tool: Tool):
    """An image that is given and can nowhere be had is refused by the name that it was given under."""
    tool("docker", 'case "$1 $2" in "image inspect"|"pull --quiet") echo "No such image: $2" >&2; exit 1 ;; esac')
    tool("pulumi", f"echo '[{KNOWN}]'")
    why = "is not on this engine, and cannot be pulled (docker pull: No such image: --quiet)"
    assert refusal(Docker("shop:1", "postgres:18"))[1:] == [
        f"  - {part} {why}: give another, or none to have it built here" for part in ("IMAGE=shop:1", "POSTGRES=postgres:18")
    ]


def test_foreign(tool: Tool):
    """A stack of the same name that somebody else has on this engine is not touched: the demo's would have its containers and its data."""
    tool("docker", "case $1 in ps) echo sluice-staging-redcube-front ;; volume) echo sluice-staging-a; echo sluice-staging-b ;; esac")
    with pytest.raises(SystemExit) as error:
        Docker().fresh(("staging",))
    end = "`pulumi destroy` that stack where it is from, or run `make demo`, which needs none"
    assert str(error.value).splitlines() == [
        "the demo does not begin: its stacks would meet what is on this engine already",
        f"  - containers sluice-staging-redcube-front: {end}",
        f"  - volumes sluice-staging-a, sluice-staging-b: {end}",
    ]


@pytest.mark.embedded
def test_swept(engine: None):
    """Data volumes and images of a stack that was destroyed go, and those of a stack whose name is longer stay."""
    stack = f"sluice-test-{token_hex(4)}"
    names = [f"sluice/{stack}-web:1", f"sluice/{stack}9-web:1"]
    for name in names:
        docker.ask(["tag", image.sluice(), name])
    for name in (stack, f"{stack}9"):
        docker.ask(["volume", "create", f"{name}-data"])
    try:
        assert docker_engine.sweep(stack) == [f"removed volume {stack}-data", f"removed image sluice/{stack}-web:1"]
        assert docker_engine.sweep(stack) == []
        assert docker.volume(f"{stack}9-data")
    finally:
        docker.ask(["volume", "rm", "--force", f"{stack}9-data"])
        docker.ask(["image", "rm", names[1]])


def test_phases():
    """Each phase has the requests that ended in it, and those between two are in none."""
    tally = Tally()
    phases = Phases(tally)
    with phases.of("up"):
        tally.total += 100
    tally.total, tally.failed = tally.total + 7, 1
    with phases.of("rollback"):
        tally.total, tally.failed = tally.total + 20, tally.failed + 2
    assert phases.lines() == ["up        0 of 100 requests failed", "rollback  2 of 20 requests failed"]
