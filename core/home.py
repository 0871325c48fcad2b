"""Where traffic is, judged on plain data: a no-change update looks here, and pays for no parser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# A core.split.Share or Route as `wire` writes it.
Wire = Mapping[str, Any]


def weights(route: Wire, weight: int) -> dict[str, int]:
    """Return per cent by version, without zeros, when `weight` per cent go to the canary; empty when the door is closed."""
    live, canary = route.get("live"), route.get("canary")
    share = weight if canary else 0
    parts: dict[str, int] = {}
    for name, part in ((live, 100 - share), (canary, share)):
        if name and part:
            parts[name] = parts.get(name, 0) + part
    return parts


def home(share: Wire, routes: Sequence[Wire]) -> bool:
    """Say whether all traffic is where these routes' live versions are, and nowhere else."""
    weight = int(share.get("weight", 0))
    # At 100 % the cohort's requests go where all others go.
    astray = share.get("cohort") is not None and weight < 100
    return not astray and _doors(share.get("routes", []), weight) == _doors(routes, 0)


def _doors(routes: Sequence[Wire], weight: int) -> dict[tuple[str, str], dict[str, int]]:
    return {(route["service"], route["prefix"]): weights(route, weight) for route in routes}
