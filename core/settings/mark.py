"""A mark, as config has it: a look at a release some time after it went live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sluice.core.settings import defaults, duration
from sluice.core.settings.kind import Duration, Ratio, Truth
from sluice.core.value import Value


class Mark(Value):
    """When a release is looked at again, and how well it must do then."""

    after: Duration = Field(gt=0, description="how long after the release was proven it is due")
    error_rate: Ratio = Field(default=defaults.MARK_ERROR_RATE, description="share of requests that may fail")
    latency: Duration = Field(default=defaults.MARK_LATENCY, gt=0, description="how long an answer may take, at the quantile of `checks`")
    window: Duration = Field(default=defaults.MARK_WINDOW, gt=0, description="how long traffic is counted before it is judged")
    smoke: Truth = Field(default=False, description="true: the smoke tests go through the front door once more")

    @property
    def name(self) -> str:
        """Return what people and outputs call it: the time after which it is due."""
        return duration.text(self.after)


def _long(given: Any) -> Any:
    return given if isinstance(given, Mapping | Mark) else {"after": given}


# A duration alone is a mark.
Marked = Annotated[Mark, BeforeValidator(_long)]
