"""What a stack is now, by its state: what is proven, where its splitter and servers are, what an interrupted update has left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sluice.core.record import Record
from sluice.core.rollback.block import data, release_id
from sluice.core.rollback.past import Aim, Past, aim, pasts
from sluice.core.settings.parse import draft
from sluice.core.settings.rollout import Rollout
from sluice.core.settings.tree import RELEASE, ROLLOUT
from sluice.core.store import Store
from sluice.core.update import Outcome, Update, creating, outputs, pending, proven, provider, saved
from sluice.core.version import Version
from sluice.history import updates
from sluice.history.pulumi import Pulumi

# Resource types that hold what is asked here (docs/state.md).
PROXY, POSTGRES, BACKUP = "process:Proxy", "process:Postgres", "sluice:Backup"
SUPERVISOR, PROGRAM = "process:Supervisor", "process:Program"
# Of a single service only who has its turn runs.
TURNS = ("process:Turn", "docker:Turn")
# The same in containers: the door and every version are something healthy, and a password belongs to a server.
HEALTHY, PASSFILE = "docker:Healthy", "docker:Passfile"
CONTAINER, VOLUME = "docker:index/container:Container", "docker:index/volume:Volume"
IMAGE = "docker:index/remoteImage:RemoteImage"


@dataclass(frozen=True)
class Stack:
    """A stack at one moment, in the backend at that address.

    `config` is its `sluice:release` as JSON text, secrets in clear, and `rollout` its `sluice:rollout`; None when it has none.
    """

    pulumi: Pulumi
    backend: str
    state: Mapping[str, Any]
    config: str | None = field(repr=False)
    updates: Sequence[Update]
    rollout: str | None = field(default=None, repr=False)

    @cached_property
    def records(self) -> list[Record]:
        """Return the proven releases, newest first."""
        return [Record.parse(line) for line in proven(self.state)]

    @cached_property
    def pasts(self) -> list[Past]:
        """Return the proven releases with their config."""
        return pasts(self.records, self.updates)

    @property
    def live(self) -> Record | None:
        """Return the release that is proven and has the traffic."""
        return self.records[0] if self.records else None

    @cached_property
    def configured(self) -> str | None:
        """Return the id of the release in config; None when it is none."""
        return release_id(self.config) if self.config else None

    @cached_property
    def settings(self) -> Rollout:
        """Return how releases are brought out here, as far as config can be read."""
        return draft(ROLLOUT, Rollout, data(self.rollout) if self.rollout else {}).value

    @property
    def spent(self) -> set[str]:
        """Return the nonces that proven releases have used up."""
        return {nonce for record in self.records for nonce in record.approvals}

    @cached_property
    def aim(self) -> Aim:
        """Return what going back leaves, and where it leads to unless a release is named."""
        return aim(self.pasts, self.updates, self.configured)

    @property
    def pending(self) -> list[str]:
        """Return the resources whose last operation has no known end: an update was killed. What the engine still remembers after one has
        succeeded (creates, until a refresh clears them) says nothing any more."""
        last = next((one for one in self.updates if one.kind != "preview"), None)
        if last and last.outcome is Outcome.SUCCEEDED and 0 < saved(self.state) <= last.ended:
            return []
        return _names(pending(self.state))

    @property
    def remembered(self) -> list[str]:
        """Return the resources whose creation was cut short and is nobody's concern any more: the engine warns of them at every update."""
        # Whatever is still pending, the next update comes to it first.
        return [] if self.pending else _names(creating(self.state))

    @property
    def secrets(self) -> str:
        """Return what identifies the secrets provider."""
        return provider(self.state)

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Return the stack's outputs."""
        return outputs(self.state)

    @property
    def split(self) -> dict[str, Any] | None:
        """Return the splitter's descriptor; None where there is no front door."""
        contained = (one["descriptor"] for one in self._made(HEALTHY) if "split" in (one.get("descriptor") or {}))
        found = next(self._made(PROXY), None) or next(contained, None)
        return found["split"] if found else None

    @property
    def root(self) -> str | None:
        """Return the folder of a stack of the process runtime."""
        found = next(self._made(SUPERVISOR), None)
        return found.get("root") if found else None

    @property
    def running(self) -> list[tuple[Version, str]]:
        """Return the versions that state says are there, each with its health path ("" of a worker)."""
        # The path is in the packed spec, beside it in older stacks.
        each = [one for kind in (PROGRAM, HEALTHY, *TURNS) for one in self._made(kind)]
        known = [one for one in each if "service" in (one.get("descriptor") or {})]
        made = [(one["descriptor"], json.loads(one["spec"]) if "spec" in one else one) for one in known]
        return [(Version.read(descriptor), str(spec.get("health", ""))) for descriptor, spec in made if not spec.get("single")]

    @property
    def containers(self) -> list[str]:
        """Return how the containers are called that state says are there."""
        return [str(one["name"]) for one in self._made(CONTAINER)]

    @property
    def volumes(self) -> list[str]:
        """Return the volumes that state says are there."""
        return [str(one["name"]) for one in self._made(VOLUME)]

    @property
    def tags(self) -> list[str]:
        """Return the tags of the images that state says are there."""
        return [str(one["name"]).rpartition(":")[2] for one in self._made(IMAGE)]

    @property
    def servers(self) -> list[str]:
        """Return the names of the database servers."""
        return [str(one["name"]) for one in self._made(POSTGRES)]

    @property
    def shelf(self) -> str | None:
        """Return the folder with the backups."""
        found = next(self._made(BACKUP), None)
        return found.get("folder") if found else None

    @property
    def stores(self) -> dict[str, Store]:
        """Return the databases that the stack speaks of, with who may ask them."""
        server = next(self._made(POSTGRES), None) or next(self._made(PASSFILE), None)
        if server is None:
            return {}
        of = {key: server[key] for key in ("host", "port", "user", "passfile", "tools")}
        return {name: Store(**of, dbname=name) for name in self.outputs.get("databases") or {}}

    def _made(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """Yield what state has of the resources of a kind: what they were given, and what came of it."""
        resources = [one for one in self.state.get("resources") or () if str(one.get("type", "")).endswith(kind)]
        return ({**one.get("inputs", {}), **one.get("outputs", {})} for one in resources if not one.get("delete"))


def _names(urns: Sequence[str]) -> list[str]:
    return [urn.rsplit("::", 1)[-1] for urn in urns]


def look(pulumi: Pulumi) -> Stack:
    """Ask all at once: each question to the CLI takes it a third of a second to start."""
    with ThreadPoolExecutor(3) as pool:
        state = pool.submit(pulumi.state)
        config = pool.submit(pulumi.configs, RELEASE, ROLLOUT)
        backend = pulumi.backend()
        found = updates.read(pulumi, backend)
        release, rollout = config.result()
        return Stack(pulumi, backend, state.result(), release, found, rollout)
