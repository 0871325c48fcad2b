"""What a deployer and the keeper tell each other, as two files beside the splitter's own.

`lease.json` is the deployer's (core.lease.Lease); its time of change is the deployer's last sign of life, which needs no room on a full
disk. `keeper.json` is the keeper's word, and its time of change the keeper's own sign. Values are imported late: an idle keeper looks
several times a second, and needs none of them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.core.errors import Unreachable
from sluice.systems import files

if TYPE_CHECKING:
    from sluice.core.lease import Lease

# The keeper gives a sign four times a second; a proxy that does not answer holds it up for some seconds.
FRESH = 10.0
# What a lease and the rollout in it look like. A keeper of another format is started anew: it could not read what it is told, and what it
# cannot read it takes back.
FORMAT = 3

Json = dict[str, Any]


def path(folder: str | Path) -> Path:
    """Return the file with the lease."""
    return Path(folder) / "lease.json"


def _word(folder: str | Path) -> Path:
    return Path(folder) / "keeper.json"


def read(folder: str | Path) -> tuple[Lease | None, float]:
    """Return the lease and the deployer's last sign (seconds since the epoch), None where there is none.

    Unreachable when it cannot be read; its text is a reason to take the traffic back.
    """
    try:
        with path(folder).open() as file:
            return _parsed(file.read()), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None, 0.0
    except (OSError, ValueError) as error:
        raise Unreachable(f"the keeper's plan '{path(folder)}' cannot be read ({type(error).__name__})") from None


def _parsed(text: str) -> Lease:
    from sluice.core.lease import Lease

    return Lease.read(json.loads(text))


def write(folder: str | Path, lease: Lease) -> int:
    """Put a lease in the place of whatever is there, and return an open handle of its file, for `beat`."""
    files.write(path(folder), json.dumps(lease.wire()), mode=0o600)
    return os.open(path(folder), os.O_RDONLY)


def beat(handle: int, at: float) -> None:
    """Give a sign of life, at a time in seconds since the epoch. The handle reaches no lease that was put in this one's place."""
    os.utime(handle, (at, at))


def away(folder: str | Path) -> None:
    """Put the lease away; fine when there is none."""
    path(folder).unlink(missing_ok=True)


def word(folder: str | Path) -> Json:
    """Return what the keeper says: its `format`; `judges`, the owner whose lease it judges; `ended`, what it took back last (`release`,
    `why`, `at` in seconds since the epoch, and `noted`, whether that is in the journal). {} where no keeper was, or something else is in
    the place of its word."""
    try:
        found = files.read(_word(folder))
    except Unreachable:
        return {}
    return found if isinstance(found, dict) and _whole(found.get("ended")) else {}


def _whole(ended: Any) -> bool:
    return not ended or (isinstance(ended, dict) and {"release", "why", "at"} <= ended.keys())


def say(folder: str | Path, word: Json) -> None:
    """Write the keeper's word."""
    files.write(_word(folder), json.dumps({"format": FORMAT, **word}), mode=0o600)


def sign(folder: str | Path, at: float) -> None:
    """Give the keeper's sign of life, at a time in seconds since the epoch; FileNotFoundError where its word is gone."""
    os.utime(_word(folder), (at, at))


def fresh(folder: str | Path, now: float) -> bool:
    """Say whether a keeper has given a sign lately."""
    try:
        return abs(now - _word(folder).stat().st_mtime) < FRESH
    except OSError:
        return False
