"""What a stack has proven, each release with the update that proved it and its config, byte for byte."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sluice.core.record import Record
from sluice.core.rollback.block import release_id, version
from sluice.core.rollback.course import BACK, course
from sluice.core.update import Outcome, Update
from sluice.core.value import Value

SECRET = '"secure"'


class Past(Value):
    """A proven release. `config` is the JSON text of its `sluice:release`; None when history does not have it, and `why` not."""

    record: Record
    update: Update | None = None
    config: str | None = None
    why: str = ""

    @property
    def id(self) -> str:
        """Return the release's id."""
        return self.record.id


def pasts(records: Iterable[Record], updates: Sequence[Update]) -> list[Past]:
    """Return each proven release with its config; both newest first."""
    return [_past(record, updates) for record in records]


def _past(record: Record, updates: Sequence[Update]) -> Past:
    deployed = [one for one in updates if one.deploys]
    # Oldest first: the next update may have begun in the second in which this one recorded it.
    at = [one for one in reversed(deployed) if one.spans(record.at)]
    found = next((one for one in at if _is(one, record)), None) or _later(record, deployed)
    full = _full(record, found)
    if found:
        return Past(record=full, update=found, config=found.release)
    if any(one.hidden for one in at):
        return Past(record=full, why="its config has a secret, which this backend's history does not show")
    return Past(record=full, why="history has no update with its config")


def _later(record: Record, deployed: Sequence[Update]) -> Update | None:
    """Return the newest update with the very same release: a killed engine leaves no entry of the update that proved it."""
    same = [one for one in deployed if one.release is not None and release_id(one.release) == record.id]
    return next((one for one in same if one.outcome is Outcome.SUCCEEDED), next(iter(same), None))


def _is(update: Update, record: Record) -> bool:
    """Say whether an update ran with a record's release; of one with secrets, whose id only the engine can tell, its version counts."""
    if update.release is None:
        return False
    return release_id(update.release) == record.id or (SECRET in update.release and version(update.release) == record.version)


def _full(record: Record, update: Update | None) -> Record:
    """Return the record with its specs, which only the two newest still carry, from the state that its own update left."""
    known = [Record.parse(line) for line in update.proven] if update else []
    same = [one for one in known if one.id == record.id and all(built.spec for built in one.services.values())]
    return record.model_copy(update={"services": same[0].services}) if same else record


def newest(proven: Sequence[Past], *, failing: str, left: Collection[str] = ()) -> Past | None:
    """Return the newest proven release that is neither the failing one, nor among those that were left."""
    return next((past for past in proven if past.id != failing and past.id not in left), None)


class Aim(Value):
    """What is left, and what for; without a target `why` not."""

    failing: str
    target: Past | None = None
    why: str = ""

    def leaving(self, named: Past, live: str) -> str:
        """Return what is left for a release that people name: for one that failed on its way back in, and is tried again, what serves."""
        return live if named.id == self.failing else self.failing


def aim(proven: Sequence[Past], updates: Sequence[Update], configured: str | None) -> Aim:
    """Choose by what config names, what is live and what was tried last, so that whoever was interrupted and asks again goes on."""
    live = proven[0].id if proven else ""
    last = next((one for one in updates if one.deploys), None)
    tried = release_id(last.release) if last and last.release else None
    failed = last is not None and last.outcome is not Outcome.SUCCEEDED
    under_way = next((past for past in proven[1:] if past.id == configured), None)
    if under_way and not (failed and tried == configured):
        return Aim(failing=live, target=under_way)
    walked = course([one.id for one in proven], updates)
    # Whoever wrote what serves back to config stays with it.
    left = walked.left - {live} if configured == live else walked.left
    # Between the removal of a block and the next one there is none.
    if configured in (live, None) and failed and tried not in (None, live):
        # What failed is out of config already, and maybe not yet out of the world.
        return _aimed(proven, left, tried or "")
    if configured == live and walked.last:
        if failed:
            # The way back to what serves has not come to its end: it goes on.
            return Aim(failing=walked.last, target=proven[0])
        return Aim(failing=live, why=f"'{live}' is live since somebody went back to it: to go back further, name a release with --to")
    return _aimed(proven, left, configured or live)


def _aimed(proven: Sequence[Past], left: Collection[str], failing: str) -> Aim:
    known = [one.id for one in proven]
    # Of what was never live the way back is to stay with what serves, also where somebody wanted to leave that before.
    found = newest(proven, failing=failing, left=left if failing in known else {*left} - {*known[:1]})
    return Aim(failing=failing, target=found, why="" if found else _nowhere(proven, failing))


def _nowhere(proven: Sequence[Past], failing: str) -> str:
    """Say why there is no target, and what there is."""
    if not proven:
        return "nothing has been proven yet"
    others = [past.id for past in proven if past.id != failing]
    if not others:
        return f"there is no proven release but '{failing}': nothing to go back to"
    first = f"'{others[0]}' is proven, and was gone back from"
    if others[0] == proven[0].id:
        return f"{first}: `pulumi up` tries '{failing}' again, and --to {others[0]} stays there"
    return f"{first}: --to {others[0]} goes there all the same"


class Expected(Value):
    """How long going back should take, in seconds, and by what."""

    seconds: int
    text: str


def expected(target: Past, updates: Sequence[Update]) -> Expected | None:
    """Say how long going back should take: as the last time that somebody did, else at most as the update that proved the target; None
    when neither is known."""
    done = next((one for one in updates if one.message.startswith(BACK) and one.outcome is Outcome.SUCCEEDED), None)
    one = done or target.update
    if one is None:
        return None
    seconds = one.ended - one.begun
    said = f"about {seconds} s, as the last rollback took" if done else f"at most about {seconds} s, as the update that proved it took"
    return Expected(seconds=seconds, text=said)
