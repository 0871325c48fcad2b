"""Which runtime a stack's settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.runtimes.port import Runtime

if TYPE_CHECKING:
    from sluice.core.settings.place import Place


def chosen(place: Place) -> Runtime:
    """Return it. Each is imported only where it is wanted: the providers' packages take their time."""
    if place.kind == "docker":
        from sluice.runtimes.docker.runtime import POSTGRES, Docker

        return Docker(image=place.image, postgres=place.postgres or POSTGRES, largest=place.largest, address=place.address)
    from sluice.runtimes.process.runtime import Process

    return Process()
