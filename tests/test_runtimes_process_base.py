"""What the resources of the process runtime share."""

import subprocess
import sys

import pulumi
import pytest
from pulumi.runtime.rpc import UNKNOWN

from sluice.runtimes.process import job, postgres, program, proxy, supervisor, turn
from sluice.runtimes.process.base import Provider, changed

# Stored in every state: a rename would orphan what is deployed.
PROVIDERS = {
    "sluice.runtimes.process.job.JobProvider": job.JobProvider,
    "sluice.runtimes.process.postgres.PostgresProvider": postgres.PostgresProvider,
    "sluice.runtimes.process.program.ProgramProvider": program.ProgramProvider,
    "sluice.runtimes.process.proxy.ProxyProvider": proxy.ProxyProvider,
    "sluice.runtimes.process.supervisor.SupervisorProvider": supervisor.SupervisorProvider,
    "sluice.runtimes.process.turn.TurnProvider": turn.TurnProvider,
}
TYPES = [one._resource_type_name for one in (job.Job, postgres.Postgres, program.Program, proxy.Proxy, supervisor.Supervisor, turn.Turn)]


def test_stored_names():
    """The names that states hold are these, for ever."""
    assert {f"{one.__module__}.{one.__qualname__}": one for one in PROVIDERS.values()} == PROVIDERS
    assert [f"dynamic/process:{name}" for name in ("Job", "Postgres", "Program", "Proxy", "Supervisor", "Turn")] == TYPES


def test_changed():
    """A changed, a new and an unknown input are changes; outputs and the stored provider are none."""
    olds = {"a": 1.0, "out": "x", "__provider": "p"}
    assert not changed(olds, {"a": 1, "__provider": "q"})
    assert changed(olds, {"a": 2})
    assert changed(olds, {"a": 1, "b": ""})
    assert changed(olds, {"a": UNKNOWN})


class Fails(Provider):
    """A provider that fails half way, and notes what is undone."""

    undone: list[str] = []

    def start(self, props, olds):
        raise pulumi.RunError("no")

    def stop(self, props):
        self.undone.append(props["name"])


def test_failed_create():
    """A failed create is undone, as the engine does not know of it; a failed update is not."""
    with pytest.raises(pulumi.RunError, match=r"^no$"):
        Fails().create({"name": "x"})
    with pytest.raises(pulumi.RunError, match=r"^no$"):
        Fails().update("y", {}, {"name": "y"})
    assert Fails.undone == ["x"]


def test_light():
    """A no-change update pays for no driver: loading the providers and looking imports none."""
    script = """if True:
        import sys, pulumi.dynamic
        before = set(sys.modules)
        from sluice.runtimes.process import job, postgres, program, proxy, supervisor
        olds = {"root": "/x", "name": "y"}
        for one in (program.ProgramProvider(), proxy.ProxyProvider(), supervisor.SupervisorProvider(), postgres.PostgresProvider()):
            assert one.diff("", olds, olds).changes
        print([name for name in ("pydantic", "httpx", "psycopg", "psutil", "xmlrpc.client") if name in set(sys.modules) - before])
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
