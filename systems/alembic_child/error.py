"""What goes wrong here, and where in the team's tree it comes from."""

from __future__ import annotations

import traceback
from pathlib import Path


class Blocked(PermissionError):
    """A way out that is closed: what tolerates that something is not there goes on."""


class Stopped(BaseException):
    """The parent said no, or is gone: no team's code may catch it."""


class Wrong(Exception):
    """The tree cannot be read as it is."""


def reason(error: BaseException) -> str:
    """Return an error's kind and first line."""
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def cause(error: BaseException) -> BaseException:
    """Return the driver's own error."""
    found = getattr(error, "orig", None)
    return found if isinstance(found, BaseException) else error


def told(error: BaseException) -> str:
    """Return what the server said, or else the error."""
    said = getattr(getattr(cause(error), "diag", None), "message_primary", None)
    return str(said) if said else str(error) if isinstance(error, Stopped) else reason(cause(error))


def spot(folder: Path, error: BaseException) -> str:
    """Say where in the team's tree an error comes from."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename).is_relative_to(folder)]
    return f"line {frames[-1].lineno} of {Path(frames[-1].filename).name}: " if frames else ""
