"""`python -m sluice.systems.splits.serve DESCRIPTOR`: a splitter for whoever is elsewhere, a JSON line a question and one an answer.

It runs beside the splitter's files, so that a lock is a lock and a rename a rename; it ends when nobody asks any more.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.core.errors import SluiceError
from sluice.systems import files, splits
from sluice.systems.splits.port import Split
from sluice.systems.splits.remote import JOURNAL

if TYPE_CHECKING:
    from sluice.core.lease import Lease

Json = dict[str, Any]


def main(descriptor: str) -> None:
    """Answer until the input ends."""
    told = json.loads(descriptor)
    split = splits.open(told)
    for line in sys.stdin:
        print(json.dumps(answer(split, json.loads(line), told)), flush=True)


def answer(split: Split, asked: Json, told: Json) -> Json:
    """Return {"is": ...}, or {"error": the name of its class, "why": its text}."""
    try:
        split.owner = asked["owner"]
        return {"is": CALLS[asked["call"]](split, asked, told)}
    except SluiceError as error:
        return {"error": type(error).__name__, "why": str(error)}
    except Exception as error:
        return {"error": "Unreachable", "why": f"{type(error).__name__}: {error}"}


def _take(split: Split, asked: Json, told: Json) -> Json:
    from sluice.core.split import Route

    routes, signed = [Route.read(one) for one in asked["routes"]], _lease(asked, told) if asked["lease"] else None
    return split.take(asked["release"], routes, lease=signed, after=asked["after"], since=asked["since"]).wire()


def _set(split: Split, asked: Json, told: Json) -> Json:
    from sluice.core.ladder import Cohort

    return split.set(asked["weight"], Cohort.read(asked["cohort"]) if asked["cohort"] else None).wire()


def _seen(split: Split, asked: Json, told: Json) -> Json:
    seen = split.seen()
    lease = seen.lease.wire() if seen.lease else None
    return {"lease": lease, "broken": seen.broken, "share": seen.share.wire(), "beat": seen.beat}


def _hold(split: Split, asked: Json, told: Json) -> None:
    split.hold(_lease(asked, told))


def _lease(asked: Json, told: Json) -> Lease:
    """Return the lease, once what it refers to as secret is here."""
    from sluice.core.lease import Lease

    for name, text in asked["hidden"].items():
        files.write(Path(told["folder"], name), text, mode=0o600)
    return Lease.read(asked["lease"])


def _lines(split: Split, asked: Json, told: Json) -> list[str]:
    try:
        return Path(told["folder"], JOURNAL).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _confirm(split: Split, asked: Json, told: Json) -> bool:
    from sluice.core.split import Share

    return split.confirm(Share.read(asked["share"]), asked["timeout"])


def _figures(split: Split, asked: Json, told: Json) -> Json:
    from sluice.core.version import Version

    found = split.figures([Version.read(one) for one in asked["versions"]])
    return {name: asdict(figures) for name, figures in found.items()}


CALLS: dict[str, Callable[[Split, Json, Json], Any]] = {
    "get": lambda split, asked, told: split.get().wire(),
    "doors": lambda split, asked, told: [route.wire() for route in split.doors()],
    "told": lambda split, asked, told: split.told(),
    "take": _take,
    "set": _set,
    "seen": _seen,
    "hold": _hold,
    "beat": lambda split, asked, told: split.beat(asked["at"]),
    "drop": lambda split, asked, told: split.drop(),
    "kept": lambda split, asked, told: split.kept(time.time(), asked["judges"]),
    "confirm": _confirm,
    "figures": _figures,
    "lines": _lines,
    "word": lambda split, asked, told: splits.word(told),
}


if __name__ == "__main__":
    main(sys.argv[1])
