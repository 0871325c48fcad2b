"""What a program needs of another stack, and what that stack tells. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.core.check import Check
from sluice.core.contract import DATABASE, DOOR, Terms, leaving
from sluice.core.errors import ConfigError
from sluice.core.rank import Rank, rank

RULE = re.compile(r"(>=|<=|==|<|>|\b)\s*([^\s,<>=]+)(?=\s*(?:,|$))")
SAME = ("", "==")
ORDER: dict[str, Callable[[Any, Any], bool]] = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
NUMBERS = re.compile(r"v?(\d+(?:\.\d+)*)(?:-(.+))?")


@dataclass(frozen=True, kw_only=True)
class Producer:
    """What a program needs of another stack, which preflight insists on.

    `contract` is the number that this program was written for, or several while it moves from one to the next. `uses` are the things that
    it reads, as `endpoints.web` or `databases.shop`. `version` and the revisions in `schema` are rules: `1.2.0`, `>=1.1`, `>=1.1, <2`;
    `marks` those that its live release must have passed. `checks` asks whether it is well.
    """

    stack: str
    contract: int | Sequence[int]
    uses: Sequence[str] = ()
    version: str = ""
    schema: Mapping[str, str] = field(default_factory=dict)
    marks: Sequence[str] = ()
    checks: Callable[[Told], Sequence[Check]] | None = None

    def __post_init__(self) -> None:
        """Refuse what could never be met; ConfigError."""
        rules = {"version": self.version, **{f"schema of '{name}'": rule for name, rule in self.schema.items()}}
        wrong = [f"producer '{self.stack}': {what}: {why}" for what, rule in rules.items() for why in _odd(rule)]
        if wrong:
            raise ConfigError(wrong)

    @property
    def contracts(self) -> tuple[int, ...]:
        """Return every contract that the program can do with."""
        return (self.contract,) if isinstance(self.contract, int) else tuple(self.contract)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a stack tells a program: `outputs` as they are now, `refusals` why that is not what the program needs, `notes` what will change,
    and `checks` what is to be asked before anything of the program is touched."""

    outputs: Mapping[str, Any]
    refusals: Sequence[str] = ()
    notes: Sequence[str] = ()
    checks: Sequence[Check] = ()

    def __getitem__(self, name: str) -> Any:
        """Return what an output holds, or a key of it: `url`, `endpoints.web`, `live.version`. ConfigError when it tells no such thing."""
        output, _, key = name.partition(".")
        value = self.outputs.get(output)
        found = value.get(key) if key and isinstance(value, Mapping) else None if key else value
        if found is None:
            raise ConfigError(self.refusals or [f"'{name}' is told by no output of the other stack: it tells {_known(self.outputs)}"])
        return found


def read(name: str, producer: Producer, outputs: Mapping[str, Any]) -> Told:
    """Hold what a stack tells against what is needed of it; `name` is what the program calls it."""
    terms = Terms.told(outputs.get("terms"))
    wrong = [f"{name}: {why}" for why in _refusals(producer, outputs, terms)]
    notes = [f"{name}: {note}" for note in (leaving(terms, producer.uses) if terms else [])]
    bare = Told(outputs=outputs, refusals=wrong, notes=notes)
    # They are made from what it tells, which may not be all that they need.
    asked = producer.checks(bare) if producer.checks and not wrong else ()
    return Told(outputs=outputs, refusals=wrong, notes=notes, checks=[_named(name, check) for check in asked])


def _named(name: str, check: Check) -> Check:
    return check.model_copy(update={"name": f"{name}: {check.name}"})


def _refusals(producer: Producer, outputs: Mapping[str, Any], terms: Terms | None) -> list[str]:
    where, live = f"'{producer.stack}'", outputs.get("live")
    if not live:
        return [f"{where} has proven no release yet, or tells of none: run `pulumi up --stack {producer.stack}` in its program first"]
    if terms is None:
        return [f"{where} tells no terms, by which it could be relied on: its program has to be updated, and run, with this Sluice"]
    return [
        *_contract(producer, where, terms),
        *_version(producer, where, live),
        *_schema(producer, where, live),
        *_marks(producer, where, outputs.get("marks") or {}, live),
    ]


