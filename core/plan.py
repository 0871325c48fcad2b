"""What an update is going to do: pure, from what is configured and what has been proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluice.core.ladder import Ladder, Step
from sluice.core.record import Record
from sluice.core.spec import Spec
from sluice.core.split import Route

Specs = dict[str, Spec]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A release against what is live. Specs are by service.

    `warm` is the previous proven release that stays up for a quick return; `ladder` is the one that will be walked.
    """

    release: str
    settled: bool
    target: Specs
    live: Specs
    warm: Specs
    ladder: Ladder
    record: Record | None = None
    returning: bool = False
    new: list[str] = field(default_factory=list)

    @property
    def first(self) -> bool:
        """Say whether nothing has been live yet."""
        return self.record is None

    @property
    def declared(self) -> Specs:
        """Return all versions that must exist, by name: the released, the live, and the warm one."""
        specs = (*self.live.values(), *self.warm.values(), *self.target.values())
        return {spec.name: spec for spec in specs}

    @property
    def routes(self) -> list[Route]:
        """Return the doors: for each service its live version, and the new one where it differs."""
        return [route for service in {**self.live, **self.target} if (route := self._route(service)).prefix]

    def _route(self, service: str) -> Route:
        old, new = self.live.get(service), self.target.get(service)
        spec = new or old
        assert spec is not None  # a service is in one of the two
        moved = new is not None and (old is None or old.name != new.name)
        canary = new.name if new and moved else None
        return Route(service=service, prefix=spec.prefix, live=old.name if old else None, canary=canary)

    @property
    def kept(self) -> list[Route]:
        """Return the doors when this release is not let in: traffic on the live versions alone."""
        return [route.model_copy(update={"canary": None}) for route in self.routes]


def plan(
    *,
    release: str,
    target: Specs,
    ladder: Ladder,
    proven: Sequence[Record],
    window: timedelta,
    now: datetime,
) -> Plan:
    """Compare a release with the proven ones, newest first."""
    record = proven[0] if proven else None
    settled = record is not None and record.id == release
    live = _specs(record)
    previous = _warm(proven, window, now)
    warm = _specs(previous)
    returning = not settled and previous is not None and previous.id == release
    new = [spec.name for spec in target.values() if spec.name not in {one.name for one in live.values()}]
    walked = _direct(ladder) if record is None or returning else ladder
    return Plan(
        release=release,
        settled=settled,
        target=target,
        live=live,
        warm=warm,
        ladder=walked,
        record=record,
        returning=returning,
        new=new,
    )


def _specs(record: Record | None) -> Specs:
    return {service: Spec.parse(built.spec) for service, built in record.services.items()} if record else {}


def _warm(proven: Sequence[Record], window: timedelta, now: datetime) -> Record | None:
    """Return the release before the live one, as long as the live one is young enough to be taken back at once."""
    if len(proven) < 2 or proven[0].at + window < now:
        return None
    return proven[1]


def _direct(ladder: Ladder) -> Ladder:
    """One step to 100 %: there is nothing to compare with on a first deployment, and a return goes to what is proven."""
    shortest = min(step.soak for step in ladder.steps)
    return ladder.model_copy(update={"steps": [Step(weight=100, soak=shortest)]})


def text(plan: Plan) -> str:
    """Say what will run, how far it goes, and what it is compared with: what preview shows."""
    if plan.settled:
        return f"{plan.release} is live and proven: nothing to release"
    lines = [f"release {plan.release}", *_services(plan), *_way(plan), *_back(plan)]
    return "\n".join(lines)


def _services(plan: Plan) -> list[str]:
    lines = []
    for service, spec in plan.target.items():
        old = plan.live.get(service)
        if old and old.name == spec.name:
            lines.append(f"  {service}: stays as it is ({spec.name})")
        else:
            lines.append(f"  {service}: {spec.name} beside {old.name}" if old else f"  {service}: {spec.name}, its first version")
    gone = [service for service in plan.live if service not in plan.target]
    return lines + [f"  {service}: goes after this release ({plan.live[service].name})" for service in gone]


def _way(plan: Plan) -> list[str]:
    if not plan.new:
        return ["  traffic: none moves"]
    steps = ", ".join(_step(step) for step in plan.ladder.steps)
    if plan.first:
        return [f"  traffic: {steps}; baseline: none, this is the first deployment"]
    why = ", without a ladder: it is proven and still warm" if plan.returning else ""
    return [f"  traffic: {steps}{why}; baseline: {plan.record.id if plan.record else 'none'}"]


def _step(step: Step) -> str:
    share = f"{step.weight} %" if step.weight else "cohort"
    proof = [f"{step.soak:g} s"] if step.soak else []
    proof += [f"{step.samples} requests"] if step.samples else []
    proof += [f"not before {step.not_before.isoformat()}"] if step.not_before else []
    return share + (f" ({', '.join(proof)})" if proof else "")


def _back(plan: Plan) -> list[str]:
    if plan.first:
        return ["  on failure: the doors stay closed (503)"]
    live = ", ".join(spec.name for spec in plan.live.values())
    return [f"  on failure: weight 0 at once, {live} keep{'s' if len(plan.live) == 1 else ''} serving"]
