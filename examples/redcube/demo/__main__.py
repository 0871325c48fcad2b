"""`python -m examples.redcube.demo`: run the demo, bring its stacks up, or end them; `make demo`, `make up` and `make down`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from examples.redcube import demo
from examples.redcube.demo.docker import Contained
from examples.redcube.demo.process import Whole
from examples.redcube.demo.runtime import Docker, Process
from examples.redcube.demo.stacks import PROGRAM, destroy

WALKS: dict[str, type[Whole | Contained]] = {"process": Whole, "docker": Contained}


def main(words: Sequence[str] | None = None) -> None:
    """Do what the words say."""
    given = _arguments(words)
    if given.down:
        destroy() if PROGRAM.exists() else print("there is no demo")
        return
    runtime = Docker(given.image, given.postgres) if given.runtime == "docker" else Process()
    walk = WALKS[given.runtime](runtime)
    walk.begin() if given.up else walk.run()


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    asked = argparse.ArgumentParser(prog="make demo", description=demo.__doc__)
    asked.add_argument("--down", action="store_true", help="destroy the demo's stacks and their data")
    asked.add_argument("--up", action="store_true", help="only bring staging and production up")
    asked.add_argument("--runtime", default="process", help="where: process or docker")
    asked.add_argument("--image", default="", help="docker: an image with Python and Sluice; without one it is built here")
    asked.add_argument("--postgres", default="", help="docker: an image of PostgreSQL; without one it is built here")
    given = asked.parse_args(words)
    if given.runtime not in WALKS:
        asked.error(f"RUNTIME is '{given.runtime}', expected {' or '.join(WALKS)}: run `make demo RUNTIME=docker`, or without one")
    if given.runtime == "process" and (given.image or given.postgres):
        asked.error("IMAGE and POSTGRES are for containers: run `make demo RUNTIME=docker`, or without them")
    return given


if __name__ == "__main__":
    main()
