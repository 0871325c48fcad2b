"""Journeys in a file: a YAML list of `core.journey.Journey`.

Where a step has `body_file`, a path beside the file, its text becomes the `body`: whoever walks the journey needs no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sluice.core.errors import ConfigError
from sluice.core.journey import Journey, Query, Request, parse
from sluice.systems import http


def load(path: Path) -> list[Journey]:
    """Read journeys from a file, with the bodies that lie beside it; ConfigError has every problem."""
    wires, problems = _read(path), list[str]()
    for place, step in _steps(path.name, wires):
        problems += _body(place, step, path.parent)
    try:
        journeys = parse(wires, path.name)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    problems += unread(journeys, path.name)
    if problems:
        raise ConfigError(problems)
    return journeys


def _read(path: Path) -> list[Any]:
    import yaml

    try:
        # libyaml where PyYAML has it: journeys are read in every preview, and it is ten times as fast.
        wires = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise ConfigError([f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"'{path}' is not YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(wires, list):
        raise ConfigError([f"'{path}' is not a list of journeys"])
    return wires


def _steps(where: str, wires: Sequence[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what looks like a step, after its place."""
    for number, wire in enumerate(wires):
        for kind in ("steps", "cleanup"):
            steps = wire.get(kind) if isinstance(wire, dict) else None
            for at, step in enumerate(steps if isinstance(steps, list) else []):
                if isinstance(step, dict):
                    yield f"{where}.{number}.{kind}.{at}", step


def _body(place: str, step: dict[str, Any], folder: Path) -> Iterator[str]:
    """Put the text of a step's file into the step; yield what is wrong with it."""
    name = step.pop("body_file", None)
    if name is None:
        return
    if "body" in step:
        yield f"{place}: has both body and body_file, keep one"
        return
    try:
        step["body"] = (folder / str(name)).read_text()
    except (OSError, UnicodeDecodeError) as error:
        yield f"{place}.body_file: '{folder / str(name)}' cannot be read ({type(error).__name__})"


def unread(journeys: Sequence[Journey], where: str = "journeys") -> Iterator[str]:
    """Yield every JSONPath that cannot be read."""
    for number, journey in enumerate(journeys):
        for kind, steps in (("steps", journey.steps), ("cleanup", journey.cleanup)):
            for at, step in enumerate(steps):
                yield from _unread(f"{where}.{number}.{kind}.{at}", step)


def _unread(where: str, step: Request | Query) -> Iterator[str]:
    if isinstance(step, Query):
        return
    paths = {f"expect.{number}.path": one.path for number, one in enumerate(step.expect)}
    for place, path in {**paths, **{f"save.{name}": path for name, path in step.save.items()}}.items():
        try:
            http.pick(path, None)
        except ValueError as error:
            yield f"{where}.{place}: {error}"
