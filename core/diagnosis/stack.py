"""A stack: its lock, what was killed, what config wants, where the traffic is, and whether its systems answer."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluice.core.commands.docker import latest
from sluice.core.diagnosis.finding import Finding, State, fine, unknown
from sluice.core.rollback.deadline import Deadline

STACK, SERVICES = "stack", "services"
UP = "pulumi up"
# What a door says when there is nobody behind it, or nobody who answers.
BAD = 500


def lock(held: Sequence[tuple[str, bool]], cancel: str) -> list[Finding]:
    """Judge the locks on a stack: each a sentence, and whether its holder is dead."""
    return [_lock(said, dead, cancel) for said, dead in held] or [fine(STACK, "lock", "nobody holds the stack")]


def _lock(said: str, dead: bool, cancel: str) -> Finding:
    if not dead:
        return fine(STACK, "lock", said)
    cause = "the CLI was killed, and every update is refused until the lock is gone"
    return Finding(area=STACK, what="lock", state=State.PROBLEM, seen=said, expected="nobody, or a living update", cause=cause, next=cancel)


def pending(names: Sequence[str], remembered: Sequence[str], clear: str, *, busy: bool) -> list[Finding]:
    """Judge operations of which state does not know the end; an update that is at work has some. `remembered` are creations that no update
    has to come back to, which the command `clear` takes from state."""
    if busy and (names or remembered):
        return [fine(STACK, "operations", "an update is at work")]
    if not names:
        return [_remembered(remembered, clear) if remembered else fine(STACK, "operations", "none was cut short")]
    cause = "an update was killed while it worked on them; the next one looks what became of it, and goes on"
    told = {"seen": f"no end known of {', '.join(names)}", "expected": "none", "cause": cause, "next": UP}
    return [Finding(area=STACK, what="operations", state=State.PROBLEM, **told)]


def _remembered(names: Sequence[str], clear: str) -> Finding:
    cause = "an update was killed as it created them, and the engine keeps that until it is cleared: every update warns of it, and goes on"
    told = {"seen": f"creations that were cut short: {', '.join(names)}", "expected": "none", "cause": cause, "next": clear}
    return Finding(area=STACK, what="operations", state=State.WARNING, **told)


def release(configured: str | None, live: str | None, held: str = "", *, busy: bool) -> Finding:
    """Judge whether config names what is live and proven; `held` says how a release is held on its way, where one is."""
    if held:
        return fine(STACK, "release", f"{held}: `sluice promote` goes on, `sluice abort` goes back")
    if live is None:
        told = {"seen": "nothing is proven yet", "expected": "a proven release", "cause": "no update has come to its end", "next": UP}
        return Finding(area=STACK, what="release", state=State.WARNING, **told)
    if configured == live or busy:
        return fine(STACK, "release", f"'{live}' is live and proven" if configured == live else f"'{configured}' is being released")
    cause = "its update has not run, or has failed: what was live serves"
    told = {"seen": f"config names '{configured}'", "expected": f"'{live}', which is proven", "cause": cause, "next": "sluice plan"}
    return Finding(area=STACK, what="release", state=State.WARNING, **told)


def back(deadline: Deadline | None, configured: str | None, now: float, *, busy: bool) -> list[Finding]:
    """Judge whether a way back that somebody has asked for is over in the time that its severity leaves; `now` is since the epoch."""
    if deadline is None:
        return []
    what, seen = "way back", f"to '{configured}', {deadline.left(now)}"
    if not deadline.late(now):
        return [fine(STACK, what, seen)]
    cause = "its update is still at work" if busy else "its update has failed, or was killed: what was live serves"
    told = {"seen": seen, "expected": "that it is live", "cause": cause, "next": "sluice status --watch" if busy else UP}
    return [Finding(area=STACK, what=what, state=State.PROBLEM, **told)]


def traffic(doors: Mapping[str, Mapping[str, int]], proven: Sequence[str], *, busy: bool) -> list[Finding]:
    """Judge who has the traffic: by door, per cent by version. Only an update may give some to what is not proven."""
    return [_door(door, parts, proven, busy) for door, parts in doors.items()]


def _door(door: str, parts: Mapping[str, int], proven: Sequence[str], busy: bool) -> Finding:
    what, seen = f"door {door}", ", ".join(f"{part} % {name}" for name, part in parts.items()) or "closed (503)"
    astray = [name for name in parts if name not in proven]
    if parts and (busy or not astray):
        return fine(SERVICES, what, seen)
    cause = "an update was killed, and its canary still has traffic" if astray else "nothing is behind it"
    told = {"seen": seen, "expected": "all on what is proven", "cause": cause, "next": "sluice abort" if astray else UP}
    return Finding(area=SERVICES, what=what, state=State.PROBLEM, **told)


@dataclass(frozen=True)
class Answer:
    """What an address said to a GET: `status` 0 when nobody answered, for which `why` is the reason; `seconds` it took."""

    url: str
    status: int
    why: str = ""
    seconds: float = 0.0

    @property
    def shown(self) -> str:
        """Return it for people."""
        return f"{self.status} from {self.url} in {self.seconds * 1000:.0f} ms" if self.status else self.why


def version(name: str, answer: Answer, *, runs: bool, serves: bool, stranger: str, log: str) -> Finding:
    """Judge a version on its own address; `stranger` is who else listens on its port, `runs` whether its process is there."""
    if 200 <= answer.status < 400 and not stranger:
        return fine(SERVICES, name, answer.shown)
    why = "its process is there and does not answer as it should" if runs else "its process is not running"
    cause = f"{stranger} has its port, so that it cannot start" if stranger else why
    # A dead one is started again by the next update; of a living one the log knows more.
    told = {
        "seen": answer.shown,
        "expected": "2xx or 3xx",
        "cause": cause,
        "next": shlex.join(latest(log, 50)) if runs and log else UP,
    }
    return Finding(area=SERVICES, what=name, state=State.PROBLEM if serves else State.WARNING, **told)


def door(name: str, answer: Answer) -> Finding:
    """Judge what clients get at a service's door: anything that the service itself says is an answer."""
    what = f"{name} through the door"
    if answer.status and answer.status < BAD:
        return fine(SERVICES, what, answer.shown)
    cause = "the service behind it fails, or is not there" if answer.status else "the proxy does not listen"
    told = {"seen": answer.shown, "expected": f"less than {BAD}", "cause": cause, "next": shlex.join(["curl", "-i", answer.url])}
    return Finding(area=SERVICES, what=what, state=State.PROBLEM, **told)


