"""What a Docker engine must be: asked of a real one, but for versions that nobody has any more."""

from __future__ import annotations

import pytest

from sluice.core.requirement import Requirement
from sluice.core.settings import size
from sluice.systems import docker, docker_fit
from sluice.systems.runner import lacks
from tests.fixtures import image
from tests.fixtures.docker import engine

__all__ = ["engine"]
HOST = "unix:///var/run/docker.sock"


def test_nothing():
    """Who asks nothing of an engine needs none."""
    assert docker_fit.lacks("", {}) == []


@pytest.mark.embedded
def test_enough(engine: None):
    """The engine that runs these tests is new enough, its images are as large as `docker image ls` says, and one that is not there yet is
    no reason to refuse."""
    name = image.sluice()
    whole = int(docker.ask(["image", "inspect", "--format", "{{.Size}}", name]))
    assert lacks(Requirement(engine="20.10", images={name: whole, "sluice-test/none@sha256:" + "0" * 64: 1})) == []
    listed = docker.ask(["image", "ls", "--format", "{{.Size}}", name]).strip()
    (why,) = lacks(Requirement(images={name: whole - 1}))
    assert why.startswith(f"image '{name}' has {listed}, and ")


@pytest.mark.embedded
def test_oversize(engine: None):
    """An image that is too large is told with both sizes, where to look, and how to allow it: a size that it then has room in."""
    name = image.sluice()
    whole = int(docker.ask(["image", "inspect", "--format", "{{.Size}}", name]))
    why = docker_fit.oversize(name, 100_000_000)
    raised = why.rpartition(" ")[2]
    assert why == (
        f"image '{name}' has {size.seen(whole)}, and 100MB is the most: see its layers, docker history {name};"
        f" or allow it, pulumi config set --path sluice:runtime.largest {raised}"
    )
    assert docker_fit.oversize(name, size.count(raised)) == ""


@pytest.mark.parametrize(
    ("version", "refused"),
    [("19.03.15", True), ("9.12", True), ("", True), ("20.10.0", False), ("20.10.24+dfsg1", False), ("28.3.2", False)],
)
def test_older(version: str, refused: bool, monkeypatch: pytest.MonkeyPatch):
    """Versions are compared as numbers; one that is too old is told with where the engine is, and what is needed."""
    monkeypatch.setattr(docker, "ask", lambda argv: f"{version}\n")
    monkeypatch.setattr(docker, "host", lambda: HOST)
    why = f"the Docker engine at {HOST} is {version}, and 20.10 or newer is needed: upgrade it (docs.docker.com/engine/install)"
    assert docker_fit.lacks("20.10", {}) == ([why] if refused else [])


def test_no_engine(monkeypatch: pytest.MonkeyPatch):
    """An engine that is not there is one reason, beside all the others of the machine."""
    monkeypatch.setenv("PATH", "/nonexistent")
    required = Requirement(executables=["no-such-thing"], engine="20.10", images={"a": 1})
    assert lacks(required) == [
        "executable 'no-such-thing' is not on PATH: install it",
        "there is no 'docker' on PATH: install Docker's client",
    ]
