"""A step of the ladder, as config has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sluice.core import ladder
from sluice.core.settings.kind import Duration, Header, Text, Time, Whole
from sluice.core.value import Value


class Cohort(Value):
    """Who sees the new version whatever the weight."""

    header: Header | None = Field(default=None, description="requests with this header; or else `cookie`")
    cookie: Header | None = Field(default=None, description="requests with this cookie; or else `header`")
    value: Text = Field(default="1", description="the value it must have")


class Step(Value):
    """A share of traffic, and the proof for it. What a step does not say, the rollout says for all."""

    weight: Whole = Field(
        default=0, ge=0, le=100, description="per cent of the traffic, 1 to 100; 0 only for a first step that has a `cohort`"
    )
    soak: Duration | None = Field(default=None, description="how long all must be well; default: the rollout's `soak`")
    samples: Whole | None = Field(
        default=None, ge=0, description="how many requests the new version must answer; default: the rollout's `samples`"
    )
    not_before: Time | None = Field(default=None, description="when the step may begin, in quotes; it must come before the `deadline`")
    cohort: Cohort | None = Field(default=None, description="who sees the new version whatever the weight, from this step on")

    def rung(self, *, soak: float, samples: int, cohort: ladder.Cohort | None) -> ladder.Step:
        """Return the step as it is walked, with the rollout's `soak` and `samples`, and the `cohort` of the steps before it."""
        return ladder.Step(
            weight=self.weight,
            soak=soak if self.soak is None else self.soak,
            samples=samples if self.samples is None else self.samples,
            not_before=self.not_before,
            cohort=ladder.Cohort.read(self.cohort.wire()) if self.cohort else cohort,
        )


def _long(given: Any) -> Any:
    return given if isinstance(given, Mapping | Step) else {"weight": given}


# A number alone is a weight.
Rung = Annotated[Step, BeforeValidator(_long)]