def keeper(answers: bool, watched: str) -> Finding:
    """Judge the keeper, which takes back traffic that nobody watches; `watched` says what there is to watch, "" for nothing."""
    if answers:
        return fine(SERVICES, "keeper", f"is at work; {watched or 'all traffic is on what is proven'}")
    state, cause = (
        (State.PROBLEM, "if the deployer dies, its traffic stays") if watched else (State.WARNING, "no release can be held without it")
    )
    told = {"seen": f"does not answer{f'; {watched}' if watched else ''}", "expected": "at work", "cause": cause, "next": UP}
    return Finding(area=SERVICES, what="keeper", state=state, **told)


def programs(states: Mapping[str, tuple[str, str]], wanted: Sequence[str], serving: Sequence[str]) -> list[Finding]:
    """Judge what supervisord says of each program, its state and a reason; `wanted` must be there."""
    bad = [
        _program(name, *states.get(name, ("unknown", "supervisord has no such program")), name in serving)
        for name in wanted
        if not _up(states, name)
    ]
    return bad or [fine(SERVICES, "supervisord", f"runs {', '.join(wanted) or 'nothing'}")]


def _up(states: Mapping[str, tuple[str, str]], name: str) -> bool:
    return name in states and states[name][0] in ("RUNNING", "STARTING")


def _program(name: str, state: str, why: str, serves: bool) -> Finding:
    cause = f"{why}; supervisord gives up after some starts that fail at once" if state == "FATAL" else why
    told = {"seen": state, "expected": "RUNNING", "cause": cause, "next": UP}
    return Finding(area=SERVICES, what=f"program {name}", state=State.PROBLEM if serves else State.WARNING, **told)


