"""What a release does with its databases: what it wants of each, and the steps that change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import pulumi

from sluice.components import facts, restores
from sluice.components.backup import Backup
from sluice.components.database import Database
from sluice.components.migration import Migration
from sluice.components.release.scope import Scope
from sluice.components.restore import Restore
from sluice.core.backup.room import Room
from sluice.core.database import Database as Wanted
from sluice.core.settings.rollout import Backup as Rules
from sluice.core.store import Store

Checks = pulumi.Input[Sequence[Mapping[str, Any]]]


class Data:
    """The databases of a release: `server` has them from `open` on, None where the program has none; `saved` is their backup."""

    server: Database | None = None
    saved: Backup

    def __init__(self, on: Scope) -> None:
        self.on = on

    def open(self) -> None:
        """Declare the server."""
        on = self.on
        if on.args.databases:
            self.server = Database(
                f"{on.name}-database",
                runtime=on.runtime,
                databases=on.args.databases,
                connections=on.args.connections,
                opts=on.below(),
            )

    def undo(self, after: pulumi.Resource) -> pulumi.Resource:
        """Bring databases back as people have asked this release, before its code starts: those that it does not run with as they are."""
        return self._put("restore-before", "before", after, (), {})

    def mend(self, after: pulumi.Resource, checks: Checks, rests: Mapping[str, Any]) -> pulumi.Resource:
        """Bring the others back once no other code writes to them; `checks` then find its versions well."""
        return self._put("restore-after", "after", after, checks, rests)

    def _put(
        self, role: str, turn: Literal["before", "after"], after: pulumi.Resource, checks: Checks, more: Mapping[str, Any]
    ) -> pulumi.Resource:
        on, keep = self.on, self.on.rollout.aside.keep
        if not self.server:
            return after
        databases, heard = self._asked(turn)
        return Restore(
            f"{on.name}-{role}",
            **on.step,
            databases=databases,
            folder=on.runtime.backups,
            instructions=on.instructions,
            turn=turn,
            moves=bool(on.plan.new),
            jobs=on.rollout.backup.jobs,
            keep=None if keep is None else max(keep, on.rollout.window.total_seconds()),
            checks=checks,
            deadline=on.rollout.deadlines.health,
            heard=heard,
            # A settled release is restored too, when somebody asks for it; without that nothing is done that could be written down.
            common={**on.bare, **(on.journal if on.instructions else {}), **more},
            opts=on.below(after, self.server.store.resource),
        )

    def _asked(self, turn: Literal["before", "after"]) -> tuple[pulumi.Output[Any], pulumi.Input[bool]]:
        """Return the databases that a restore looks at, and whether it has something to tell.

        Of a settled release that is only what is new, which its state cannot know: instructions, and in the second turn, which waits for
        its services, those that were given up after they had begun.
        """
        on, each = self.on, self.each()
        if not on.plan.settled:
            return each, True
        left = self.left if turn == "after" else pulumi.Output.from_input(False)
        if not on.instructions:
            return left.apply(lambda found: each if found else []), left
        known = pulumi.Output.all(each, on.runtime.backups, left)
        return each, known.apply(lambda found: found[2] or restores.news(on.instructions, *found[:2]))

    @cached_property
    def left(self) -> pulumi.Output[bool]:
        """Say whether a restore of one of them was begun and not ended."""
        return pulumi.Output.from_input(self.on.runtime.backups).apply(lambda folder: restores.left(self.on.args.databases, folder))

    def backup(self, after: pulumi.Resource) -> pulumi.Resource:
        """Save what the migrations are about to change; a quick return saves nothing that it does not change."""
        if not self.server:
            return after
        on = self.on
        self.saved = Backup(
            f"{on.name}-backup",
            **on.step,
            databases=self.wanted(),
            folder=on.runtime.backups,
            rules=self.rules,
            needed=self.needed,
            ask=None if on.plan.settled else facts.asked(on.stack, on.plan).wire(),
            skip=self.skip,
            common=on.own,
            opts=on.below(after, self.server.store.resource),
        )
        return self.saved

    @property
    def skip(self) -> str:
        """Return who lets this release go without a backup, "" when nobody does."""
        return self.on.plan.skipped.get("backup", "")

    @property
    def needed(self) -> list[str]:
        """Return the ids of backups that stay whatever their age: those that people have asked to restore, and those of proven releases."""
        asked = [one.backup for one in self.on.rollout.restore if one.backup]
        return sorted({*asked, *(id for record in self.on.stack.proven for id in record.backups.values())})

    @property
    def rules(self) -> Rules:
        """Return when and how to save."""
        rules = self.on.rollout.backup
        return rules.model_copy(update={"when": "pending"}) if self.on.plan.returning else rules

    @property
    def room(self) -> pulumi.Output[dict[str, Any]]:
        """Return where backups go, and how much room they take there."""
        return pulumi.Output.from_input(self.on.runtime.backups).apply(lambda folder: self.placed(folder).wire())

    def placed(self, folder: str) -> Room:
        """Return the same of a folder that is known."""
        return Room(folder=folder, compression=self.rules.compression, double=bool(self.rules.encrypt))

    def expand(self, after: pulumi.Resource) -> pulumi.Resource:
        """Bring every schema to where it serves the old and the new code."""
        # It looks at the databases of a settled release too, when that comes back.
        return self._migrate("expand", after, self.each(), self.on.own)

    def settle(self, after: pulumi.Resource, later: Mapping[str, Any]) -> pulumi.Resource:
        """Bring every schema to exactly what config says, once the old code is gone."""
        return self._migrate("settle", after, self.wanted(), {**self.on.own, **later})

    def _migrate(
        self, phase: Literal["expand", "settle"], after: pulumi.Resource, databases: pulumi.Output[Any], common: Mapping[str, Any]
    ) -> pulumi.Resource:
        on = self.on
        if not self.server or not on.args.migrations:
            return after
        return Migration(
            f"{on.name}-{phase}",
            **on.step,
            phase=phase,
            databases=databases,
            folder=on.runtime.backups,
            backups=self.saved.backups,
            common=common,
            opts=on.below(after),
        )

    def wanted(self) -> pulumi.Output[list[dict[str, Any]]]:
        """Return every database with what this release wants of it; of a settled release, whose steps do not run, none."""
        return pulumi.Output.from_input([]) if self.on.plan.settled else self.each()

    def each(self) -> pulumi.Output[list[dict[str, Any]]]:
        """Return every database with what this release wants of it."""
        if not self.server:
            return pulumi.Output.from_input([])
        server = {**self._where(self.server), "tools": self.server.store.tools}
        return pulumi.Output.all(**server).apply(
            lambda known: [self.one(name, Store(**known, dbname=name)).wire() for name in self.on.args.databases]
        )

    def one(self, name: str, store: Store) -> Wanted:
        """Return a database with what this release wants of it."""
        on = self.on
        target = on.stack.settings.release.schema_.get(name, "")
        known = any(name in record.schema_ for record in on.stack.proven[:1])
        migrations = facts.declared(on.args.migrations[name]) if target else {}
        leave, checks = facts.left(on.stack), dict(on.args.proofs.get(name, {}))
        wanted: dict[str, Any] = {"store": store, "target": target, "known": known, "checks": checks}
        wanted["agreed"] = {title: queries[name] for title, queries in on.args.agreed.items() if name in queries}
        return Wanted(**wanted, downgrade=leave.downgrade, lossy=leave.of(name), **migrations)

    def _where(self, server: Database) -> dict[str, Any]:
        store = server.store
        return {"host": store.host, "port": store.port, "user": store.user, "passfile": store.passfile}

    @property
    def stores(self) -> dict[str, Any]:
        """Return where each database is, by name."""
        return {name: {**self._where(self.server), "dbname": name} for name in self.server.databases} if self.server else {}

    @property
    def outputs(self) -> dict[str, Any]:
        """Return of that what other stacks may know: no user, no passfile."""
        return {name: {key: one[key] for key in ("host", "port", "dbname")} for name, one in self.stores.items()}
