"""What a service is told by its environment."""

from __future__ import annotations

import os

VERSION = os.environ.get("VERSION", "0.0.0")


def text(name: str, usual: str = "") -> str:
    """Return a variable's text."""
    return os.environ.get(name) or usual


def number(name: str, usual: float) -> float:
    """Return a variable that is a number; one that is none ends the service with its name."""
    told = text(name)
    try:
        return float(told) if told else usual
    except ValueError:
        raise SystemExit(f"{name}={told!r} is no number") from None


def needed(name: str) -> str:
    """Return a variable without which the service cannot work."""
    told = text(name)
    if not told:
        raise SystemExit(f"{name} is not set: see the table of variables in the README")
    return told
