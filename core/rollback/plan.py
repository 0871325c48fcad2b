"""The plan: what it takes to go back to a proven release, what that loses, and why it is so or refused. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Literal

from sluice.core.database import Downgrade
from sluice.core.rollback import alone
from sluice.core.rollback.database import RANK, Action, Database, Step
from sluice.core.rollback.past import Past
from sluice.core.rollback.step import Terms, step
from sluice.core.rollback.symptom import Scope, Severity, Symptom, widest, worst
from sluice.core.value import Value

Only = Literal["services", "database"]


class Wish(Value):
    """What people ask for. `to` is a release's id or version; `only` half of it; `revisions` by database, for the database alone;
    `severity` where people know better than the symptoms; the others are those of `step.Terms`."""

    to: str | None = None
    only: Only | None = None
    revisions: dict[str, str] = {}
    backups: list[str] = []
    exact: bool = False
    allowed: list[str] = []
    symptoms: list[Symptom] = []
    severity: Severity | None = None

    @property
    def scope(self) -> Scope:
        """Return how much goes back."""
        return Scope.SERVICES if self.only == "services" else widest(self.symptoms)

    @property
    def terms(self) -> Terms:
        """Return what counts for databases."""
        return Terms(scope=self.scope, allowed=self.allowed, exact=self.exact, backups=self.backups)

    @property
    def given(self) -> bool:
        """Say whether it says by itself where a database goes."""
        return bool(self.revisions or self.backups) or self.scope is Scope.RESTORE

    @property
    def problems(self) -> list[str]:
        """Return what does not go together."""
        services, database = self.only == "services", self.only == "database"
        return [
            # A variable that was never set must not become a release that somebody did not name.
            *(["--to: is empty: name a release, or leave it out"] if self.to == "" else []),
            *(
                ["--services-only leaves databases alone: leave --exact and --to-backup out"]
                if services and (self.exact or self.backups)
                else []
            ),
            *(["--to-revision goes with --db-only"] if self.revisions and not database else []),
            *(["--db-only leaves the release alone: leave --to out"] if database and self.to else []),
        ]


class Plan(Value):
    """How to go back. `within`, in seconds, is the time that the severity leaves; `refusals` are all reasons of a refusal.

    `target` is the id of the release that runs then, `config` the text that is written back for it, and `edits` what is changed in that
    (by path, for a database alone). `services` are the versions as they go: what runs now, and what it becomes.
    """

    action: Action
    scope: Scope
    failing: str
    target: str
    config: str | None = None
    edits: dict[str, str] = {}
    services: dict[str, tuple[str, str]] = {}
    steps: list[Step] = []
    severity: Severity | None = None
    within: float | None = None
    reasons: list[str] = []
    refusals: list[str] = []

    @property
    def runs(self) -> bool:
        """Say whether there is something to carry out."""
        return self.action in (Action.CODE, Action.DOWNGRADE, Action.RESTORE)

    @property
    def downgrade(self) -> Downgrade | None:
        """Return how far databases go back by their down files."""
        back = [one for one in self.steps if one.action is Action.DOWNGRADE]
        return ("exact" if any(one.exact for one in back) else "needed") if back else None

    @property
    def lossy(self) -> list[str]:
        """Return the migrations whose loss is accepted, as 'database/id'."""
        return [f"{one.database}/{id}" for one in self.steps if one.action is Action.DOWNGRADE for id in one.lossy]

    @property
    def restores(self) -> list[Step]:
        """Return the databases that go back to a backup."""
        return [one for one in self.steps if one.action is Action.RESTORE]

    @property
    def loses(self) -> bool:
        """Say whether data are lost."""
        return any(one.loses for one in self.steps)

    def barred(self, why: Sequence[str]) -> Plan:
        """Return it with more reasons against it."""
        if not why or self.action is Action.NOTHING:
            return self
        return self.model_copy(update={"action": Action.REFUSE, "refusals": [*self.refusals, *why]})


def plan(
    *,
    failing: str,
    live: Past | None,
    target: Past | None,
    databases: Sequence[Database] = (),
    wish: Wish | None = None,
    unreachable: Sequence[str] = (),
    nowhere: str = "",
    clear: str | None = None,
) -> Plan:
    """Return the plan to leave a failing release for a proven one, `unreachable` being what that lacks, found out before, and `nowhere`
    why there is none.

    For a database alone `target` is whose revisions are meant, and what runs stays; `clear` is then the live release's block with its
    secrets readable, where it has some: an id is made of what the program reads.
    """
    wish = wish or Wish()
    told, reasons = _told(failing, wish), [one.text for one in wish.symptoms]
    if wish.scope is Scope.NOTHING:
        return Plan(**told, action=Action.NOTHING, target=failing, reasons=[*reasons, "the matrix says: fix it and try again"])
    if wish.only == "database" and live and (target or wish.given):
        return _alone(told, reasons, live, target, databases, wish, unreachable, clear)
    if target is None or target.id == failing:
        why = f"'{failing}' is the release to leave: name another one" if target else nowhere
        return Plan(**told, action=Action.REFUSE, target="", reasons=reasons, refusals=[why])
    steps = [step(one, target.record, wish.terms) for one in databases]
    refusals = [*unreachable, *_strange(wish, databases), *_config(target), *_refused(steps)]
    return Plan(
        **told,
        action=_action(steps, refusals),
        target=target.id,
        config=target.config,
        services=_services(live, target),
        steps=steps,
        reasons=[*reasons, *_why(failing, live, target, wish)],
        refusals=refusals,
    )


def _told(failing: str, wish: Wish) -> dict[str, Any]:
    severity = wish.severity or worst(wish.symptoms)
    return {"scope": wish.scope, "failing": failing, "severity": severity, "within": severity.within if severity else None}


def _alone(
    told: Mapping[str, Any],
    reasons: Sequence[str],
    live: Past,
    target: Past | None,
    databases: Sequence[Database],
    wish: Wish,
    unreachable: Sequence[str],
    clear: str | None,
) -> Plan:
    wanted = wish.revisions or ({} if wish.given or not target else target.record.schema_)
    steps = alone.steps(live, databases, wanted, wish.terms)
    edits = alone.edits(steps)
    block = clear or live.config
    id = alone.id(block, edits) if block and edits else live.id
    refusals = [*unreachable, *alone.unknown(databases, wish.revisions), *_strange(wish, databases), *_config(live), *_refused(steps)]
    if not refusals and all(one.action is Action.CODE for one in steps):
        refusals = ["no database is ahead of that: nothing to go back from"]
    if not refusals and id is None:
        why = "is one text in config, of which no part can be set"
        refusals = [f"'{live.id}' {why}: release it once as a map, key by key with `pulumi config set --path`, then again"]
    if not refusals and edits and id == live.id:
        refusals = [f"'{live.id}' is this release already, and its steps do not run again: what is ahead goes with the next release"]
    return Plan(
        **{**told, "failing": live.id},
        action=_action(steps, refusals),
        target=id or live.id,
        config=live.config,
        edits=edits,
        services={name: (built.name, built.name) for name, built in live.record.services.items()},
        steps=steps,
        reasons=[*reasons, f"'{live.id}' is live and stays: its databases go back alone"],
        refusals=refusals,
    )


def _action(steps: Sequence[Step], refusals: Sequence[str]) -> Action:
    action = max((one.action for one in steps), key=RANK.index, default=Action.CODE)
    return Action.REFUSE if refusals else max(action, Action.CODE, key=RANK.index)


def _refused(steps: Sequence[Step]) -> list[str]:
    return [f"{one.database}: {one.why}" for one in steps if one.action is Action.REFUSE]


def _strange(wish: Wish, databases: Sequence[Database]) -> list[str]:
    known = {backup.id for one in databases for backup in one.backups}
    return [f"--to-backup {id}: no database of this stack has such a backup" for id in wish.backups if id not in known]


def _config(target: Past) -> list[str]:
    return [] if target.config else [f"'{target.id}' cannot be reached: {target.why}"]


def _services(live: Past | None, target: Past) -> dict[str, tuple[str, str]]:
    now: Mapping[str, str] = {name: built.name for name, built in live.record.services.items()} if live else {}
    then = {name: built.name for name, built in target.record.services.items()}
    return {name: (now.get(name, ""), then.get(name, "")) for name in {**now, **then}}


def _why(failing: str, live: Past | None, target: Past, wish: Wish) -> list[str]:
    proven = f"'{target.id}' is proven (at {target.record.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z)"
    if live and live.id == target.id:
        return [f"{proven}, and has the traffic: '{failing}' was never live"]
    chosen = live and live.id == failing and not wish.to
    return [f"{proven}, the newest of the others that nobody has gone back from" if chosen else proven]
