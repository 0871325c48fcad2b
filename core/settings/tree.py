"""The settings as a tree of keys: what paths are called, and which model stands behind one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from sluice.core.value import Value

RELEASE, ROLLOUT, RUNTIME = "sluice:release", "sluice:rollout", "sluice:runtime"
PLAIN = r"[A-Za-z0-9_-]+"
Place = Sequence[str | int]


@dataclass(frozen=True)
class Key:
    """A key that config may have. `path` has `[]` for any item of a list, and `<name>` for any name."""

    path: str
    field: FieldInfo


def path(root: str, place: Place) -> str:
    """Write a place the way `pulumi config set --path` takes it."""
    return root + "".join(_part(part) for part in place)


def _part(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if re.fullmatch(PLAIN, part) else f"[{json.dumps(part, ensure_ascii=False)}]"


def named(model: type[Value]) -> dict[str, FieldInfo]:
    """Return a model's fields by the names that config has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def keys(root: str, model: type[Value]) -> Iterator[Key]:
    """Yield every key under a model, parents first."""
    for name, field in named(model).items():
        here = f"{root}.{name}"
        yield Key(here, field)
        below, inner = _below(field.annotation)
        if inner:
            yield from keys(here + below, inner)


def owner(model: type[Value], place: Place) -> type[Value]:
    """Return the model of the map at a place."""
    for part in place:
        field = named(model).get(str(part))
        inner = _below(field.annotation)[1] if field else None
        model = inner or model
    return model


def _below(annotation: Any) -> tuple[str, type[Value] | None]:
    """Return how the items under a field are addressed, and their model."""
    if isinstance(annotation, type) and issubclass(annotation, Value):
        return "", annotation
    origin: Any = get_origin(annotation)
    prefix = "[]" if origin is list else ".<name>" if origin is dict else ""
    inner = next((found for part in get_args(annotation) if (found := _below(part))[1]), None)
    return (prefix + inner[0], inner[1]) if inner else ("", None)


def at(data: Any, place: Place) -> Any:
    """Return what config has at a place; None when there is nothing."""
    for part in place:
        if isinstance(part, str) and isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(part, int) and isinstance(data, list) and part < len(data):
            data = data[part]
        else:
            return None
    return data
