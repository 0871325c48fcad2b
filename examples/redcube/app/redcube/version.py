"""Which version this is."""

from __future__ import annotations

import os

VERSION = os.environ.get("VERSION", "0.0.0")


def since(version: tuple[int, ...]) -> bool:
    """Say whether this is that version or a later one."""
    return tuple(int(part) for part in VERSION.split(".") if part.isdecimal()) >= version
