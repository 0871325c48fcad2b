"""What a team declares of its releases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice.components import marks
from sluice.components.service import ServiceArgs
from sluice.core.check import Check
from sluice.core.migration.alembic import Alembic
from sluice.core.requirement import Requirement
from sluice.core.version import Version

Checks = Callable[[Version], list[Check]]
# From the parameters of `sql` questions by database.
Data = Callable[[Mapping[str, Mapping[str, Any]]], list[Check]]


@dataclass(frozen=True, kw_only=True)
class ReleaseArgs:
    """What a team declares once.

    `migrations` is for each database that has some a folder of SQL files, or an Alembic tree; `proofs`, by database and name, are SELECTs
    that the restored copy of a backup must pass: no row, or one that is true; `agreed`, by name and database, are SELECTs that must come to
    the same in the copies of all of these; `journeys` are its smoke tests (core.journey); `well` and `watch` give more checks of a new
    version, for its health gate and for its canary, `data` more of the databases while it climbs, `marks` more of a live release
    (components.marks.At); `requirements` are what the machine that deploys must have.
    """

    services: Sequence[ServiceArgs]
    databases: Sequence[str] = ()
    connections: int = 100
    migrations: Mapping[str, str | Path | Alembic] = field(default_factory=dict)
    proofs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    agreed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    journeys: Sequence[Mapping[str, Any]] = ()
    well: Checks | None = None
    watch: Checks | None = None
    data: Data | None = None
    marks: marks.Checks | None = None
    requirements: Requirement = field(default_factory=Requirement)
