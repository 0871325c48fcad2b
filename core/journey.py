"""A journey: steps through a running system as a user would go, with cookies and values carried along. Pure: sending is elsewhere.

A text in a step may hold `${name}`: a value that an earlier step has saved, or `${run}`, which is another in every run. A JSON text
that is nothing but one reference becomes the value itself, so a number stays a number. Runbook 004, "Phase 3: Smoke Tests".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag, ValidationError, field_validator, model_validator

from sluice.core.check import Limit, show
from sluice.core.errors import ConfigError
from sluice.core.value import Value

# The name of the value that is another in every run.
RUN = "run"
REFERENCE = re.compile(r"\$\{([^}]*)\}")
# Long for an answer, short for people who wait; what takes longer says so.
DEADLINE = 10.0
# A value in a message is evidence, not a dump.
SHOWN = 80

Values = Mapping[str, Any]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True)
class Unmet:
    """What a step expected, and what it got instead."""

    expected: str
    got: str


class Condition(Limit):
    """What must hold for the value at `path` (JSONPath) in an answer."""

    path: str


class Step(Value):
    """What every step has.

    `deadline`, in seconds, is for each try; `within`, in seconds, is how long it is tried again until all holds (0: once). A step
    that is not critical warns where others fail. It is left out when a value in `needs`, or one that it refers to, is not there.
    """

    name: str
    deadline: float = Field(default=DEADLINE, gt=0)
    within: float = Field(default=0.0, ge=0)
    critical: bool = True
    needs: list[Name] = []

    @property
    def saves(self) -> set[str]:
        """Return the names of the values that later steps may use."""
        return set()

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield every text that may hold references, after its place."""
        yield from ((f"needs.{number}", f"${{{name}}}") for number, name in enumerate(self.needs))

    def lacks(self, values: Values) -> list[str]:
        """Return the names of values that are not there."""
        names = {name for _, text in self.texts() for name in REFERENCE.findall(text)}
        return sorted(names - values.keys())


class Request(Step):
    """A request to `target` (a service, or the journey's own), with the `status` it is answered and what its JSON must hold.

    `body` is JSON, as data or as text; any other text needs a content-type among the `headers`. `save` names what is kept of the
    answer, each by a JSONPath.
    """

    method: Method = "GET"
    path: str = Field(pattern="^/")
    target: str = ""
    headers: dict[str, str] = {}
    body: str = ""
    status: Annotated[list[int], BeforeValidator(lambda given: given if isinstance(given, list) else [given])] = [200]
    expect: list[Condition] = []
    save: dict[Name, str] = {}

    @field_validator("body", mode="before")
    @classmethod
    def _text(cls, given: Any) -> Any:
        # Pulumi hands numbers over as doubles: as a text, a body arrives as it was written.
        return given if isinstance(given, str) else json.dumps(given)

    @model_validator(mode="after")
    def _sound(self) -> Request:
        if RUN in self.save:
            raise ValueError(f"save: '{RUN}' is taken, it names the run itself")
        if self.body and self.typed:
            try:
                json.loads(self.body)
            except ValueError:
                raise ValueError("body: not JSON; correct it, or name what it is in a content-type header") from None
        return self

    @property
    def typed(self) -> bool:
        """Say whether the body is JSON."""
        return all("json" in value for name, value in self.headers.items() if name.lower() == "content-type")

    @property
    def saves(self) -> set[str]:
        """Return the names of the values that later steps may use."""
        return set(self.save)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield every text that may hold references, after its place."""
        yield from super().texts()
        yield from (("path", self.path), ("body", self.body))
        yield from ((f"headers.{name}", text) for name, text in self.headers.items())
        yield from ((f"expect.{number}.value", str(one.value)) for number, one in enumerate(self.expect))

    def filled(self, values: Values) -> dict[str, Any]:
        """Return method, path, headers and body as they are sent."""
        headers = {name: fill(text, values) for name, text in self.headers.items()}
        request = {"method": self.method, "path": fill(self.path, values, safe=""), "headers": headers}
        if not self.body:
            return request
        if not self.typed:
            return {**request, "body": fill(self.body, values)}
        known = {"content-type": "application/json"} if "content-type" not in map(str.lower, headers) else {}
        return {**request, "headers": {**known, **headers}, "body": json.dumps(grow(json.loads(self.body), values))}

    def answered(self, status: int) -> Unmet | None:
        """Compare the status with those expected."""
        return None if status in self.status else Unmet(f"status {' or '.join(map(str, self.status))}", str(status))


class Query(Step):
    """A question in SQL to a database, read only: it has so many `rows`, or its first value meets `value`."""

    database: str
    query: str
    params: dict[str, Any] = {}
    rows: int | None = Field(default=None, ge=0)
    value: Limit | None = None

    @model_validator(mode="after")
    def _sound(self) -> Query:
        if (self.rows is None) == (self.value is None):
            raise ValueError("a query needs either rows or value")
        if REFERENCE.search(self.query):
            raise ValueError("query: takes no ${...}; write %(name)s there, and name: ${...} in params")
        return self

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield every text that may hold references, after its place."""
        yield from super().texts()
        yield from ((f"params.{name}", json.dumps(given)) for name, given in self.params.items())
        if self.value:
            yield "value.value", str(self.value.value)

    def counted(self, rows: float) -> Unmet | None:
        """Compare the number of rows with the one expected."""
        wanted = self.rows or 0
        return None if rows == wanted else Unmet(f"{wanted} row{'s' if wanted != 1 else ''}", f"{rows:g}")


