"""Climbing the ladder, and keeping a step of it: does what the rollout machine says, and tells it what happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sluice.core.check import Check, dated
from sluice.core.clock import Clock
from sluice.core.errors import GateFailed, Interrupted, SluiceError, Superseded, Unreachable
from sluice.core.figures import Figures
from sluice.core.ladder import RETREATING, Abort, Confirmed, Handed, Judged, Phase, Shifted, State, advance, begin, keep
from sluice.core.lease import Hold, Lease
from sluice.core.rollout import Rollout
from sluice.core.settings.duration import text
from sluice.core.tape import Tape
from sluice.core.traffic import WINDOW, Traffic
from sluice.core.verdict import Outcome, Verdict, worst
from sluice.core.wait import until
from sluice.core.watch import Watch, reason
from sluice.systems import ask
from sluice.systems.crowd import crowd
from sluice.systems.splits import FOLLOW
from sluice.systems.splits.port import Split

# On the way back every obstacle is tried again for this long before the call gives up, in seconds.
STUBBORN = 30.0
# How often the loop looks up while slow checks are being answered, in seconds.
GLANCE = 0.05
# The keeper looks four times a second, and may just be starting: after this many seconds there is none.
ANSWER = 10.0


class Climb:
    """One attempt at a rollout, by a deployer (`run`), or the keeping of a held step (`keep`). `notify` are the webhooks that the keeper
    tells, and `journal` is where it writes; `since` is when the deployer began (seconds since the epoch): whoever has asked for an abort
    after that has meant it. Each raises GateFailed after all weights are back at 0."""

    def __init__(
        self,
        rollout: Rollout,
        split: Split,
        clock: Clock,
        *,
        ask: Callable[[Check], Verdict] = ask.verdict,
        notify: Sequence[Mapping[str, Any]] = (),
        journal: str = "",
        tape: Tape | None = None,
        since: float | None = None,
    ) -> None:
        self.rollout, self.split, self.clock, self.ask, self.since = rollout, split, clock, ask, since
        self.tape = tape or Tape(rollout)
        self.traffic = Traffic(rollout)
        self.watch = Watch(rollout.checks)
        self.others = [check for check in rollout.checks if not check.ask.startswith("split.")]
        self.notify, self.journal = [dict(hook) for hook in notify], journal
        self.lines: list[str] = []
        self.hold: Hold | None = None
        self.keeping = False
        self.begun = clock.steady()
        self.stuck = 0.0

    def run(self) -> list[str]:
        """Climb to the top, or to where this update ends: then `hold` says how the keeper has it. Return a line for each proven step."""
        before = self.split.seen().lease
        self.share = self.split.take(self.rollout.release, self.rollout.routes, lease=self._lease(), since=self.since)
        # Only its own weight is kept, and so is the hold that goes with it.
        self.hold = before.hold if before and self.share.weight else None
        state = self._walk(begin(self.rollout.ladder, weight=self.share.weight, until=self.rollout.until))
        self.hold = self.hold if state.phase is Phase.LEFT else None
        return self.lines

    def keep(self, weight: int) -> None:
        """Judge a step that was handed over, as its owner, until something takes it back."""
        self.keeping, self.share, self.tape.weight = True, self.split.get(), weight
        self._walk(keep(self.rollout.ladder, weight=weight, at=self.clock.now()))

    def _walk(self, state: State) -> State:
        with crowd(len(self.others)) as self.pool:
            while not state.done:
                state = self._step(state)
        if state.phase is Phase.ABORTED:
            # Where it fails nobody gives a sign any more, and so it ends.
            with suppress(Exception):
                self.split.drop()
            raise GateFailed(f"canary of {self.rollout.release} failed at {_place(state)}: {state.why}; weight 0, {self._serving()}")
        if state.phase is Phase.PASSED:
            self.split.drop()
        return state

    def _lease(self, hold: Hold | None = None) -> Lease:
        rollout, owner = self.rollout.handed, self.split.owner
        told = {"notify": self.notify, "journal": self.journal, "hold": hold}
        return Lease(release=rollout.release, owner=owner, rollout=rollout.wire(), heartbeat=rollout.heartbeat).model_copy(update=told)

    def _serving(self) -> str:
        live = [route.live for route in self.rollout.routes if route.live]
        return f"{', '.join(live)} serve{'s' if len(live) == 1 else ''}" if live else "the door is closed (503): nothing has been live yet"

    def _step(self, state: State) -> State:
        """Act once. Whatever goes wrong becomes an abort; only a new owner of the split ends the call without one."""
        try:
            return self._act(state)
        except Superseded:
            raise
        except Exception as error:
            if state.phase in RETREATING:
                return self._again(state, error)
            told = str(error) if isinstance(error, SluiceError) else f"{type(error).__name__}: {error}"
            return advance(state, Abort(told))

    def _act(self, state: State) -> State:
        if state.phase in (Phase.SHIFT, Phase.RETREAT):
            self.share = self.split.set(state.target, None if state.phase is Phase.RETREAT else state.rung.cohort)
            return advance(state, Shifted())
        if state.phase in (Phase.CONFIRM, Phase.LEAVE):
            return self._confirmed(state)
        return self._handed(state) if state.phase is Phase.HELD and not self.keeping else self._judged(state)

    def _confirmed(self, state: State) -> State:
        if not self.split.confirm(self.share, FOLLOW):
            raise Unreachable(f"the splitter did not follow to {state.target} % within {FOLLOW:.0f} s")
        at = self.clock.now()
        if state.phase is Phase.CONFIRM:
            self.traffic.begin()
            self._look(at)
            self.tape.shift(at, state.rung.weight)
        else:
            self._leave(at, state.why)
        return advance(state, Confirmed(at))

    def _handed(self, state: State) -> State:
        """Hand over to the keeper, the same owner's token with it: until it judges, this call still does as it is told to stop."""
        self.hold = self._held(state.rung.weight)
        if self.hold.until <= self.clock.now():
            raise GateFailed(f"its hold of {text(self.rollout.hold)} is over: promote it in time, or raise sluice:rollout.hold")
        self.split.hold(self._lease(self.hold))
        judges = until(lambda: self.split.kept(self.clock.now(), self.split.owner), bool, clock=self.clock, deadline=ANSWER, poll=GLANCE)
        if not judges:
            raise Unreachable(f"the keeper did not take over within {ANSWER:.0f} s: see its log")
        return advance(state, Handed())

    def _held(self, weight: int) -> Hold:
        """Return the hold at a step: a release that was held there goes on with what is left of it."""
        since = self.hold.since if self.hold and self.hold.weight == weight else self.clock.now()
        return Hold(weight=weight, since=since, until=since + self.rollout.hold)

    def _leave(self, at: float, why: str) -> None:
        """Tell the tape what was answered until the end; whatever it meets, the traffic is back."""
        with suppress(SluiceError):
            self.tape.look(at, self._figures())
        self.tape.leave(at, why)

    def _judged(self, state: State) -> State:
        self.clock.wait(self.rollout.poll)
        if not self.keeping and self.clock.steady() - self.begun > self.rollout.deadline:
            return advance(state, Abort(f"not at the top within {self.rollout.deadline:.0f} s"))
        if self.keeping and not self.split.get().weight:
            # By the deployer that has handed it over, and died before it could put the lease away.
            raise Superseded("the traffic of the held step has gone back already")
        verdicts = self._verdicts()
        after = advance(state, Judged(self.clock.now(), worst(verdicts), self.traffic.samples, reason(verdicts)))
        # A step that is kept goes on being judged: it is not over.
        phase = Phase.SOAK if self.keeping and after.phase is Phase.HELD else after.phase
        self.tape.judge(self.clock.now(), verdicts, state.rung.weight, phase)
        if after.phase in (Phase.SHIFT, Phase.PASSED, Phase.HELD) and not self.keeping:
            told = "; ".join(verdict.text for verdict in verdicts)
            asked = "" if self.traffic.samples is None else f"{self.traffic.samples} requests; "
            self.lines.append(f"{_place(state)}: {asked}{told}")
        return after

    def _verdicts(self) -> list[Verdict]:
        """Judge the splitter's own figures first: when they fail, no slow check is waited for."""
        at = self.clock.now()
        self._look(at)
        seen = self.watch.counted(at, self.traffic.verdicts())
        if self.others and worst([*seen, _fine()]) is not Outcome.FAILED:
            seen += self.watch.counted(self.clock.now(), self._answers())
        return seen

    def _look(self, at: float) -> None:
        figures = self._figures()
        self.traffic.see(at, figures)
        self.tape.look(at, figures)

    def _figures(self) -> dict[str, Figures]:
        return self.split.figures([version for pair in self.rollout.pairs for version in (pair.canary, pair.live) if version])

    def _answers(self) -> list[Verdict]:
        """Put the other questions, all at once, and keep looking up while they are answered."""
        answers = [self.pool.submit(self.ask, self._timed(check)) for check in self.others]
        while not all(answer.done() for answer in answers):
            self.clock.wait(GLANCE)
        return [answer.result() for answer in answers]

    def _timed(self, check: Check) -> Check:
        """Let a question about logs look back over the same window as those about traffic, and never past the beginning."""
        # Lines have the machine's time, which may not be the clock's by now.
        return dated(check, time.time() - min(WINDOW, self.clock.steady() - self.begun))

    def _again(self, state: State, error: Exception) -> State:
        """Try the way back again, for a while: a full disk or a restarting proxy must not leave traffic on the canary."""
        now = self.clock.steady()
        self.stuck = self.stuck or now
        if now - self.stuck > STUBBORN:
            what = f"canary of {self.rollout.release}: {state.why}; AND THE WAY BACK FAILED: {error}"
            raise Unreachable(f"{what}; check the proxy, then run `pulumi up`")
        # A reason to stop is no reason to stop on the way back.
        with suppress(Interrupted):
            self.clock.wait(GLANCE)
        return state


def _fine() -> Verdict:
    return Verdict.of("", Outcome.PASSED, "")


def _place(state: State) -> str:
    return f"{state.rung.weight} %" if state.rung.weight else "the cohort"
