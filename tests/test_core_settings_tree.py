"""The settings as a tree of keys."""

from __future__ import annotations

from sluice.core.settings.check import Rate
from sluice.core.settings.people import Person
from sluice.core.settings.rollout import Rollout
from sluice.core.settings.step import Cohort
from sluice.core.settings.tree import ROLLOUT, at, keys, owner, path


def test_path():
    """A path is written as the CLI takes it, with quotes where a name needs them."""
    assert path(ROLLOUT, ["ladder", 2, "weight"]) == "sluice:rollout.ladder[2].weight"
    assert path(ROLLOUT, ["contacts", 'on.call "night"', "name"]) == 'sluice:rollout.contacts["on.call \\"night\\""].name'


def test_keys():
    """Every key is found, in lists and under names too, by the name that config has for it."""
    found = {key.path.removeprefix(f"{ROLLOUT}.") for key in keys(ROLLOUT, Rollout)}
    assert found >= {"soak", "ladder[].cohort.header", "contacts.<name>.backup", "windows.open[].from", "approvals.given[].nonce"}
    assert not {name for name in found if name.endswith("_")}


def test_owner():
    """The model of a map is found at its place, through lists, names, and what may be absent."""
    assert owner(Rollout, ["ladder", 0, "cohort"]) is Cohort
    assert owner(Rollout, ["contacts", "lead"]) is Person
    assert owner(Rollout, ["checks", "error_rate"]) is Rate


def test_at():
    """A value is found at its place, or nothing."""
    data = {"ladder": [10, {"weight": 20}]}
    assert [at(data, place) for place in (["ladder", 0], ["ladder", 1, "weight"], ["ladder", 2], ["soak"], ["ladder", 0, "weight"])] == [
        10, 20, None, None, None,
    ]  # fmt: skip