def _contract(producer: Producer, where: str, terms: Terms) -> list[str]:
    wanted, seen = producer.contracts, terms.contract
    wrong = []
    if seen not in wanted:
        newer = f"see what is gone there, mend what reads it, then say contract={seen} here"
        todo = newer if seen > max(wanted, default=0) else "wait until it has come that far"
        wrong.append(f"{where} speaks contract {seen}, this program {' or '.join(map(str, wanted))}: {todo}")
    missing = [name for name in producer.uses if name not in terms.things]
    return wrong + [f"{where} promises no {name}: it has {_offered(terms)}" for name in missing]


def _version(producer: Producer, where: str, live: Mapping[str, Any]) -> list[str]:
    why = unmet(producer.version, live["version"])
    return [f"{where} is at version {live['version']}: {why}"] if why else []


def _schema(producer: Producer, where: str, live: Mapping[str, Any]) -> list[str]:
    seen = live.get("schema") or {}
    found = {name: (seen.get(name), unmet(rule, seen.get(name, ""))) for name, rule in producer.schema.items()}
    return [f"{where} has '{name}' at {_revision(at)}: {why}" for name, (at, why) in found.items() if why]


def _revision(at: str | None) -> str:
    return f"revision {at}" if at else "no revision that its release names"


def _marks(producer: Producer, where: str, marks: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    passed = marks.get("passed") or {}
    due = {one["name"]: one["due_at"] for one in marks.get("due") or ()}
    return [
        f"{where}: {live['id']} has not passed the mark '{name}'{f', due at {due[name]}' if name in due else ', which it does not have'}"
        for name in producer.marks
        if name not in passed
    ]


def _offered(terms: Terms) -> str:
    return ", ".join(name for name in terms.things if name.startswith((DOOR, DATABASE))) or "neither doors nor databases"


def _known(outputs: Mapping[str, Any]) -> str:
    keyed = {name: value if isinstance(value, Mapping) else {} for name, value in outputs.items() if value is not None}
    return ", ".join(f"{name}.{key}" if key else name for name, keys in keyed.items() for key in (keys or ("",))) or "nothing"


def unmet(rule: str, seen: str) -> str:
    """Return why a version or a revision does not meet a rule, "" when it does; `seen` may be "" for none.

    `1.2.0` wants that very one. `>=1.1, <2` compares by numbers, one part after the other: 1.10 is newer than 1.9, and 1.2-rc1 is older
    than 1.2. What has no numbers can only be wanted by its name.
    """
    return "" if all(_meets(sign, wanted, seen) for sign, wanted in _parts(rule)) else f"wanted is {rule}"


def _parts(rule: str) -> list[tuple[str, str]]:
    return [(sign, wanted) for sign, wanted in RULE.findall(rule)]


def _odd(rule: str) -> list[str]:
    """Return why a rule could never be read."""
    if RULE.sub("", rule).strip(" ,"):
        return [f"'{rule}' is no rule: write '1.2.0', '>=1.1', or '>=1.1, <2'"]
    named = [wanted for sign, wanted in _parts(rule) if sign not in SAME and _rank(wanted) is None]
    return [f"'{rule}': '{wanted}' has no numbers to compare: want it by its name alone" for wanted in named]


def _meets(sign: str, wanted: str, seen: str) -> bool:
    if sign in SAME:
        return wanted == seen
    one, other = _rank(seen), _rank(wanted)
    return one is not None and other is not None and ORDER[sign](one, other)


def _rank(text: str) -> tuple[tuple[int, ...], bool, Rank] | None:
    """Return what a version is ordered by; None when it has no numbers. Zeros at the end say nothing: 1.0 is 1."""
    found = NUMBERS.fullmatch(text)
    if found is None:
        return None
    numbers = [int(number) for number in found[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), found[2] is None, rank(found[2] or "")
