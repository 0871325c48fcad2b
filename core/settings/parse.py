"""Reading the two keys: all problems at once, before anything is touched. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from sluice.core.errors import ConfigError
from sluice.core.settings.problem import Problem, sort, told
from sluice.core.settings.release import Release
from sluice.core.settings.rollout import Rollout
from sluice.core.settings.rule import RULES, Case
from sluice.core.settings.tree import RELEASE, ROLLOUT, Place, named, path
from sluice.core.value import Value

Model = TypeVar("Model", bound=Value)
# Stands in for a key that must be there and is not right, so that rules about other keys are asked all the same.
STAND_IN = "0"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What config says: `release` is what is to run, `rollout` how it is brought out."""

    release: Release
    rollout: Rollout


@dataclass(frozen=True)
class Draft(Generic[Model]):
    """A key as far as it can be read: `bad` are the top-level keys in it that are wrong, whose places in `value` mean nothing."""

    value: Model
    problems: list[Problem]
    bad: set[str]


def parse_text(release: str | None, rollout: str | None, *, now: datetime, declared: Collection[str] | None = None) -> Settings:
    """Read both keys from JSON, as `pulumi config get` has them; see `parse`. What is not JSON is not shown."""
    return parse(_json(RELEASE, release), _json(ROLLOUT, rollout), now=now, declared=declared)


def _json(root: str, text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    # The second: brackets in brackets, thousands deep.
    except (ValueError, RecursionError):
        # Without the parser's own words: they may repeat a piece of it.
        return Problem(root, "is not a map of keys: write it as YAML in the stack's file, or set each key with pulumi config set --path")


def parse(release: Any, rollout: Any, *, now: datetime, declared: Collection[str] | None = None) -> Settings:
    """Read both keys from plain data.

    `now` (with its zone) is when the update begins; `declared` are the services of the program (None: any name will do).
    ConfigError has every problem, each a line that begins with its path; no line shows what could be a secret.
    """
    drafts = _drafts(release, rollout)
    found = _found(*drafts, now=now, declared=declared)
    if found:
        raise ConfigError([problem.line for problem in found])
    return Settings(release=drafts[0].value, rollout=drafts[1].value)


def problems(release: Any, rollout: Any, *, now: datetime, declared: Collection[str] | None = None) -> list[Problem]:
    """Return what is wrong with both keys, each problem by itself."""
    return _found(*_drafts(release, rollout), now=now, declared=declared)


def _drafts(release: Any, rollout: Any) -> tuple[Draft[Release], Draft[Rollout]]:
    return draft(RELEASE, Release, {} if release is None else release), draft(ROLLOUT, Rollout, {} if rollout is None else rollout)


def _found(release: Draft[Release], rollout: Draft[Rollout], *, now: datetime, declared: Collection[str] | None) -> list[Problem]:
    names = None if declared is None else frozenset(declared)
    case = Case(release=release.value, rollout=rollout.value, now=now, declared=names)
    bad = {f"{RELEASE}.{key}" for key in release.bad} | {f"{ROLLOUT}.{key}" for key in rollout.bad}
    asked = [rule for rule in RULES if not rule.reads & bad]
    return [*release.problems, *rollout.problems, *(problem for rule in asked for problem in rule.problems(case))]


def draft(root: str, model: type[Model], data: Any) -> Draft[Model]:
    """Read one key, as far as it goes."""
    if not isinstance(data, Mapping):
        problem = data if isinstance(data, Problem) else Problem(root, f"{sort(data)} is not a map of keys")
        return Draft(_rest(model, {}), [problem], set(named(model)))
    hollow = [Problem(path(root, place), "is empty: give it a value, or remove it") for place in _empty(data)]
    value, wrong = _tried(root, model, data)
    found = hollow + [problem for problem in wrong if not any(_under(empty.path, problem) for empty in hollow)]
    bad = {name for name in named(model) if any(_under(path(root, [name]), problem) for problem in found)}
    return Draft(value or _rest(model, {name: data[name] for name in named(model) if name in data and name not in bad}), found, bad)


def _tried(root: str, model: type[Model], data: Any) -> tuple[Model | None, list[Problem]]:
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, [*told(root, model, data, error)]


def _under(where: str, problem: Problem) -> bool:
    return problem.path == where or problem.path.startswith((f"{where}.", f"{where}["))


def _empty(data: Any, place: Place = ()) -> Iterator[list[str | int]]:
    """Yield every place with nothing behind its key: half a line of YAML means no default."""
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(data, Mapping):
        items = data.items()
    elif isinstance(data, list):
        items = enumerate(data)
    for key, item in items:
        if item is None:
            yield [*place, key]
        else:
            yield from _empty(item, [*place, key])


def _rest(model: type[Model], data: Mapping[str, Any]) -> Model:
    """Return a value of what is right; a required key that is not there is stood in for."""
    needed = {name: STAND_IN for name, field in named(model).items() if field.is_required() and name not in data}
    return model.model_validate({**needed, **data})
