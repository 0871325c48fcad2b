"""What an update is going to do: pure, from what is configured and what has been proven."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluice.core.ladder import Cohort, Ladder, Step, unfit
from sluice.core.record import Record, before
from sluice.core.settings.duration import text as duration
from sluice.core.settings.permission import without
from sluice.core.spec import Spec
from sluice.core.split import Route

Specs = dict[str, Spec]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A release against what is live. Specs are by service.

    `warm` is the previous proven release that stays up for a quick return; `ladder` is the one that will be walked, up to the weight
    `until`, where the keeper holds it for `hold` seconds; `owed` are the marks that the live release has not passed; `skipped` is
    what it goes without, each with who lets it.
    """

    release: str
    settled: bool
    target: Specs
    live: Specs
    warm: Specs
    ladder: Ladder
    until: int = 100
    hold: float = 0.0
    record: Record | None = None
    returning: bool = False
    owed: Sequence[str] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)

    @property
    def first(self) -> bool:
        """Say whether nothing has been live yet."""
        return self.record is None

    @property
    def holds(self) -> bool:
        """Say whether this update ends on the way."""
        return not self.settled and self.until < 100

    @property
    def declared(self) -> Specs:
        """Return all versions that must exist, by name: the released, the live, and the warm one."""
        specs = (*self.live.values(), *self.warm.values(), *self.target.values())
        return {spec.name: spec for spec in specs}

    @property
    def routes(self) -> list[Route]:
        """Return the doors: for each service its live version, and the new one where it differs."""
        return [route for service in {**self.live, **self.target} for route in self._doors(service)]

    def _doors(self, service: str) -> list[Route]:
        """Return a service's doors: where a release moves one, the old one stays open until the release is proven."""
        old, new = self.live.get(service), self.target.get(service)
        live = old.name if old else None
        canary = new.name if new and new.name != live else None
        prefixes = dict.fromkeys(spec.prefix for spec in (old, new) if spec and spec.prefix)
        return [Route(service=service, prefix=prefix, live=live, canary=canary) for prefix in prefixes]

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
    until: int = 100,
    hold: float = 0.0,
    owed: Sequence[str] = (),
    skipped: Mapping[str, str] | None = None,
) -> Plan:
    """Compare a release with the proven ones, newest first."""
    record = proven[0] if proven else None
    settled = record is not None and record.id == release
    live = _specs(record)
    previous = _warm(proven, window, now)
    warm = _specs(previous)
    # The same words with another content are another release: it was never proven.
    returning = not settled and previous is not None and previous.id == release and names(target) == names(warm)
    new = [spec.name for spec in target.values() if spec.name not in names(live)]
    # Where no traffic climbs there is nothing to hold.
    direct = record is None or returning
    end = 100 if direct or not new else until
    return Plan(
        release=release,
        settled=settled,
        target=target,
        live=live,
        # A release that goes through makes what is live now the warm one: at its end there is one, not two. One that runs the same
        # versions (another schema, other flags) leaves the warm one what it is, and one that ends on the way may not go through.
        warm=warm if settled or names(target) == names(live) or end < 100 else {},
        ladder=_direct(ladder) if direct else ladder,
        until=end,
        hold=hold,
        record=record,
        returning=returning,
        new=new,
        owed=owed,
        skipped=_skipped(skipped or {}, settled=settled, returning=returning),
    )


def _skipped(asked: Mapping[str, str], *, settled: bool, returning: bool) -> dict[str, str]:
    """Return what a release does go without: a return is let in without a question, so that its tests are walked whatever was allowed."""
    return {} if settled else {what: who for what, who in asked.items() if not (returning and what == "tests")}


def names(specs: Specs) -> set[str]:
    """Return the names of versions."""
    return {spec.name for spec in specs.values()}


def problems(plan: Plan, *, most: int | None, weights: Callable[[int], Sequence[int] | None], keeper: bool) -> list[str]:
    """Return why a release cannot be brought out where it is to run, each with its path.

    `most` is how many of one version can run there (None: any number); `weights` says which shares of the traffic that many
    can have (None: every whole per cent); `keeper` whether it has one.
    """
    return [*_changed(plan), *_shared(plan), *_alone(plan), *_many(plan, most), *_steps(plan, weights), *_kept(plan, keeper)]


def _changed(plan: Plan) -> list[str]:
    """What is proven has a name: the same one for something else would put it into service unproven, or not at all."""
    if not plan.settled or names(plan.target) == names(plan.live):
        return []
    live, here = (", ".join(sorted(some)) or "nothing" for some in (names(plan.live), names(plan.target)))
    known = f"'{plan.release}' is live as {live}, and the program now declares {here}"
    return [f"sluice:release.version: {known}: give it another version, or take the change back"]


def _shared(plan: Plan) -> list[str]:
    doors: dict[str, list[str]] = {}
    for route in plan.routes:
        doors.setdefault(route.prefix, []).append(f"'{route.service}'")
    return [f"door '{door}': is given to {' and to '.join(given)}: each needs its own" for door, given in doors.items() if len(given) > 1]


