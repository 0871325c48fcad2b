"""Everything a version of a service is, and the name that follows from it."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property

from pydantic import Field

from sluice.core.value import Value

# What a service needs to answer its first request, and what requests under way may need to end, in seconds.
READY = 30.0
GRACE = 10.0
# Four hex digits tell a few dozen specs of one version apart; the whole name has to fit into process lists and graphs.
SHORT = 4
MARK = "spec "
# Of a SHA-256 in hex.
DIGITS = 64


def image(artifact: str) -> bool:
    """Say whether an artifact is an image by its digest, `name@sha256:...`, and not a folder."""
    name, mark, digest = artifact.partition("@sha256:")
    return bool(name and mark) and len(digest) == DIGITS and set(digest) <= set("0123456789abcdef")


class Spec(Value):
    """One version of one service. Two specs that differ in anything have different names, so that nothing serving is changed in place.

    `artifact` is the folder or image that runs and `digest` its content; `prefix` its door ('' for none); `database` the name of the
    one it uses; `secrets` the names of its secret variables (values are no part of a spec: a rotated secret takes a new
    release); `connections` the most it should open to its database; `needs` the names of the versions that it calls by their own addresses;
    `memory` in bytes, `cpu` in cores; `ready`, `grace` in seconds; `single`: one version of the service runs at a time, so that whoever
    needs it names the service, and not its version.
    """

    service: str
    version: str
    digest: str = ""
    argv: list[str]
    artifact: str
    prefix: str = ""
    database: str | None = None
    env: dict[str, str] = {}
    secrets: list[str] = []
    replicas: int = Field(default=1, ge=1)
    connections: int | None = None
    needs: list[str] = []
    memory: int = 0
    cpu: float = 0.0
    health: str = "/health"
    ready: float = READY
    grace: float = GRACE
    single: bool = False

    @property
    def text(self) -> str:
        """Return the spec as one line, for `parse`. The mark in front keeps the engine from spreading it over a screen as JSON."""
        return MARK + self.model_dump_json(exclude_defaults=True)

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Return the spec of a text."""
        return cls.model_validate_json(text.removeprefix(MARK))

    @cached_property
    def name(self) -> str:
        """Return `service@version-hash`. The artifact counts by content, not by where it lies."""
        # Without defaults: a field that a later Sluice adds must not turn what runs into another version.
        told = json.dumps(self.model_dump(mode="json", exclude={"artifact"}, exclude_defaults=True), sort_keys=True)
        return f"{self.service}@{self.version}-{hashlib.sha256(told.encode()).hexdigest()[:SHORT]}"