def gone(area: str, what: str, why: str, cause: str) -> Finding:
    """Return the finding of a system that does not answer, and that the next update starts again."""
    return Finding(area=area, what=what, state=State.PROBLEM, seen=why, expected="an answer", cause=cause, next=UP)


def references(unresolved: Mapping[str, str], count: int) -> list[Finding]:
    """Judge the references to secrets that config holds: which cannot be resolved here, and why; no value is ever told."""
    bad = [_reference(name, why) for name, why in unresolved.items()]
    told = (
        f"{count} reference{'s' if count != 1 else ''} in config, which resolve{'s' if count == 1 else ''} here"
        if count
        else "config refers to none"
    )
    return bad or [fine(STACK, "credentials", told)]


def _reference(name: str, why: str) -> Finding:
    kind, _, where = name.partition(":")
    next = f"export {where}=..." if kind == "env" else shlex.join(["ls", "-l", where])
    told = {"seen": why, "expected": "a secret", "cause": "it is not on this machine, or not for this user", "next": next}
    return Finding(area=STACK, what=f"credential '{name}'", state=State.PROBLEM, **told)


def private(kind: str, path: str, mode: int | None) -> Finding | None:
    """Judge a file with a secret by its mode; None when it is for its owner alone."""
    what = f"{kind} '{path}'"
    if mode is None:
        told = {"seen": "not there", "expected": "a file with mode 0600", "cause": "it was removed, and nobody can log in without it"}
        return Finding(area=STACK, what=what, state=State.PROBLEM, **told, next=shlex.join(["ls", "-la", path]))
    if not mode & 0o077:
        return None
    told = {"seen": f"mode {mode:04o}", "expected": "0600", "cause": "other users can read it, and clients refuse it"}
    return Finding(area=STACK, what=what, state=State.PROBLEM, **told, next=shlex.join(["chmod", "600", path]))


def variables(careless: bool, passphrase: bool | None, home: tuple[str, str]) -> list[Finding]:
    """Judge the variables that an update is going to see, by name only.

    `careless`: PULUMI_CONTINUE_ON_ERROR is set; `passphrase`: whether there is one, None where none is needed; `home`: where SLUICE_HOME
    would have the stack, and where it is ("" where that is not known).
    """
    told, wanted = [], home[0]
    if careless:
        cause = "the engine would go on after a failed gate"
        told.append(_variable("PULUMI_CONTINUE_ON_ERROR", "set", "not set", cause, "unset PULUMI_CONTINUE_ON_ERROR"))
    if passphrase is False:
        cause = "the stack's secrets cannot be decrypted"
        told.append(
            _variable(
                "PULUMI_CONFIG_PASSPHRASE",
                "not set",
                "the passphrase, or _FILE",
                cause,
                "read -rs PULUMI_CONFIG_PASSPHRASE && export PULUMI_CONFIG_PASSPHRASE",
            )
        )
    if wanted and home[1] and wanted != home[1]:
        cause = "every update is refused: the stack would look for its data elsewhere"
        told.append(_variable("SLUICE_HOME", f"'{wanted}'", f"'{home[1]}'", cause, f"export SLUICE_HOME={shlex.quote(home[1])}"))
    return told or [fine(STACK, "variables", "as an update needs them")]


def _variable(name: str, seen: str, expected: str, cause: str, next: str) -> Finding:
    return Finding(area=STACK, what=f"variable {name}", state=State.PROBLEM, seen=seen, expected=expected, cause=cause, next=next)


def tools(missing: Sequence[str], versions: Sequence[str]) -> list[Finding]:
    """Judge the programs that an update starts."""
    return [_tool(name) for name in missing] or [fine(STACK, "programs", ", ".join(versions))]


def _tool(name: str) -> Finding:
    told = {"seen": "not on PATH", "expected": "there", "cause": "an update cannot start it", "next": "make setup && . scripts/env"}
    return Finding(area=STACK, what=f"program '{name}'", state=State.PROBLEM, **told)


def late(area: str, what: str, limit: float) -> Finding:
    """Return the finding of a question that was not answered in time."""
    return unknown(area, what, f"no answer within {limit:g} s: ask again, or look by hand")
