"""Where the demo's stacks run: in processes of this machine, or in containers of its Docker engine. The program is the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from examples.redcube.demo import engine

if TYPE_CHECKING:
    from sluice.core.split import Share
    from sluice.systems.splits.remote import RemoteSplit

PROJECT = "sluice"


class Runtime(Protocol):
    """What the demo has to know of it."""

    def ready(self) -> dict[str, str]:
        """Return the config that says so, once all that it needs is there; exit with everything that is not."""

    def share(self, stack: str) -> Share:
        """Return what the splitter was told; Unreachable where there is none yet."""

    def clear(self, stack: str) -> None:
        """Remove what a destroyed stack has left on this machine outside of the demo's folder, and say so."""

    def fresh(self, stacks: tuple[str, ...]) -> None:
        """Exit where somebody else's stack of that name is."""


class Process:
    """In processes."""

    def ready(self) -> dict[str, str]:
        """See Runtime: all of it comes with set-up."""
        return {}

    def share(self, stack: str) -> Share:
        """See Runtime."""
        from sluice.systems.splits import envoy

        return envoy.look(str(Path(os.environ["SLUICE_HOME"]) / f"{PROJECT}-{stack}" / "front"))

    def clear(self, stack: str) -> None:
        """See Runtime: it all is in the demo's folder."""

    def fresh(self, stacks: tuple[str, ...]) -> None:
        """See Runtime: nobody else's is in the demo's folder."""


class Docker:
    """In containers of `image`, with database servers of `postgres`; what is not given is built of this machine's own Python."""

    def __init__(self, image: str = "", postgres: str = "") -> None:
        self.given = {"image": image, "postgres": postgres}
        self.splits: dict[str, RemoteSplit] = {}

    def ready(self) -> dict[str, str]:
        """See Runtime."""
        if why := engine.lacks(self.given):
            raise SystemExit("\n  - ".join([f"the demo does not begin, nothing was touched: {len(why)} to mend", *why]))
        found = engine.images(self.given)
        return {"sluice:runtime.kind": "docker", **{f"sluice:runtime.{part}": name for part, name in found.items()}}

    def share(self, stack: str) -> Share:
        """See Runtime. The program that answers stays in the front's container."""
        from sluice.core.split import Share
        from sluice.systems.splits.remote import RemoteSplit

        if stack not in self.splits:
            self.splits[stack] = RemoteSplit(engine.split(f"{PROJECT}-{stack}"))
        return Share.read(self.splits[stack].told())

    def clear(self, stack: str) -> None:
        """See Runtime: a destroy leaves data volumes, and the images that a way back would need."""
        for line in engine.sweep(f"{PROJECT}-{stack}"):
            print(f"  {line}")

    def fresh(self, stacks: tuple[str, ...]) -> None:
        """See Runtime."""
        why = [line for stack in stacks for line in engine.foreign(f"{PROJECT}-{stack}")]
        if why:
            raise SystemExit("\n  - ".join(["the demo does not begin: its stacks would meet what is on this engine already", *why]))
