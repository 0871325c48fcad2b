"""The settings as a page of documentation, from the models and rules themselves."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args, get_origin

from sluice.core.check import Unit, show
from sluice.core.settings import share
from sluice.core.settings.check import TABLE, Threshold
from sluice.core.settings.duration import text
from sluice.core.settings.kind import Takes
from sluice.core.settings.place import Place
from sluice.core.settings.release import Release
from sluice.core.settings.rollout import Rollout
from sluice.core.settings.rule import RULES
from sluice.core.settings.tree import RELEASE, ROLLOUT, RUNTIME, keys
from sluice.core.value import Value

OPENING = """# Settings

<!-- written by `python -m sluice.core.settings`; a test compares the two -->

A stack's config has two keys. `sluice:release` is what is to run: going back restores it byte for byte. `sluice:rollout` is how it is
brought out on this stack, and what holds for this update only; going back leaves it alone. A third, `sluice:runtime`, is where the stack
runs, once and for all. They are read before anything is touched, and everything that is wrong is told at once, each problem after its path.

```yaml
config:
  sluice:release:
    version: 1.2.0
  sluice:rollout:
    ladder: [10, 25, {weight: 50, soak: 10m}, 100]
    checks: {error_rate: {max: 2%}}
```

| what a key takes | how it is written |
|---|---|
| duration | `30s`, `15m`, `1h30m`, `500ms`, `7d`, or a number of seconds |
| share | `5%` or `0.05`; a bare 5 could be either, and is refused |
| size | `500MB`, `1.5GB`, `512MiB`, or a number of bytes |
| date, time of day, time with its zone | `'2026-12-24'`, `'09:00'`, `'2026-11-03T09:00:00+01:00'`, in quotes |
| version | in quotes when it looks like a number: `'1.10'` |
| reference | `env:NAME` or `file:/path`: where a secret is on the machine that deploys |

`<name>` stands for any name, `[]` for any item of a list. A key that is not here is refused.
"""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([OPENING, *_keys(RELEASE, Release), *_keys(ROLLOUT, Rollout), *_keys(RUNTIME, Place), *_checks(), *_rules()])


def _keys(root: str, model: type[Value]) -> Iterator[str]:
    yield f"## `{root}`\n\n| key | takes | default | meaning |\n|---|---|---|---|"
    for key in keys(root, model):
        yield f"| `{key.path.removeprefix(f'{root}.')}` | {_takes(key.field)} | {_default(key.field)} | {key.field.description} |"
    yield ""


def _takes(field: Any) -> str:
    """Say what a key takes: by its own kind, or by the type."""
    kind = _kind(field)
    return kind.what if kind else _type(field.annotation)


def _kind(field: Any) -> Takes | None:
    marks = [*field.metadata, *(mark for part in get_args(field.annotation) for mark in getattr(part, "__metadata__", ()))]
    return next((mark for mark in marks if isinstance(mark, Takes)), None) if get_origin(field.annotation) not in (list, dict) else None


def _type(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{word.value}`" for word in annotation)
    if isinstance(annotation, type) and issubclass(annotation, Value):
        return "map"
    parts = get_args(annotation)
    if get_origin(annotation) in (list, dict):
        return "list" if get_origin(annotation) is list else "map of names"
    if parts and isinstance(parts[0], str):
        return ", ".join(f"`{word}`" for word in parts)
    return _type(parts[0])


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    if value is None or value in ({}, []) or isinstance(value, Value):
        return ""
    if isinstance(value, list):
        return "`[" + ", ".join(str(getattr(item, "name", getattr(item, "weight", item))) for item in value) + "]`"
    kind = _kind(field)
    return f"`{kind.show(value) if kind else value}`"


def _checks() -> Iterator[str]:
    yield "## Checks\n\nWhat is watched while a canary climbs, when `checks` says nothing else.\n"
    yield "| check | max | lasts | samples | severity | action |\n|---|---|---|---|---|---|"
    for name, row in ((name, Threshold(**row)) for name, row in TABLE.items()):
        yield f"| `{name}` | {_max(name, row)} | {text(row.lasts)} | {row.samples} | {row.severity} | {row.action} |"
    yield f"\n`latency` is taken at the quantile {share.text(Threshold(**TABLE['latency']).quantile)}.\n"


def _max(name: str, row: Threshold) -> str:
    return show(row.max, Unit.SECONDS if name == "latency" else Unit.RATIO)


def _rules() -> Iterator[str]:
    yield "## Rules between keys\n"
    for rule in RULES:
        yield f"- {str(rule.check.__doc__).strip()} ({', '.join(f'`{key}`' for key in sorted(rule.reads))})"
    yield ""
