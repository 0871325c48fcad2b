"""What a stack in containers adds to a preview that changes nothing, against a bare pulumi-docker program with the same containers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.measure import Measure, Skipped, compared
from bench.stack import done, ready
from tests.fixtures import image
from tests.fixtures.docker import Contained, clear
from tests.fixtures.engine import PROGRAM, Engine

BARE = PROGRAM.parent.parent.parent / "bench" / "programs" / "docker"
LIMIT = 2.0
# Sluice publishes on 20000 to 29999; the same containers once more are below.
APART = 10_000
# What the engine knows by name is there twice, images apart.
NAMED = ("name", "volumeName", "value")


def preview(runs: int) -> Measure:
    """Measure previews of the toy program: two services behind a door."""
    if why := image.missing():
        raise Skipped(why)
    made = Contained()
    made.release("1")
    with ready(made) as ours, beside(ours) as bare:
        count = sum(kind == "Container" for kind, *_ in parts(ours))
        what = f"a bare pulumi-docker program with the same {count} containers, their network, volumes and images"
        return compared("docker_preview_ratio", LIMIT, what, lambda: same(ours), lambda: same(bare), runs)


class Bare(Engine):
    """The same containers, declared without Sluice."""

    def close(self) -> None:
        """End what is there by force."""
        clear(f"bare-{self.stack}")
        super().close()


@contextmanager
def beside(ours: Contained) -> Iterator[Engine]:
    """Deploy the containers of a stack once more."""
    bare = Bare(BARE, ours.stack)
    (bare.folder / "parts.json").write_text(json.dumps(parts(ours)))
    with ready(bare) as one:
        yield one


def same(engine: Engine) -> None:
    """Preview a stack on which there is nothing to do."""
    done(engine, "preview", "--expect-no-changes")


def parts(ours: Contained) -> list[tuple[str, str, dict[str, Any]]]:
    """Return what a stack has of pulumi-docker: the kind, the resource's name and its arguments; containers last."""
    found = [one for one in ours.checkpoint()["resources"] if one["type"].startswith("docker:index/")]
    listed = [(one["type"].rpartition(":")[2], one["urn"].rpartition("::")[2], one["inputs"]) for one in found]
    renamed = (f"toy-{ours.stack}", f"bare-{ours.stack}")
    mine = [(kind, name, argued(told, ("", "") if kind == "RemoteImage" else renamed)) for kind, name, told in listed]
    return sorted(mine, key=lambda part: part[0] == "Container")


def argued(told: dict[str, Any], renamed: tuple[str, str]) -> dict[str, Any]:
    """Return inputs as Python's arguments: without what the provider has filled in, named and published apart."""
    own = {key: value for key, value in told.items() if key not in ("__defaults", *told.get("__defaults", []))}
    return {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): _value(key, value, renamed) for key, value in own.items()}


def _value(key: str, value: Any, renamed: tuple[str, str]) -> Any:
    if isinstance(value, list):
        return [_value(key, one, renamed) for one in value]
    if isinstance(value, dict):
        return argued(value, renamed)
    if key == "external":
        return value - APART
    return value.replace(*renamed) if key in NAMED and renamed[0] else value
