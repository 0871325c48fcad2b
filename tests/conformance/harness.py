"""What the suite needs of a runtime: a program that declares through the port, and hands to kill and look with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

import psutil

from sluice.core.commands.docker import STACK, contained
from sluice.runtimes.process.folder import Folder
from sluice.systems import docker
from tests.fixtures import image
from tests.fixtures.stack import TOY, kill, left, place, running

PROGRAM = """\
import json, os, pulumi
from sluice.runtimes.port import Runtime, Spec

declared = json.load(open("declared.json"))
if declared["runtime"] == "process":
    from sluice.runtimes.process.runtime import Process as Chosen
else:
    from sluice.runtimes.docker.runtime import Docker as Chosen
runtime: Runtime = Chosen(**declared["given"])
front = runtime.front("front")
store = runtime.database("store", databases=["shop"])
for name, changes in declared["versions"].items():
    env = store.env("shop") | changes.get("env", {})
    secrets = {"TOKEN": pulumi.Config().require_secret("token")}
    argv = ["python", "service.py", "--port", "{port}"]
    version = name.partition("@")[2]
    spec = Spec(name=name, service="web", version=version, artifact=declared["artifact"], argv=argv, env=env, secrets=secrets)
    pulumi.export(name, runtime.service(spec, front=front).descriptor)
for name, argv in declared["jobs"].items():
    runtime.job(name, argv=argv, folder=declared["artifact"], env=store.env("shop"))
pulumi.export("url", front.url)
pulumi.export("split", front.split)
pulumi.export("store", {"host": store.host, "port": store.port, "user": store.user, "passfile": store.passfile})
"""
SECRET = "planted-hunter2"


@dataclass(frozen=True)
class Done:
    """How a command of the engine ended."""

    code: int
    text: str

    @property
    def errors(self) -> list[str]:
        """Return the lines with errors in the diagnostics, the engine's own last word left out."""
        lines = [line.strip() for line in self.text.partition("Diagnostics:")[2].splitlines()]
        return [line for line in lines if line.startswith("error:") and "update failed" not in line]


class Harness(Protocol):
    """One runtime under test, with a stack of its own. `kinds` are the parts that `kill` knows, `holders` the files in which a
    version's secret may be."""

    kinds: tuple[str, ...]
    holders: set[str]

    def up(self, *versions: str, jobs: dict[str, list[str]] | None = None, **env: str) -> Done:
        """Run `pulumi up` with these versions; `env` goes to the last one."""

    def pulumi(self, *words: str) -> Done:
        """Run a command of the engine on the stack."""

    def output(self, name: str) -> Any:
        """Return a stack output."""

    def kill(self, kind: str) -> None:
        """Kill a part without warning."""

    def mark(self, name: str) -> object:
        """Return what tells one run of a version from the next."""

    def running(self) -> list[str]:
        """Return what runs of the stack."""

    def close(self) -> None:
        """End and remove everything."""


