"""What the machine that deploys must have."""

from __future__ import annotations

import re

from pydantic import Field

from sluice.core.value import Value


class Requirement(Value):
    """What must be there before a release begins; sizes in bytes, ports on loopback.

    `disk_free_bytes` is by path: that path, or the nearest folder above it that exists, is on the disk that is meant. `servers` are URLs
    by name, without credentials, of what must answer (systems.greet). `committed` are checkouts without changes that are not committed,
    each with the files in it that may have some, such as a stack's own config. `engine` is the least version of the Docker engine, and
    `images` the most bytes that images may have, as far as they are on it.
    """

    disk_free_bytes: dict[str, int] = {}
    memory_free_bytes: int = Field(default=0, ge=0)
    ports_free: list[int] = []
    variables: list[str] = []
    executables: list[str] = []
    servers: dict[str, str] = {}
    committed: dict[str, list[str]] = {}
    engine: str = ""
    images: dict[str, int] = {}

    def on(self, place: Requirement) -> Requirement:
        """Return it with what the place requires where all of it will run: of engines the newer, and images of a size."""
        engine = max(self.engine, place.engine, key=numbers)
        return self.model_copy(update={"engine": engine, "images": {**self.images, **place.images}})


def numbers(version: str) -> list[int]:
    """Read `20.10.24+dfsg1` as its three numbers, by which versions compare: as texts, 9 would be newer than 20."""
    found = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in found[0].split(".")] if found else []


class Fact(Value):
    """Something that must be so before a release begins, found out by the program: `why` it is not, and the `command` to mend it."""

    name: str
    ok: bool
    why: str = ""
    command: str = ""

    @property
    def line(self) -> str:
        """Return the fact as a reason to refuse."""
        return f"{self.name}: {self.why or 'is not so'}" + (f"; run: {self.command}" if self.command else "")
