"""A release: everything that changes together, from preflight to record. The constructor reads as the runbook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pulumi

from sluice.components import facts, marks
from sluice.components.backup import Backup
from sluice.components.base import Component
from sluice.components.canary import Canary
from sluice.components.database import Database
from sluice.components.flag import Flag
from sluice.components.gate import Gate
from sluice.components.migration import Migration
from sluice.components.service import Deployed, ServiceArgs, deploy
from sluice.components.smoke import SmokeTest
from sluice.components.stack import Stack
from sluice.core.check import Check
from sluice.core.database import Database as Wanted
from sluice.core.migration.alembic import Alembic
from sluice.core.moment import Moment
from sluice.core.plan import Plan, plan, problems, text
from sluice.core.requirement import Requirement
from sluice.core.rollout import Pair, Rollout
from sluice.core.settings.release import Service as Asked
from sluice.core.settings.rollout import Backup as Rules
from sluice.core.spec import Spec
from sluice.core.store import Store
from sluice.core.thresholds import health, watches
from sluice.core.version import Version
from sluice.hooks.mark import Mark
from sluice.hooks.notify import Notify
from sluice.hooks.preflight import Preflight
from sluice.hooks.record import Record
from sluice.runtimes import port

Checks = Callable[[Version], list[Check]]


@dataclass(frozen=True, kw_only=True)
class ReleaseArgs:
    """What a team declares once.

    `migrations` is for each database that has some a folder of SQL files, or an Alembic tree; `proofs`, by database and name, are SELECTs
    that the restored copy of a backup must pass: no row, or one that is true; `journeys` are its smoke tests (core.journey); `well` and
    `watch` give more checks of a new version, for its health gate and for its canary, `marks` more of a live release (components.marks.At);
    `requirements` are what the machine that deploys must have.
    """

    services: Sequence[ServiceArgs]
    databases: Sequence[str] = ()
    connections: int = 100
    migrations: Mapping[str, str | Path | Alembic] = field(default_factory=dict)
    proofs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    journeys: Sequence[Mapping[str, Any]] = ()
    well: Checks | None = None
    watch: Checks | None = None
    marks: marks.Checks | None = None
    requirements: Requirement = field(default_factory=Requirement)


class Release(Component):
    """Takes a stack from the live release to the configured one, or leaves the live one serving.

    Children, in order: preflight, announcement, baseline, backup, expand, the versions and their guards, health, smoke, canary, front
    (smoke through the door), settle, record, notice, mark. `outputs` is the contract with other stacks.
    """

    def __init__(
        self, name: str, args: ReleaseArgs, *, stack: Stack, runtime: port.Runtime, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, {"release": stack.settings.release.id}, opts)
        self.name, self.args, self.stack, self.runtime = name, args, stack, runtime
        self.plan = self._plan()
        self.facts = facts.gather(stack, self.plan)
        # Of what this update releases none can be due.
        self.due = marks.due(stack) if self.plan.settled else []
        self.say()
        # A refused release must not keep what has died from being started again; and preflight asks the databases that there are.
        self.database = None if self.plan.first else self._database()
        preflight = self._preflight()
        if self.plan.first:
            runtime.after(preflight)
            self.database = self._database()
        self._announce(preflight)
        self.front = runtime.front(f"{name}-front", opts=self.below())
        self._explain()
        ready = self._baseline(preflight)
        saved = self._backup(ready)
        grown = self._migration("expand", saved)
        self.versions = self._versions(grown)
        flags = self._flags()
        well = self._health(grown)
        tried = self._smoke("smoke", well, self._addresses())
        canary = self._canary(tried)
        through = self._smoke("front", canary, self._doors(), fallback=True)
        settled = self._migration("settle", through)
        self.record = self._record(settled)
        told = self._notify()
        self.mark = self._mark(told, *flags)
        self.outputs = self._outputs()
        self.register_outputs(self.outputs)

    def _plan(self) -> Plan:
        settings = self.stack.settings
        target = {args.name: self._spec(args) for args in self.args.services}
        rollout = settings.rollout
        planned = plan(
            release=settings.release.id,
            target=target,
            ladder=rollout.walked,
            proven=self.stack.proven,
            window=rollout.window,
            now=self.stack.now,
            owed=[mark.name for mark in marks.standing(self.stack).owed] if self.stack.proven else [],
        )
        wrong = problems(planned, most=self.runtime.replicas, weights=self.runtime.weights)
        wrong += [] if planned.settled else facts.unknown(settings.release.schema_, self.args.migrations)
        wrong += [] if planned.settled else facts.unasked(self.args.proofs, self.args.databases)
        if wrong:
            raise pulumi.RunError("\n".join(wrong))
        return planned

    def _spec(self, args: ServiceArgs) -> Spec:
        release = self.stack.settings.release
        asked = release.services.get(args.name, Asked())
        return args.spec(asked.version or release.version, settings=asked.settings, replicas=asked.replicas)

    def say(self) -> None:
        """Tell people, in preview and before an update, what is going to happen."""
        if not self.plan.settled:
            pulumi.log.info(text(self.plan), self)
        elif self.due:
            pulumi.log.info(marks.story(self.stack), self)
        refusals = [fact.line for fact in self.facts if not fact.ok]
        if refusals and pulumi.runtime.is_dry_run():
            pulumi.log.warn("\n  - ".join(["as things are now, `pulumi up` will refuse this release:", *refusals]), self)

    def _explain(self) -> None:
        """Say in preview what every pending migration does; where the database is not there yet, from its files alone."""
        named = self.stack.settings.release.schema_
        if not named or self.plan.settled or not pulumi.runtime.is_dry_run():
            return
        if self.plan.first:
            pulumi.log.info("\n".join(facts.outline(named, self.args.migrations, self._took)), self)
        else:
            ask, when = facts.asked(self.stack, self.plan), self._rules.when
            known = pulumi.Output.all(wires=self._wanted(), folder=self.runtime.backups)
            known.apply(lambda one: facts.explain(one["wires"], one["folder"], self._took, self, when=when, ask=ask))

    @property
    def _took(self) -> dict[str, str]:
        """Return how long migrations took on the stack that must prove this release first, by 'database/name'."""
        return facts.took(self.stack)

    @property
    def _own(self) -> dict[str, Any]:
        """Return what every hook of this release is given."""
        rollout = self.stack.settings.rollout
        shared = {"release": self.plan.release, "settled": self.plan.settled}
        return shared | {"notify": rollout.webhooks, "contacts": [contact.wire() for contact in rollout.chain]}

    @property
    def _split(self) -> pulumi.Output[dict[str, Any]]:
        """Return the splitter with the doors as they are without this release: where traffic goes back to."""
        kept = [route.wire() for route in self.plan.kept]
        return self.front.split.apply(lambda split: {**split, "routes": kept})

    def _preflight(self) -> Preflight:
        told = [fact.wire() for fact in self.facts]
        props = {**self._own, "facts": told, "requirements": self.args.requirements.wire(), "plan": text(self.plan)}
        if self.database and not (self.plan.settled or self.plan.returning):
            # On the way back traffic leaves the failed version first, whatever a database has to say.
            ask = facts.asked(self.stack, self.plan).wire()
            props |= {"databases": self._wanted(), "when": self._rules.when, "ask": ask}
        return Preflight(f"{self.name}-preflight", props, self.below())

    def _baseline(self, preflight: Preflight) -> Preflight:
        """Take away the traffic that an earlier, unproven release may still have, before anything of this one starts."""
        props = {**self._own, **({} if self.plan.settled else {"split": self._split})}
        return Preflight(f"{self.name}-baseline", props, self.below(preflight, self.front.resource))

    def _database(self) -> Database | None:
        if not self.args.databases:
            return None
        return Database(
            f"{self.name}-database",
            runtime=self.runtime,
            databases=self.args.databases,
            connections=self.args.connections,
            opts=self.below(),
        )

    def _backup(self, ready: pulumi.Resource) -> pulumi.Resource:
        """Save what the migrations are about to change; a quick return saves nothing that it does not change."""
        if not self.database:
            return ready
        self.backup = Backup(
            f"{self.name}-backup",
            release=self.plan.release,
            settled=self.plan.settled,
            databases=self._wanted(),
            folder=self.runtime.backups,
            rules=self._rules,
            needed=sorted({id for record in self.stack.proven for id in record.backups.values()}),
            ask=None if self.plan.settled else facts.asked(self.stack, self.plan).wire(),
            common=self._own,
            opts=self.below(ready, self.database.store.resource),
        )
        return self.backup

    @property
    def _rules(self) -> Rules:
        rules = self.stack.settings.rollout.backup
        return rules.model_copy(update={"when": "pending"}) if self.plan.returning else rules

    def _migration(self, phase: Literal["expand", "settle"], after: pulumi.Resource) -> pulumi.Resource:
        if not self.database or not self.args.migrations:
            return after
        return Migration(
            f"{self.name}-{phase}",
            release=self.plan.release,
            settled=self.plan.settled,
            phase=phase,
            # Expand looks at them for a settled release too, when that comes back.
            databases=self._each() if phase == "expand" else self._wanted(),
            folder=self.runtime.backups,
            backups=self.backup.backups,
            common={**self._own, **(self._fallback if phase == "settle" else {})},
            opts=self.below(after),
        )

    def _wanted(self) -> pulumi.Output[list[dict[str, Any]]]:
        """Return every database with what this release wants of it; of a settled release, whose steps do not run, none."""
        return pulumi.Output.from_input([]) if self.plan.settled else self._each()

    def _each(self) -> pulumi.Output[list[dict[str, Any]]]:
        if not self.database:
            return pulumi.Output.from_input([])
        store = self.database.store
        server = {"host": store.host, "port": store.port, "user": store.user, "passfile": store.passfile, "tools": store.tools}
        return pulumi.Output.all(**server).apply(lambda known: [self._one(name, known).wire() for name in self.args.databases])

    def _one(self, name: str, server: Mapping[str, Any]) -> Wanted:
        target = self.stack.settings.release.schema_.get(name, "")
        known = any(name in record.schema_ for record in self.stack.proven[:1])
        migrations = facts.declared(self.args.migrations[name]) if target else {}
        leave, checks = facts.left(self.stack, self.plan), dict(self.args.proofs.get(name, {}))
        wanted: dict[str, Any] = {"store": Store(**server, dbname=name), "target": target, "known": known, "checks": checks}
        return Wanted(**wanted, downgrade=leave.downgrade, lossy=leave.of(name), **migrations)

    def _versions(self, ready: pulumi.Resource) -> dict[str, Deployed]:
        """Declare the released, the live and the warm versions; what serves, or has served, is frozen."""
        secrets = {args.name: args.secrets for args in self.args.services}
        return {
            name: deploy(
                self,
                spec,
                runtime=self.runtime,
                front=self.front,
                database=self.database,
                secrets=secrets.get(spec.service),
                frozen=name not in self.plan.new,
                after=[ready] if name in self.plan.new else [],
            )
            for name, spec in self.plan.declared.items()
        }

    def _flags(self) -> list[pulumi.Resource]:
        return [
            Flag(f"{self.name}-flag-{name}", file=self.runtime.flags, flag_name=name, on=on, opts=self.below())
            for name, on in self.stack.settings.release.flags.items()
        ]

    def _described(self, specs: Mapping[str, Spec]) -> pulumi.Output[dict[str, Any]]:
        """Return the descriptors by service, once all of them are known; of a settled release, which nobody asks, none."""
        return pulumi.Output.from_input({}) if self.plan.settled else self._running(specs)

    def _running(self, specs: Mapping[str, Spec]) -> pulumi.Output[dict[str, Any]]:
        return pulumi.Output.all(**{service: self.versions[spec.name].descriptor for service, spec in specs.items()})

    def _health(self, grown: pulumi.Resource) -> Gate:
        def checks(descriptors: Mapping[str, Any]) -> list[Any]:
            versions = [Version.read(descriptor) for descriptor in descriptors.values()]
            more = self.args.well or (lambda version: [])
            asked = [check for version in versions for check in (health(version, self._path(version)), *more(version))]
            return [check.wire() for check in asked]

        return Gate(
            f"{self.name}-health",
            release=self.plan.release,
            settled=self.plan.settled,
            moment=Moment.HEALTH,
            checks=self._described(self.plan.target).apply(checks),
            deadline=self.stack.settings.rollout.deadlines.health,
            common=self._own,
            # Without a new version, too, what comes next is proven on the schema that this release brings.
            opts=self.below(grown, *self._new()),
        )

    def _path(self, version: Version) -> str:
        return self.plan.target[version.service].health

    def _new(self) -> list[pulumi.Resource]:
        return [self.versions[spec.name].last for spec in self.plan.target.values()]

    def _addresses(self) -> pulumi.Output[dict[str, Any]]:
        """Return where each service of this release is reached without the front door."""
        return self._described(self.plan.target).apply(lambda found: {name: one["url"] for name, one in found.items()})

    def _doors(self) -> pulumi.Output[dict[str, Any]]:
        return pulumi.Output.from_input({}) if self.plan.settled else self._front()

    def _front(self) -> pulumi.Output[dict[str, Any]]:
        return self.front.url.apply(lambda url: dict.fromkeys(self.plan.target, url))

    @property
    def _fallback(self) -> dict[str, Any]:
        """Return what takes traffic back when a step fails; a settled release's steps do not run, and cost nothing."""
        return {} if self.plan.settled else {"fallback": self._split}

    def _smoke(self, role: str, after: pulumi.Resource, targets: pulumi.Output[Any], *, fallback: bool = False) -> SmokeTest:
        more = self._fallback if fallback else {}
        return SmokeTest(
            f"{self.name}-{role}",
            release=self.plan.release,
            settled=self.plan.settled,
            journeys=[] if self.plan.settled else self.args.journeys,
            targets=targets,
            databases=self._stores(),
            deadline=self.stack.settings.rollout.deadlines.smoke,
            common={**self._own, **more},
            opts=self.below(after),
        )

    def _stores(self) -> dict[str, Any]:
        if not self.database:
            return {}
        store = self.database.store
        where = {"host": store.host, "port": store.port, "user": store.user, "passfile": store.passfile}
        return {name: {**where, "dbname": name} for name in self.database.databases}

    def _canary(self, after: pulumi.Resource) -> Canary:
        return Canary(
            f"{self.name}-canary",
            release=self.plan.release,
            settled=self.plan.settled,
            split=self._split,
            rollout=self._rollout(),
            common=self._own,
            opts=self.below(after, *(version.last for version in self.versions.values())),
        )

    def _rollout(self) -> pulumi.Output[dict[str, Any]]:
        if self.plan.settled:
            return pulumi.Output.from_input({})
        old = self._described({service: spec for service, spec in self.plan.live.items() if service in self.plan.target})
        return pulumi.Output.all(self._described(self.plan.target), old, self._stores()).apply(lambda known: self._walk(*known))

    def _walk(self, new: Mapping[str, Any], old: Mapping[str, Any], stores: Mapping[str, Any]) -> dict[str, Any]:
        """Say what the canary is to do, once the versions' addresses are known."""
        settings = self.stack.settings.rollout
        moved = {service: Version.read(one) for service, one in new.items() if one["name"] in self.plan.new}
        pairs = [Pair(canary=one, live=Version.read(old[service]) if service in old else None) for service, one in moved.items()]
        checks = [check for version in moved.values() for check in self._watches(version, stores)]
        rollout = Rollout(
            release=self.plan.release,
            ladder=self.plan.ladder,
            routes=self.plan.routes,
            pairs=pairs,
            checks=checks,
            poll=settings.poll,
            deadline=settings.deadline,
        )
        return rollout.wire()

    def _watches(self, version: Version, stores: Mapping[str, Any]) -> list[Check]:
        """Return a new version's checks; without a ladder (nothing to compare with, or proven before) its health alone."""
        well = health(version, self._path(version))
        if self.plan.first or self.plan.returning:
            return [well]
        spec = self.plan.target[version.service]
        store = stores.get(spec.database) if spec.database else None
        more = self.args.watch(version) if self.args.watch else []
        return [well, *watches(self.stack.settings.rollout.thresholds, spec, version, store), *more]

    def _record(self, after: pulumi.Resource) -> Record:
        written = facts.record(self.stack, self.plan)
        previous = [record.text for record in (self.stack.proven if self.plan.settled else marks.kept(self.stack))]
        saved = {"backups": self.backup.backups} if self.database else {}
        took = {"took": after.seconds} if isinstance(after, Migration) else {}
        props = {**self._own, **self._fallback, "record": written, "previous": previous, **saved, **took}
        return Record(f"{self.name}-record", props, self.below(after))

    def _announce(self, preflight: Preflight) -> None:
        said = {"text": f"{self.plan.release} begins on {pulumi.get_stack()}"}
        Notify(f"{self.name}-announcement", {**self._own, **said}, self.below(preflight))

    def _notify(self) -> Notify:
        said = {"text": f"{self.plan.release} is live and proven on {pulumi.get_stack()}"}
        return Notify(f"{self.name}-notice", {**self._own, **said}, self.below(self.record))

    def _mark(self, *after: pulumi.Resource) -> Mark:
        """Look at a live release again, after all else: a mark that fails must keep nothing from being repaired."""
        shared = {**self._own, "passed": marks.passed(self.stack) if self.plan.settled else {}, "due": self.due}
        asked = self._looked() if self.due else {}
        return Mark(f"{self.name}-mark", {**shared, **asked}, self.below(*after))

    def _looked(self) -> dict[str, Any]:
        rollout = self.stack.settings.rollout
        smoke = {"journeys": self.args.journeys, "databases": self._stores(), "deadline": rollout.deadlines.smoke}
        running = self._running(self.plan.target)

        def checks(known: Sequence[Any]) -> list[Any]:
            found, stores = known
            return [check.wire() for check in marks.checks(self.stack, self.plan, found, stores, self.args.marks)]

        return {
            "moment": Moment.MARK.value,
            "versions": running.apply(lambda found: list(found.values())),
            "checks": pulumi.Output.all(running, self._stores()).apply(checks),
            "split": self._split,
            "window": marks.wants(self.stack).window,
            "patience": rollout.patience,
            "back": marks.back(self.stack, pulumi.get_stack()),
            **({"smoke": {**smoke, "targets": self._front()}} if marks.wants(self.stack).smoke else {}),
        }

    def _outputs(self) -> dict[str, Any]:
        doors = {spec.service: spec.prefix for spec in self.plan.target.values() if spec.prefix}
        stores = {name: {key: one[key] for key in ("host", "port", "dbname")} for name, one in self._stores().items()}
        return {
            "url": self.front.url,
            "endpoints": self.front.url.apply(lambda url: {service: url + prefix for service, prefix in doors.items()}),
            "live": self.record.live,
            "proven": self.record.proven,
            "flags": self.runtime.flags,
            "databases": stores,
            "marks": pulumi.Output.all(self.record.live, self.mark.passed).apply(lambda known: marks.shown(self.stack, *known)),
        }