def _alone(plan: Plan) -> list[str]:
    """What a door divides runs twice; who must not has none."""
    wrong = {spec.service: spec for spec in plan.target.values() if spec.single and (spec.prefix or spec.replicas > 1)}
    why = "runs one version at a time (single), and"
    return [f"service '{service}': {why} {_twice(spec)}: take one of them away" for service, spec in wrong.items()]


def _twice(spec: Spec) -> str:
    return f"the traffic of door '{spec.prefix}' is divided between two" if spec.prefix else f"is to have {spec.replicas} replicas"


def _many(plan: Plan, most: int | None) -> list[str]:
    return [
        f"sluice:release.services.{service}.replicas: {spec.replicas} of one version, this runtime runs at most {most}"
        for service, spec in plan.target.items()
        if most is not None and spec.replicas > most
    ]


def _steps(plan: Plan, weights: Callable[[int], Sequence[int] | None]) -> list[str]:
    moved = {} if plan.settled else {service: spec for service, spec in plan.target.items() if spec.name in plan.new and spec.prefix}
    shares = {service: weights(spec.replicas) for service, spec in moved.items()}
    return [
        f"sluice:rollout.ladder: '{service}' with {moved[service].replicas} replicas cannot have"
        f" {', '.join(f'{weight} %' for weight in wrong)} of the traffic: possible are {', '.join(map(str, possible))}"
        for service, possible in shares.items()
        if possible is not None and (wrong := unfit(plan.ladder, possible))
    ]


def _kept(plan: Plan, keeper: bool) -> list[str]:
    if not plan.holds or keeper:
        return []
    needs = f"to hold at {plan.until} % needs a keeper, which this runtime does not have"
    return [f"sluice:rollout.until: {needs}; run: pulumi config set --path sluice:rollout.until 100"]


def _specs(record: Record | None) -> Specs:
    return {service: Spec.parse(built.spec) for service, built in record.services.items()} if record else {}


def _warm(proven: Sequence[Record], window: timedelta, now: datetime) -> Record | None:
    """Return the release before the live one, while it was left so recently that it may be taken back at once."""
    found = before(proven)
    return found[0] if found and found[1] + window >= now else None


def _direct(ladder: Ladder) -> Ladder:
    """One step to 100 %: there is nothing to compare with on a first deployment, and a return goes to what is proven."""
    shortest = min(step.soak for step in ladder.steps)
    return ladder.model_copy(update={"steps": [Step(weight=100, soak=shortest)]})


def text(plan: Plan) -> str:
    """Say what will run, how far it goes, and what it is compared with: what preview shows."""
    if plan.settled:
        return f"{plan.release} is live and proven: nothing to release"
    lines = [f"release {plan.release}{without(plan.skipped)}", *_services(plan), *_way(plan), *_back(plan), *_void(plan)]
    return "\n".join(lines)


def _services(plan: Plan) -> list[str]:
    lines = []
    for service, spec in plan.target.items():
        old = plan.live.get(service)
        if old and old.name == spec.name:
            lines.append(f"  {service}: stays as it is ({spec.name})")
        else:
            lines.append(f"  {service}: {_beside(spec, old)}")
    gone = [service for service in plan.live if service not in plan.target]
    return lines + [f"  {service}: goes after this release ({plan.live[service].name})" for service in gone]


def _beside(spec: Spec, old: Spec | None) -> str:
    if old is None:
        return f"{spec.name}, its first version"
    return f"{spec.name} in the place of {old.name}, which ends before it starts" if spec.single else f"{spec.name} beside {old.name}"


def _way(plan: Plan) -> list[str]:
    if not plan.new:
        return ["  traffic: none moves"]
    steps = ", ".join(_step(step) for step in plan.ladder.steps if step.weight <= plan.until)
    if plan.first:
        return [f"  traffic: {steps}; baseline: none, this is the first deployment"]
    why = ", without a ladder: it is proven and still warm" if plan.returning else ""
    return [f"  traffic: {steps}{why}; baseline: {plan.record.id if plan.record else 'none'}", *_end(plan)]


def _end(plan: Plan) -> list[str]:
    if not plan.holds:
        return []
    return [f"  then: held at {plan.until} %, unproven and judged, for at most {duration(plan.hold)}; `sluice promote` goes on"]


def _step(step: Step) -> str:
    share = f"{step.weight} %" if step.weight else "cohort"
    proof = [_cohort(step.cohort)] if step.cohort and not step.weight else []
    proof += [f"{step.soak:g} s"] if step.soak else []
    proof += [f"{step.samples} requests"] if step.samples else []
    proof += [f"not before {step.not_before.isoformat()}"] if step.not_before else []
    return share + (f" ({', '.join(proof)})" if proof else "")


def _cohort(cohort: Cohort) -> str:
    return f"cookie {cohort.cookie}={cohort.value}" if cohort.cookie else f"header {cohort.header}: {cohort.value}"


def _back(plan: Plan) -> list[str]:
    if plan.first:
        return ["  on failure: the doors stay closed (503)"]
    live = ", ".join(spec.name for spec in plan.live.values())
    return [f"  on failure: weight 0 at once, {live} keep{'s' if len(plan.live) == 1 else ''} serving"]


def _void(plan: Plan) -> list[str]:
    if not plan.owed or plan.record is None:
        return []
    return [f"  marks: {plan.record.id} has not passed {', '.join(plan.owed)}; once this release is live nobody asks for them"]
