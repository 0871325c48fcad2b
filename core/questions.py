"""What a stack's gates ask, as data: what its program says of it, for whoever wants to ask without a release. Pure."""

from __future__ import annotations

from typing import Any

from sluice.core.backup.room import Room
from sluice.core.check import Check
from sluice.core.database import Database
from sluice.core.requirement import Fact, Requirement
from sluice.core.settings.rollout import Backup as Rules
from sluice.core.store import Store
from sluice.core.value import Value
from sluice.core.version import Version


class Known(Value):
    """What state says of a stack: its running versions by name, its door and splitter, its databases, where backups are."""

    versions: dict[str, Version] = {}
    url: str = ""
    split: dict[str, Any] = {}
    stores: dict[str, Store] = {}
    folder: str = ""


class Preflight(Value):
    """What must be so before the configured release begins; `when` is what a backup is asked for (pending, always), `room` where it
    goes."""

    facts: list[Fact] = []
    requirements: Requirement = Requirement()
    databases: list[Database] = []
    when: str = "pending"
    room: Room | None = None


class Health(Value):
    """The health gate of the configured release; `absent` are its versions that do not run."""

    checks: list[Check] = []
    absent: list[str] = []
    deadline: float


class Smoke(Value):
    """The journeys of the live release, through the front door."""

    journeys: list[dict[str, Any]] = []
    targets: dict[str, str] = {}
    databases: dict[str, dict[str, Any]] = {}
    deadline: float


class Mark(Value):
    """All marks of the live release as one; `window` and `patience` in seconds, `smoke`: the journeys belong to it."""

    names: list[str]
    versions: list[Version]
    checks: list[Check]
    window: float
    patience: float
    smoke: bool


class Saved(Value):
    """How databases are saved: `needed` are the ids that stay whatever their age, `owner` whose backups they are."""

    databases: list[Database] = []
    rules: Rules = Rules()
    folder: str = ""
    owner: str
    needed: list[str] = []


class Questions(Value):
    """Everything, for the release that config names (`release`) and the `live` one ("" before the first)."""

    release: str
    live: str = ""
    preflight: Preflight
    health: Health
    smoke: Smoke | None = None
    mark: Mark | None = None
    saved: Saved
    split: dict[str, Any] = {}
