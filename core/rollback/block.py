"""A release as config and history have it: the JSON text of `sluice:release`."""

from __future__ import annotations

import json

from sluice.core.settings.parse import draft
from sluice.core.settings.release import Release
from sluice.core.settings.tree import RELEASE


def release_id(text: str) -> str | None:
    """Return the id of a release from its JSON text; None when it is not one."""
    found = draft(RELEASE, Release, data(text))
    return None if found.problems else found.value.id


def version(text: str) -> str | None:
    """Return the version that a release's JSON text names."""
    found = data(text)
    return str(found["version"]) if isinstance(found, dict) and "version" in found else None


def data(text: str) -> object:
    """Read a key of config from its JSON text; one that was set as a text is JSON inside."""
    found = json.loads(text)
    try:
        return json.loads(found) if isinstance(found, str) else found
    except ValueError:
        return found
