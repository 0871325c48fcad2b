"""The release, and its id."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sluice.core.settings.release import Release

BLOCK: dict[str, Any] = {
    "version": "1.2.0",
    "kind": "patch",
    "services": {"web": {"version": "1.2.1", "settings": {"A": "1", "B": "2"}}, "api": {"replicas": 2}},
    "flags": {"dark": True},
}


def shuffled(data: Any, by: random.Random) -> Any:
    if not isinstance(data, dict):
        return data
    return {key: shuffled(data[key], by) for key in by.sample(sorted(data), len(data))}


@given(st.randoms())
def test_order(by: random.Random):
    """The order of keys says nothing: the same block has the same id."""
    assert Release.read(shuffled(BLOCK, by)).id == Release.read(BLOCK).id


def test_stored():
    """Ids are written down in history and in approvals: they do not change from one Sluice to the next."""
    assert Release.read({"version": "1.2.0"}).id == "1.2.0-4f2542"
    assert Release.read(BLOCK).id == "1.2.0-742a03"


def test_numbers():
    """It does not matter in which form the engine hands a value over."""
    forms = [{"version": 7, "services": {"web": {"replicas": 2.0}}}, {"version": "7", "services": {"web": {"replicas": 2}}}]
    assert len({Release.read(form).id for form in forms}) == 1


def test_change():
    """Whatever changes in a block changes its id."""
    changes: list[dict[str, Any]] = [{"kind": "minor"}, {"flags": {"dark": False}}, {"services": {}}, {"version": "1.2.1"}]
    assert len({Release.read({**BLOCK, **change}).id for change in [{}, *changes]}) == 5
