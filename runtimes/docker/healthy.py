"""Waiting until a container is well, and starting it again when it is not.

pulumi-docker's own `wait` is asked once: the next update takes an unhealthy container for a good one. This resource is only there once
the container was well, so whoever failed is asked again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.process.base import Props, Provider

if TYPE_CHECKING:
    from sluice.systems.docker import State

# Seconds between looks, each of which starts a client of the engine: short at first, then a tenth of the time that it has taken already.
SOON, SHARE = 0.05, 0.1
# What is said of a log in an error: enough for a traceback's end, few enough for one line.
LINES = 6
# A worker has nothing to ask; one that outlives its first second has started.
SETTLED = 1.0


class HealthyProvider(Provider):
    """Inputs: `spec`, those of `Healthy` but the secrets as one JSON text, and `secrets`. Output: descriptor."""

    def opened(self, props: Props) -> Props:
        """Unpack `spec`."""
        return {**props, **json.loads(props["spec"])}

    def start(self, props: Props, olds: Props) -> Props:
        """Start the container unless it runs, and wait until it is well."""
        from sluice.core.errors import RuntimeFailed
        from sluice.systems import docker

        state = known(props["container"])
        if not state.runs:
            docker.start(props["container"])
        # The engine counts from 0 again for whoever is started by hand.
        why = _fault(props, state.restarts if state.runs else 0)
        if why:
            raise RuntimeFailed(f"'{props['name']}' did not start: {why}; {_quoted(props)}")
        return {"descriptor": props["known"]}

    def alive(self, props: Props) -> bool:
        """Say whether its main process runs."""
        from sluice.systems import docker

        state = docker.state(props["container"])
        return state is not None and state.runs

    def stop(self, props: Props) -> None:
        """Leave it: the container is another resource's, which ends it with its grace."""

    def undo(self, props: Props) -> None:
        """Stop what did not become well. Its container stays, with its log, until the next update takes it away or tries again."""
        from sluice.systems import docker

        docker.stop(props["container"], float(props["grace"]))


def known(container: str) -> State:
    """Return how a container is; RuntimeFailed for one that somebody has removed."""
    from sluice.core.errors import RuntimeFailed
    from sluice.systems import docker

    state = docker.state(container)
    if state is None:
        why = f"container '{container}' is gone, and was not removed by Pulumi"
        raise RuntimeFailed(f"{why}: run `pulumi refresh`, then `pulumi up`")
    return state


def _fault(props: Props, restarts: int) -> str:
    """Wait until a container is well: "" then, else what is wrong with it after `ready` seconds, or as soon as it has ended."""
    import time

    from sluice.systems import docker

    began = time.monotonic()
    while True:
        state = docker.state(props["container"])
        ended = _ended(state, restarts)
        if ended:
            return ended
        lasted = time.monotonic() - began
        seen = _seen(props, lasted)
        if not seen:
            return ""
        if lasted > float(props["ready"]):
            return seen
        time.sleep(max(SOON, SHARE * lasted))


def _ended(state: State | None, restarts: int) -> str:
    """Say whether it has ended; the engine starts it again and again, and a run that has only just begun proves nothing."""
    if state is None:
        return "its container was removed"
    if state.runs and state.restarts <= restarts:
        return ""
    return f"it ended at start{_how(state)}"


def _how(state: State) -> str:
    from sluice.systems import docker

    # It may run again by now, and its state is then that of the next run.
    end = docker.ended(state.id) or docker.End(state.exit, starved=False)
    if not end.starved:
        return f" (exit code {end.exit})"
    limit = f"its memory limit of {state.memory / 2**20:g} MiB" if state.memory else "want of memory"
    return f": killed by {limit} (exit code {end.exit})"


def _seen(props: Props, lasted: float) -> str:
    from sluice.runtimes.process.launch import LOOPBACK, answers

    if props["ask"]:
        return _asked(props["container"], props["ask"])
    if props["port"]:
        return answers(props["health"], props.get("host", LOOPBACK))(int(props["port"]))
    return "" if lasted >= SETTLED else "it has only just begun"


def _asked(container: str, argv: list[str]) -> str:
    from sluice.core.errors import RuntimeFailed
    from sluice.systems import docker

    try:
        docker.ask(["exec", container, *argv])
    except RuntimeFailed as error:
        return str(error)
    return ""


def _quoted(props: Props) -> str:
    """Quote what a container has logged last, without its secrets, and say where the rest is."""
    from sluice.core.secret import redact
    from sluice.systems import docker

    lines = redact(docker.said(props["container"], LINES), props["secrets"].values()).splitlines()
    return f"its last log lines: {' | '.join(_once(lines)) or 'none'}; all of them: docker logs {props['container']}"


def _once(lines: list[str]) -> list[str]:
    """Return the last of lines that repeat: the engine has started it several times."""
    for period in range(1, len(lines)):
        if all(line == before for line, before in zip(lines[period:], lines, strict=False)):
            return lines[-period:]
    return lines


class Healthy(Resource, module="docker", name="Healthy"):
    """A container that is well. `ask`, a command in it, must end with 0; or else `health` answer on `port` of `host` ("": the loopback);
    or else it must outlive its first second. `known` is what others may know of it, a core.version.Version say, and the output
    `descriptor` the same from then on. `ready` and `grace` are seconds; `identity` is the container's id: another one is waited for.
    """

    descriptor: Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        *,
        container: str,
        identity: Input[str],
        known: dict[str, Any] | None = None,
        port: int = 0,
        host: str = "",
        health: str = "",
        ask: list[str] | None = None,
        secrets: Mapping[str, Input[str]] | None = None,
        ready: float,
        grace: float,
        label: str = "",
        opts: ResourceOptions | None = None,
    ) -> None:
        spec = {"name": label or name, "container": container, "port": port, "health": health, "ask": ask or []}
        spec |= {"known": known or {}, "ready": ready, "grace": grace, **({"host": host} if host else {})}
        hidden: Any = Output.secret({**secrets}) if secrets else {}
        props = {"spec": json.dumps(spec, sort_keys=True), "identity": identity, "secrets": hidden, "descriptor": None}
        super().__init__(HealthyProvider(), name, props, opts)
