"""A splitter whose files are elsewhere: in a container, say. `through` is the command that runs another one where they are.

The program there (`splits.serve`) lives as long as this object: it holds the handle of the lease's file that signs of life go to, and
ends with whoever asks it.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shlex
import subprocess
import tempfile
import time
import weakref
from contextlib import suppress
from threading import Lock
from typing import IO, TYPE_CHECKING, Any

from sluice.core import errors
from sluice.core.errors import Unreachable

if TYPE_CHECKING:
    from sluice.core.figures import Figures
    from sluice.core.ladder import Cohort
    from sluice.core.lease import Lease, Seen
    from sluice.core.split import Route, Share
    from sluice.core.version import Version

# An answer takes milliseconds; to start there, half a second. The rest is a busy machine, on which a start is many processes.
ANSWER, START = 20.0, 60.0
BLOCK = 65536
# What the keeper there writes, in the splitter's folder: it does not see the stack's own journal.
JOURNAL = "journal.jsonl"
# What in a webhook says where a secret is (core.settings.people.Webhook).
REFERENCES = ("url", "token")

Json = dict[str, Any]


class Line:
    """A program that answers a line with a line; started by the first one, and again after it has failed."""

    def __init__(self, argv: list[str]) -> None:
        self.argv, self.lock = argv, Lock()
        self.child: subprocess.Popen[bytes] | None = None
        self.said: IO[bytes] | None = None

    def ask(self, text: str, timeout: float) -> str:
        """Return the answer; Unreachable when there is none within `timeout` seconds."""
        with self.lock:
            try:
                timeout += 0.0 if self.child else START
                child = self.child or self._start()
                assert child.stdin
                child.stdin.write(text.encode() + b"\n")
                return self._answer(child, time.monotonic() + timeout)
            except (OSError, EOFError, TimeoutError) as error:
                raise Unreachable(f"'{shlex.join(self.argv[:4])} ...' does not answer: {self._why(error)}") from None

    def _start(self) -> subprocess.Popen[bytes]:
        self.said = tempfile.TemporaryFile()  # noqa: SIM115
        pipe = subprocess.PIPE
        # In a session of its own: an interrupt is for us, and the way back needs the splitter.
        self.child = subprocess.Popen(self.argv, stdin=pipe, stdout=pipe, stderr=self.said, bufsize=0, start_new_session=True)
        weakref.finalize(self, end, self.child)
        return self.child

    def _answer(self, child: subprocess.Popen[bytes], deadline: float) -> str:
        assert child.stdout
        text = b""
        while not text.endswith(b"\n"):
            if not select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError("it is too slow")
            block = os.read(child.stdout.fileno(), BLOCK)
            if not block:
                raise EOFError("it has ended")
            text += block
        return text.decode()

    def _why(self, error: Exception) -> str:
        """End what does not answer, and say its last words."""
        words = ""
        if self.child and self.said:
            end(self.child)
            self.said.seek(0)
            words = self.said.read().decode(errors="replace").strip()
        self.child = None
        return words.splitlines()[-1] if words else str(error)


def end(child: subprocess.Popen[bytes]) -> None:
    """End a program, and take its exit code."""
    for pipe in (child.stdin, child.stdout):
        with suppress(OSError):
            if pipe:
                pipe.close()
    child.kill()
    child.wait()


class RemoteSplit:
    """The port `Split` by way of `through`, before a splitter that `descriptor` names there."""

    def __init__(self, descriptor: Json) -> None:
        there = {name: value for name, value in descriptor.items() if name not in ("through", "routes")}
        serve = ["python", "-m", "sluice.systems.splits.serve", json.dumps(there, sort_keys=True)]
        self.line = Line([*descriptor["through"], *serve])
        self.owner, self.folder = secrets.token_hex(8), str(descriptor["folder"])

    def _ask(self, call: str, **asked: Any) -> Any:
        patience = ANSWER + asked.get("timeout", 0.0)
        answer = json.loads(self.line.ask(json.dumps({"call": call, "owner": self.owner, **asked}), patience))
        if "error" in answer:
            raise getattr(errors, answer["error"])(answer["why"])
        return answer["is"]

    def get(self) -> Share:
        """See the port."""
        return _share(self._ask("get"))

    def doors(self) -> list[Route]:
        """See the port."""
        from sluice.core.split import Route

        return [Route.read(one) for one in self._ask("doors")]

    def told(self) -> Json:
        """See the port."""
        return dict(self._ask("told"))

    def take(
        self, release: str, routes: list[Route], *, lease: Lease | None = None, after: str | None = None, since: float | None = None
    ) -> Share:
        """See the port."""
        doors, signed = [route.wire() for route in routes], _there(lease, self.folder) if lease else {"lease": None}
        return _share(self._ask("take", release=release, routes=doors, **signed, after=after, since=since))

    def set(self, weight: int, cohort: Cohort | None = None) -> Share:
        """See the port."""
        return _share(self._ask("set", weight=weight, cohort=cohort.wire() if cohort else None))

    def seen(self) -> Seen:
        """See the port."""
        from sluice.core.lease import Lease, Seen

        try:
            found = self._ask("seen")
        except Unreachable as error:
            return Seen(broken=str(error))
        lease = Lease.read(found["lease"]) if found["lease"] else None
        return Seen(lease, broken=found["broken"], share=_share(found["share"]), beat=found["beat"])

    def hold(self, lease: Lease) -> None:
        """See the port."""
        self._ask("hold", **_there(lease, self.folder))

    def beat(self, at: float) -> None:
        """See the port."""
        self._ask("beat", at=at)

    def drop(self) -> None:
        """See the port."""
        self._ask("drop")

    def kept(self, now: float, owner: str | None = None) -> bool:
        """See the port. A keeper that nobody reaches is at work for nobody. It is asked by the clock there, which its signs are of, and at
        the moment of the answer: the question may have waited for a program to start."""
        try:
            return bool(self._ask("kept", judges=owner))
        except Unreachable:
            return False

    def confirm(self, share: Share, timeout: float) -> bool:
        """See the port."""
        return bool(self._ask("confirm", share=share.wire(), timeout=timeout))

    def figures(self, versions: list[Version]) -> dict[str, Figures]:
        """See the port."""
        return {name: _figures(one) for name, one in self._ask("figures", versions=[version.wire() for version in versions]).items()}

    def word(self) -> Json:
        """Return what the keeper there says (systems.keeper.file.word); {} where it cannot be reached."""
        try:
            return dict(self._ask("word"))
        except Unreachable:
            return {}

    def lines(self) -> list[str]:
        """Return what the keeper there has written to its journal."""
        return list(self._ask("lines"))


def _there(lease: Lease, folder: str) -> Json:
    """Return a lease as the keeper there can do with it: what it writes is beside the splitter's files, and so are the webhooks that
    config refers to, which nobody else there may read."""
    from sluice.core.journal import Source

    files = [{key: f"webhook-{number}-{key}" for key in REFERENCES if key in hook} for number, hook in enumerate(lease.notify)]
    both = list(zip(lease.notify, files, strict=True))
    hidden = {name: _secret(hook[key]) for hook, named in both for key, name in named.items()}
    notify = [{**hook, **{key: f"file:{folder}/{name}" for key, name in named.items()}} for hook, named in both]
    source = Source.parse(lease.journal).model_copy(update={"path": f"{folder}/{JOURNAL}"}).text if lease.journal else ""
    return {"lease": lease.model_copy(update={"notify": notify, "journal": source}).wire(), "hidden": hidden}


def _secret(reference: str) -> str:
    """Return what a reference is here; what cannot be found here is not there either, and its keeper says so."""
    from sluice.systems.secret import resolve

    try:
        return resolve(reference).reveal()
    except (Unreachable, ValueError):
        return ""


def _share(wire: Json) -> Share:
    from sluice.core.split import Share

    return Share.read(wire)


def _figures(wire: Json) -> Figures:
    from sluice.core.figures import Figures
    from sluice.core.judge.histogram import Histogram

    bins = tuple((float(bound), int(count)) for bound, count in wire["latency"]["bins"])
    return Figures(wire["total"], wire["errors"], Histogram(bins))
