"""What the keeper does: look, and take traffic back when the lease on it says so. It never gives any.

Whatever it meets, it goes on looking: a keeper that gives up is none. What needs more than the standard library is imported when there
is a lease, since most of the time there is none.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sluice.core.clock import Clock
from sluice.core.errors import Interrupted, SluiceError, Superseded, Unreachable
from sluice.systems import splits
from sluice.systems.keeper import file
from sluice.systems.keeper.level import Level

if TYPE_CHECKING:
    from sluice.core.lease import Lease, Seen
    from sluice.core.split import Route, Share
    from sluice.systems.keeper.diary import Diary
    from sluice.systems.splits.port import Split

# How often it looks, in seconds: well within the second that traffic may take to go back.
LOOK = 0.25


class Keeper:
    """The keeper of one splitter (a runtime's descriptor, without routes)."""

    def __init__(self, descriptor: dict[str, Any], clock: Clock) -> None:
        self.descriptor, self.clock = descriptor, clock
        self.folder: str = descriptor["folder"]
        self.ended = file.word(self.folder).get("ended")
        # Why it is to stop; what it said last; and the owner whose lease has ended, with the reason, until its traffic is back.
        self.stopped, self.said, self.over = "", "", ("", "")
        # What its word says that it judges, and whether that could be written.
        self.judges, self.written = "", False
        self.diary: Diary | None = None
        self.level = Level(clock)
        self._say()

    def run(self) -> None:
        """Look until told to stop; what goes wrong is said, and tried again at the next look."""
        while not self.stopped:
            try:
                self.look()
            except Exception as error:
                self._print(f"{type(error).__name__}: {error}")
            self.clock.wait(LOOK)

    def stop(self, why: str) -> None:
        """End at the next look. A step that it judges goes back first: nobody else judges it."""
        self.stopped = why

    def look(self) -> None:
        """Look once, and do what the lease says."""
        self.sign()
        if not file.path(self.folder).exists():
            return
        from sluice.core.lease import Act, decide

        seen = self.level.see(self._open().seen())
        act, why = decide(seen, self.level.now())
        if seen.lease and seen.lease.owner == self.over[0]:
            self._back(seen, self.over[1])
        elif act is Act.BACK:
            self._back(seen, f"canary of {_name(seen)}: {why}; weight 0")
        elif act is Act.DROP and seen.lease:
            self._as(seen.lease).drop()
        elif act is Act.JUDGE and seen.lease:
            self._judge(seen.lease)

    def sign(self) -> None:
        """Say that the keeper is at work; one that cannot is at work all the same."""
        if not self.written:
            self._say(self.judges)
            return
        try:
            file.sign(self.folder, self.clock.now())
        except OSError:
            # Whoever took its word away finds it there again.
            self.written = False

    def _judge(self, lease: Lease) -> None:
        """Judge a held step until it ends. Then it is over, whatever comes in between."""
        from sluice.core.rollout import Rollout
        from sluice.core.tape import Tape
        from sluice.systems.climb import Climb

        assert lease.hold
        self._say(lease.owner)
        try:
            rollout, diary = Rollout.read(lease.rollout), self._writes(lease)
            # Others write in the machine's time.
            tape = Tape(rollout, lambda at, *said: diary(at + self.level.moved, *said))
            Climb(rollout, self._as(lease), Watched(self, lease), tape=tape).keep(lease.hold.weight)
        except Superseded:
            return
        except Exception as error:
            self.over = (lease.owner, str(error) if isinstance(error, SluiceError) else f"canary of {lease.release}: {error!r}")
            seen = self._open().seen()
            # Whoever has taken it over since then watches it; of routes that cannot be read there is no owner.
            if seen.share.owner in (lease.owner, ""):
                self._back(seen, self.over[1], lease)
        finally:
            self._say()

    def _back(self, seen: Seen, why: str, lease: Lease | None = None) -> None:
        """Take all traffic back from whoever was seen to have it, put the lease away, and tell people."""
        lease = lease or seen.lease
        split, routes = self._open(), _routes(seen, lease)
        try:
            share = split.take(f"{splits.ABORTED} by the keeper: {why}"[:80], routes, after=seen.share.owner)
        except Superseded:
            # Somebody came in between, and watches from now on.
            return
        except Unreachable:
            if seen.lease or seen.broken or seen.share.weight or seen.share.cohort or not seen.share.routes:
                raise
            # There is no room for another owner, and its own judge has given all of it back already.
            share = seen.share
        at = self.clock.now()
        self.ended = {"release": _name(seen), "why": why, "at": at}
        self._say()
        wrong = _followed(split, share)
        if lease:
            diary = self._writes(lease)
            diary.back(at, why, followed=not wrong)
            self.ended["noted"] = diary.told
            self._say()
        self._tell(lease, why)
        if wrong:
            raise Unreachable(wrong)

    def _writes(self, lease: Lease) -> Diary:
        """Return the lines about a lease, to which the next ones are added."""
        from sluice.systems.keeper.diary import Diary

        if self.diary is None or self.diary.lease != lease:
            self.diary = Diary(lease, self._print)
        return self.diary

    def _tell(self, lease: Lease | None, why: str) -> None:
        self._print(why)
        if lease and lease.notify:
            from sluice.core.journal import Happened
            from sluice.systems import webhook

            diary, fields = self._writes(lease), {"release": lease.release, "state": "failed", "moment": "canary"}
            fields |= {"stack": diary.source.stack} if diary.source else {}
            missed = webhook.tell(lease.notify, why, fields, source=diary.source)
            for warning in missed:
                self._print(warning)
            told = {"to": [hook["kind"] for hook in lease.notify], "missed": missed}
            diary(self.clock.now(), Happened.TOLD, why, told)

    def _open(self) -> Split:
        return splits.open(self.descriptor)

    def _as(self, lease: Lease) -> Split:
        """Return the splitter as the lease's owner: its token came with it, so that there is no moment without an owner."""
        split = self._open()
        split.owner = lease.owner
        return split

    def _say(self, judges: str = "") -> None:
        """Write its word; where there is no room it says so at a later look, and no deployer relies on it until then."""
        self.judges, self.written = judges, False
        try:
            file.say(self.folder, {"judges": judges, "ended": self.ended})
            file.sign(self.folder, self.clock.now())
            self.written = True
        except (Unreachable, OSError) as error:
            self._print(str(error))

    def _print(self, text: str) -> None:
        """Write a line to the log, once for as long as nothing else is to be said."""
        if text != self.said:
            self.said = text
            # Who reads it may have died, and its disk may be full.
            with suppress(OSError):
                print(text, flush=True)


class Watched:
    """A keeper's clock while it judges, in the time of the lease: its waits end with Superseded when the lease is another one, and with
    Interrupted, once, when it has ended."""

    def __init__(self, keeper: Keeper, lease: Lease) -> None:
        self.keeper, self.lease, self.told = keeper, lease, False

    def now(self) -> float:
        """Return seconds since the epoch, as the lease counts them."""
        return self.keeper.level.now()

    def steady(self) -> float:
        """Return seconds that only pass."""
        return self.keeper.clock.steady()

    def wait(self, seconds: float) -> None:
        """Wait, looking up in between."""
        end = self.now() + seconds
        while True:
            self._check()
            left = end - self.now()
            if left <= 0:
                return
            self.keeper.clock.wait(min(LOOK, left))

    def _check(self) -> None:
        self.keeper.sign()
        why = "" if self.told else self.keeper.stopped or self._why()
        if why:
            self.told = True
            raise Interrupted(why)

    def _why(self) -> str:
        from sluice.core.lease import Act, decide

        try:
            seen = self.keeper.level.see(splits.open(self.keeper.descriptor).seen())
        except Unreachable:
            # Somebody has the lock and does not let go: no reason to end a step, and nobody could write that it has ended.
            return ""
        if seen.lease != self.lease:
            raise Superseded("the keeper has another plan now")
        act, why = decide(seen, self.now())
        return why if act is Act.BACK else ""


def _followed(split: Split, share: Share) -> str:
    """Wait for the splitter, and return why it has not followed, if so."""
    try:
        done = split.confirm(share, splits.FOLLOW)
    except Unreachable as error:
        return str(error)
    return "" if done else f"the splitter did not follow to weight 0 within {splits.FOLLOW:.0f} s: check the proxy"


def _name(seen: Seen) -> str:
    return seen.lease.release if seen.lease else seen.share.release


def _routes(seen: Seen, lease: Lease | None) -> list[Route]:
    """Return the doors without new versions: as they are, or as the lease has them where routes cannot be read."""
    from sluice.core.split import Route

    routes = seen.share.routes or [Route.read(route) for route in (lease.rollout["routes"] if lease else [])]
    if not routes:
        raise Unreachable("neither the routes nor the keeper's plan can be read: nobody knows where traffic belongs; run `pulumi up`")
    return [route.model_copy(update={"canary": None}) for route in routes]
