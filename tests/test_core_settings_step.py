"""A step as config has it."""

from __future__ import annotations

from pydantic import TypeAdapter

from sluice.core import ladder
from sluice.core.settings.step import Rung, Step


def test_short():
    """A number alone is a weight."""
    assert TypeAdapter(Rung).validate_python(25) == Step(weight=25)


def test_rung():
    """A step's own proof counts, else the rollout's; its own cohort, else that of the steps before it."""
    before = ladder.Cohort(header="x-beta", value="1")
    assert Step(weight=25).rung(soak=60, samples=9, cohort=before) == ladder.Step(weight=25, soak=60, samples=9, cohort=before)
    own = Step.read({"weight": 25, "soak": 0, "samples": 0, "cohort": {"cookie": "beta"}}).rung(soak=60, samples=9, cohort=before)
    assert own == ladder.Step(weight=25, soak=0, samples=0, cohort=ladder.Cohort(cookie="beta", value="1"))