def _kind(given: Any) -> str:
    asks = "query" in given if isinstance(given, Mapping) else isinstance(given, Query)
    return "query" if asks else "request"


Either = Annotated[Annotated[Request, Tag("request")] | Annotated[Query, Tag("query")], Discriminator(_kind)]


class Journey(Value):
    """Steps in order; those in `cleanup` are gone whatever happened before. `target` is the service that requests go to."""

    name: str
    target: str
    steps: list[Either] = Field(min_length=1)
    cleanup: list[Either] = []

    @model_validator(mode="after")
    def _sound(self) -> Journey:
        found = [*self._loose()]
        if found:
            raise ValueError("\n".join(found))
        return self

    def _loose(self) -> Iterator[str]:
        """Yield every reference that nothing stands behind, or nothing certain."""
        known, certain = {RUN}, {RUN}
        for kind, steps in (("steps", self.steps), ("cleanup", self.cleanup)):
            for number, step in enumerate(steps):
                sure = certain if kind == "steps" and step.critical else known
                for place, name in ((place, name) for place, text in step.texts() for name in REFERENCE.findall(text)):
                    yield from _wrong(f"{kind}.{number}.{place}", name, known, sure)
                known |= step.saves
                certain |= step.saves if step.critical else set()

    @property
    def targets(self) -> set[str]:
        """Return the names of all services that are asked."""
        return {step.target or self.target for step in self._all if isinstance(step, Request)}

    @property
    def databases(self) -> set[str]:
        """Return the names of all databases that are asked."""
        return {step.database for step in self._all if isinstance(step, Query)}

    @property
    def _all(self) -> list[Request | Query]:
        return [*self.steps, *self.cleanup]


def _wrong(place: str, name: str, known: set[str], sure: set[str]) -> Iterator[str]:
    if name not in known:
        yield f"{place}: unknown '${{{name}}}', no earlier step saves it: known are {', '.join(sorted(known))}"
    elif name not in sure:
        yield f"{place}: '${{{name}}}' is saved by a step that is not critical, so this one cannot be critical either"


def parse(wires: Sequence[Any], where: str = "journeys") -> list[Journey]:
    """Parse journeys; ConfigError has every problem, each after its path, which begins with `where`."""
    journeys: list[Journey] = []
    problems: list[str] = []
    for number, wire in enumerate(wires):
        try:
            journeys.append(Journey.read(wire))
        except ValidationError as error:
            problems += (line for one in error.errors() for line in _lines(f"{where}.{number}", one["loc"], one["msg"]))
    if problems:
        raise ConfigError(problems)
    return journeys


def _lines(where: str, loc: tuple[int | str, ...], message: str) -> Iterator[str]:
    # The kind of a step is our word for it, and in no file.
    kept = [str(part) for at, part in enumerate(loc) if not (part in ("request", "query") and at and isinstance(loc[at - 1], int))]
    for line in message.removeprefix("Value error, ").splitlines():
        said = line[0].lower() + line[1:]
        place = re.match(r"[a-z_]+(\.\w[\w-]*)*: ", said)
        yield ".".join([where, *kept]) + (f".{said}" if place else f": {said}")


def fill(text: str, values: Values, *, safe: str | None = None) -> str:
    """Put values into a text; with `safe` each is quoted as part of a URL, but for those characters."""
    return REFERENCE.sub(lambda found: _quoted(words(values[found[1]]), safe), text)


def _quoted(text: str, safe: str | None) -> str:
    return text if safe is None else quote(text, safe=safe)


def grow(data: Any, values: Values) -> Any:
    """Put values into every text of some JSON, keys too."""
    if isinstance(data, dict):
        return {fill(key, values): grow(value, values) for key, value in data.items()}
    if isinstance(data, list):
        return [grow(value, values) for value in data]
    if not isinstance(data, str):
        return data
    whole = REFERENCE.fullmatch(data)
    return values[whole[1]] if whole else fill(data, values)


def words(value: Any) -> str:
    """Return a JSON value as part of a text."""
    return value if isinstance(value, str) else json.dumps(value)


def compare(limit: Limit, seen: float | str | None, values: Values) -> Unmet | None:
    """Compare a value with its condition; None: there is nothing to compare."""
    wanted = _filled(limit, values)
    if seen is not None and wanted.holds(seen):
        return None
    subject = f"{limit.path} " if isinstance(limit, Condition) else ""
    return Unmet(f"{subject}{limit.is_} {show(wanted.value, limit.unit)}", "nothing" if seen is None else show(seen, limit.unit)[:SHOWN])


def _filled(limit: Limit, values: Values) -> Limit:
    value = grow(limit.value, values)
    return limit.model_copy(update={"value": float(value) if isinstance(value, int | float) else words(value)})


def sentence(journey: str, step: str, unmet: Unmet, *, within: float, where: str) -> str:
    """Say which step did not get what it expected: `smoke 'sign up' step 3 'is stored': expected 1 row, got 0; ...`."""
    span = f" within {within:g} s" if within else ""
    return f"smoke '{journey}' {step}: expected {unmet.expected}{span}, got {unmet.got}; {where}"
