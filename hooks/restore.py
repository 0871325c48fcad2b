"""A database goes back to a backup, because a person has asked this very release for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import DiffResult, Resource

from sluice.hooks.base import Hook, Props, due, unknown

if TYPE_CHECKING:
    from sluice.core.database import Database
    from sluice.systems.asked import Asked


class RestoreProvider(Hook):
    """Carries out each instruction once: the server itself knows what is done, whatever state, config and history say.

    Inputs beside every hook's: `databases` (`core.database.Database`), `folder` (of backups), `instructions`
    (`core.settings.restore.Instruction`), and optionally `jobs`, at a time, of a restore; `turn`, where a release has two of these:
    `before` its code, or `after` it has the traffic; `moves`, whether any version of it moves; `keep`, the seconds after which what was
    put aside is dropped (without it: never); `checks` and `deadline`, as a gate has them, which must hold afterwards. Outputs: `done`, as
    'database/nonce/backup'; `lines`, what was said.
    """

    moment = "restore"
    told = ("lines",)

    def diff(self, _id: str, _olds: Any, _news: Any) -> DiffResult:
        """Report a change while the release is not settled, and where a settled one has a new instruction, or was left with a dead one."""
        return DiffResult(changes=unknown(_news) or due(_olds, _news) or bool(_new(_olds, _news)) or _left(_news))

    def rest(self, props: Props) -> Props:
        """Carry out nothing: the live release still writes to what would be put back."""
        return {"done": [], "lines": []}

    def run(self, props: Props) -> Props:
        """Look at all of them, then restore one after the other."""
        from sluice.core.database import Database
        from sluice.systems import begun

        asked = _open(props)
        mine = [one for one in asked if _turn(one, props)]
        databases = [Database.read(one) for one in props["databases"]]
        left = [one.name for one in databases if begun.noted(props["folder"], one.name)]
        lines = [line for one in mine for line in _restore(one, props)]
        if _mends(props):
            waits = {one.database.name for one in asked if one not in mine} | _others(props)
            lines += [line for one in databases if one.name not in waits for line in _mend(one, props)]
        mended = [name for name in left if not begun.noted(props["folder"], name)]
        if _wanted(props) or mended:
            _well(props)
        if props.get("turn") != "after":
            lines += [line for one in databases for line in _aside(one, props)]
        # What waits for its turn is done in this update too, or the release is not settled.
        return {"done": sorted(_wanted(props)), "lines": lines}


def _wanted(props: Props) -> set[str]:
    return {_key(one) for one in props["instructions"] if one["release"] == props["release"]}


def _others(props: Props) -> set[str]:
    """Return the databases that another release is asked to restore: it may have died on the way, and goes on."""
    return {one["database"] for one in props["instructions"] if one["release"] != props["release"]}


def _key(one: Mapping[str, Any]) -> str:
    return f"{one['database']}/{one['nonce']}/{one.get('aside') or one.get('backup')}"


def _new(olds: Props, news: Props) -> set[str]:
    """Return this release's instructions that were not carried out yet, as far as state knows."""
    return _wanted(news) - set(olds.get("done") or [])


def _left(news: Props) -> bool:
    """Say whether a restore of one of its databases was begun and not ended, and this turn puts back what that has changed."""
    from sluice.systems import begun

    names = {one["store"]["dbname"] for one in news["databases"]} - _others(news)
    return _mends(news) and any(begun.noted(news["folder"], name) for name in names)


def _mends(props: Props) -> bool:
    """Say whether this turn puts back what dead restores have left: the first one; of a live release the second, which waits until its
    services are well."""
    return props.get("turn") != ("before" if props.get("settled") else "after")


def _open(props: Props) -> list[Asked]:
    """Return this release's instructions that are still to be carried out; Refused has all that speaks against them."""
    from sluice.core.errors import Refused

    asked, reasons = look(props)
    if reasons:
        raise Refused(reasons, headline=f"{props['release']} restores nothing, no database was touched:")
    return asked


def look(props: Props) -> tuple[list[Asked], list[str]]:
    """Return this release's instructions that are still to be carried out, and all that speaks against them."""
    from pathlib import Path

    from sluice.core.database import Database
    from sluice.core.settings.restore import Instruction
    from sluice.systems import asked

    mine = [Instruction.read(one) for one in props["instructions"] if one["release"] == props["release"]]
    if not mine:
        return [], []
    databases = {one.name: one for one in map(Database.read, props["databases"])}
    found, reasons = asked.read(mine, databases, Path(props["folder"]))
    return found, reasons + asked.refusals(found, settled=bool(props.get("settled")))


def _turn(one: Asked, props: Props) -> bool:
    """Say whether it is carried out here: once the release has the traffic, whatever is left."""
    from sluice.systems import asked

    moves, settled = (bool(props.get(name)) for name in ("moves", "settled"))
    return props.get("turn") != "before" or not asked.later(one, moves=moves, settled=settled)


def _restore(one: Asked, props: Props) -> list[str]:
    from sluice.hooks.stop import Stop, WatchedClock
    from sluice.systems import begun

    said: list[str] = []
    begun.note(props["folder"], one.database.name)
    done = one.run(jobs=int(props.get("jobs") or 1), clock=WatchedClock(Stop()), log=said.append)
    begun.forget(props["folder"], one.database.name)
    return [f"{one.database.name}: {line}" for line in (*said, *done.lines[-1:])]


def _well(props: Props) -> None:
    """Wait until services have found their way to what was restored: their connections were ended, and a pool may need its time."""
    if not props.get("checks"):
        return
    from sluice.hooks import gate
    from sluice.hooks.stop import Stop, WatchedClock

    asked = {"moment": "restore", "release": props["release"], "checks": props["checks"], "deadline": props["deadline"]}
    gate.wait(gate.rules(asked), WatchedClock(Stop()))


def _mend(database: Database, props: Props) -> Sequence[str]:
    """Put back what a dead restore has left that nobody asks for any more: it may have refused writes, and would for ever."""
    from sluice.core.errors import SluiceError
    from sluice.hooks.stop import Stop, WatchedClock
    from sluice.systems import begun, recover

    said: list[str] = []
    try:
        recover.mend(database.store, clock=WatchedClock(Stop()), log=said.append)
        begun.forget(props["folder"], database.name)
    except SluiceError as error:
        said += [f"what a restore has left cannot be put back: {error}"] if begun.noted(props["folder"], database.name) else []
    return [f"{database.name}: {line}" for line in said]


def _aside(database: Database, props: Props) -> Sequence[str]:
    """Drop what was put aside and config says that nobody needs, and say what is still there."""
    from sluice.core.errors import SluiceError
    from sluice.systems import recover

    # The turn of what is asked for may come after this one.
    asked = [one["aside"] for one in props["instructions"] if one.get("aside")]
    try:
        gone = recover.retire(database.store, props["keep"], asked=asked) if props.get("keep") else []
        lines = [*(f"{one.line}: dropped" for one in gone), *(one.line for one in recover.asides(database.store))]
    except SluiceError as error:
        # It says what is kept: nothing that a release has to wait for.
        lines = [f"what was put aside cannot be told: {error}"]
    return [f"{database.name}: {line}" for line in lines]


class Restore(Resource, module="sluice", name="Restore"):
    """Restores in a stack; `props` are those of `RestoreProvider`."""

    done: pulumi.Output[list[str]]
    lines: pulumi.Output[list[str]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(RestoreProvider(), name, {**props, "done": None, "lines": None}, opts)
