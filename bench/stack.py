"""Stacks of the real engine to measure on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bench.measure import say
from tests.fixtures.engine import Engine

# A hundred versions start four at a time, each with its own proof of health.
DEPLOY = 1800.0


@contextmanager
def deployed(program: Path, stack: str, config: dict[str, Any] | None = None) -> Iterator[Engine]:
    """Deploy a program for as long as the block runs; without `config` the stack's own file is beside it."""
    engine = Engine(program, stack)
    engine.config = config or {}
    with ready(engine):
        yield engine


E = TypeVar("E", bound=Engine)


@contextmanager
def ready(engine: E) -> Iterator[E]:
    """Deploy a stack with the config that it has, for as long as the block runs."""
    try:
        _even(engine)
        for key, value in engine.config.items():
            engine.configure(key, value)
        say(f"  deploying {engine.stack}")
        done(engine, "up", "--yes", "--skip-preview")
        # The first update makes a release the live one; the second knows it as settled.
        done(engine, "up", "--yes", "--skip-preview")
        yield engine
    finally:
        engine.close()


def _even(engine: Engine) -> None:
    """Take away what this machine would add to both sides of a comparison."""
    # No plugin is needed; offline the CLI would try to download those of installed packages, for seconds.
    engine.env["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    # Modules are compiled once, as they are for people, whatever this shell says.
    engine.env["PYTHONPYCACHEPREFIX"] = str(engine.place / "cache")
    engine.env.pop("PYTHONDONTWRITEBYTECODE", None)


def done(engine: Engine, *words: str) -> str:
    """Run the CLI; return what it printed, or raise when it failed."""
    result = engine.run(*words, timeout=DEPLOY)
    if not result.ok:
        raise RuntimeError(f"`pulumi {' '.join(words)}` on stack '{engine.stack}' exited with {result.code}, expected 0:\n{result.out}")
    return result.out