class ProcessHarness:
    """The process runtime."""

    name = "process"
    kinds: tuple[str, ...] = ("front", "keeper", "store", "web@1.0", "manager")
    # A version's variables are in one file for its user alone; and what a program writes into its own log, it writes.
    holders = {"web@1.0.env", "web@9.9.log"}

    def __init__(self, stack: str = "one", home: Path | None = None) -> None:
        self.home, self.stack, self.own = home or place(), stack, home is None
        self.work = self.home / f"program-{stack}"
        self.work.mkdir()
        self.outputs: dict[str, Any] = {}
        self.folder = Folder(self.home / "data" / f"toy-{stack}")
        (self.home / "data").mkdir(exist_ok=True)
        (self.work / "Pulumi.yaml").write_text("name: toy\nruntime: python\n")
        (self.work / "__main__.py").write_text(PROGRAM)
        self.pulumi("stack", "init", stack)
        self.pulumi("config", "set", "--secret", "token", SECRET)

    def pulumi(self, *words: str) -> Done:
        """See the protocol."""
        own = {"PULUMI_BACKEND_URL": f"file://{self.work}", "PULUMI_CONFIG_PASSPHRASE": "x", "PULUMI_SKIP_UPDATE_CHECK": "1"}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        env = {**os.environ, **own, "PATH": path, "SLUICE_HOME": str(self.folder.root.parent)}
        target = [] if words[:2] == ("stack", "init") else ["--stack", self.stack]
        command = ["pulumi", *words, "--non-interactive", *target]
        done = subprocess.run(command, cwd=self.work, env=env, capture_output=True, text=True, timeout=180, check=False)
        return Done(done.returncode, done.stdout + done.stderr)

    def up(self, *versions: str, jobs: dict[str, list[str]] | None = None, **env: str) -> Done:
        """See the protocol."""
        declared = {name: {"env": env} if name == versions[-1] else {} for name in versions}
        text = json.dumps({"runtime": self.name, "given": self.given(), "artifact": str(TOY), "versions": declared, "jobs": jobs or {}})
        (self.work / "declared.json").write_text(text)
        self.outputs = {}
        return self.pulumi("up", "-f", "-y")

    def given(self) -> dict[str, str]:
        """Return what the runtime is made with."""
        return {}

    def output(self, name: str) -> Any:
        """See the protocol."""
        if not self.outputs:
            self.outputs = json.loads(self.pulumi("stack", "output", "--json").text)
        return self.outputs[name]

    def _pid(self, kind: str) -> int:
        files = {"manager": self.folder.pidfile("supervisord"), "store": self.folder.server("store") / "data" / "postmaster.pid"}
        return running(files.get(kind, self.folder.pidfile(kind)), kind)

    def kill(self, kind: str) -> None:
        """See the protocol."""
        kill(self._pid(kind))

    def mark(self, name: str) -> object:
        """See the protocol."""
        return self._pid(name)

    def running(self) -> list[str]:
        """See the protocol."""
        return left(self.folder.root)

    def close(self) -> None:
        """See the protocol."""
        self.pulumi("destroy", "-f", "-y")
        if self.own:
            shutil.rmtree(self.home)


class DockerHarness(ProcessHarness):
    """The docker runtime, on the engine of this machine."""

    name = "docker"
    kinds = ("front", "keeper", "store", "web@1.0")
    holders: set[str] = set()

    def __init__(self, stack: str = "one", home: Path | None = None) -> None:
        # Whoever else runs these tests has the same engine.
        super().__init__(f"{stack}-{token_hex(2)}", home)

    def given(self) -> dict[str, str]:
        """See above."""
        return {"image": image.sluice(), "postgres": image.postgres()}

    def _called(self, kind: str) -> str:
        return contained(f"toy-{self.stack}", kind)

    def _pid(self, kind: str) -> int:
        state = docker.state(self._called("front" if kind == "keeper" else kind))
        assert state, f"{kind} is not there"
        return state.pid if kind != "keeper" else self._within(state.pid, "sluice.systems.keeper")

    def _within(self, pid: int, word: str) -> int:
        """Return the process of a container whose command has a word."""
        (found,) = [one.pid for one in psutil.Process(pid).children(recursive=True) if word in one.cmdline()]
        return int(found)

    def running(self) -> list[str]:
        """See the protocol."""
        return docker.ask(["ps", "--filter", f"label={STACK}=toy-{self.stack}", "--format", "{{.Names}} {{.Command}}"]).splitlines()

    def close(self) -> None:
        """See the protocol; volumes with data stay after a destroy, and are of no use to anybody here."""
        super().close()
        docker.ask(["volume", "rm", "--force", contained(f"toy-{self.stack}", "store-data")])


HARNESSES: dict[str, type[ProcessHarness]] = {"process": ProcessHarness, "docker": DockerHarness}
# Why a runtime cannot run here.
LACKS: dict[str, Callable[[], str]] = {"process": lambda: "", "docker": image.missing}
