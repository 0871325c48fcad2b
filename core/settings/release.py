"""`sluice:release`: what changes together, and what a rollback restores byte for byte."""

from __future__ import annotations

import json
from functools import cached_property
from hashlib import sha256

from pydantic import Field

from sluice.core.record import Kind
from sluice.core.settings.kind import Digest, Name, Plain, Revision, Truth, Variable, Version, Whole
from sluice.core.value import Value

# Enough to tell the configurations of one version apart.
SHORT = 6


class Service(Value):
    """What this release says about one service."""

    version: Version | None = Field(default=None, description="its own version, where it differs from the release's")
    digest: Digest | None = Field(default=None, description="the content of its image or artifact, where the version alone is not trusted")
    replicas: Whole = Field(default=1, ge=1, le=100, description="how many processes or containers of it run")
    settings: dict[Variable, Plain] = Field(
        default={}, description="variables of its environment. Config and state show them: a secret belongs to the service's `secrets`"
    )


class Release(Value):
    """What is to run."""

    version: Version = Field(description="the version of everything that is not told its own")
    kind: Kind = Field(default="minor", description="how much changes: people and notices are told")
    services: dict[Name, Service] = Field(default={}, description="what differs by service; names are those of the program")
    # The name `schema` is one that pydantic keeps for itself.
    schema_: dict[Name, Revision] = Field(
        default={}, alias="schema", description="the revision of each database with migrations; one that is not named is left as it is"
    )
    flags: dict[Name, Truth] = Field(default={}, description="feature flags, switched before any gate for every version that runs")

    @cached_property
    def id(self) -> str:
        """Return the version and a hash of the whole block: the same block has the same id, whatever the order of its keys."""
        # Only what config says: a default that a later Sluice adds must not turn a proven release into another one.
        told = self.model_dump(mode="json", exclude_unset=True, by_alias=True)
        canonical = json.dumps(told, sort_keys=True, separators=(",", ":"))
        return f"{self.version}-{sha256(canonical.encode()).hexdigest()[:SHORT]}"
