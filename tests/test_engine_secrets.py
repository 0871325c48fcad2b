"""A planted password and a planted webhook are found nowhere but where they must be."""

from __future__ import annotations

import base64
import gzip
import json
import os
import stat
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from tests.fixtures.engine import Engine
from tests.fixtures.planted import PASSWORD
from tests.fixtures.web import Answer, Web

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
TOKEN = f"T0KEN-{token_hex(8)}"
# Below the stack's folder: who may read the password there, each readable for its owner alone.
ALLOWED = "secrets/web@*.env"
SERVICE = "python service.py --port"
# Whoever deploys has the webhook's variable and Pulumi's, and so have its children; the engine hands a program its config there, too.
DEPLOYER = b"PULUMI_BACKEND_URL="
# What a shell script in front of PATH records: whatever is called by its bare name.
SHIMMED = (
    "sh",
    "bash",
    "env",
    "git",
    "python",
    "python3",
    "setpriv",
    "pulumi-language-python",
    "pulumi-language-python-exec",
    "pulumi-resource-pulumi-python",
)


@pytest.fixture
def watched(planted: Engine, web: Web) -> Iterator[Engine]:
    """A stack whose failures are told to a webhook, with a folder for temporary files of its own, and PATH shims that record arguments."""
    hook = web.tell(f"/services/{TOKEN}", Answer(200))
    (planted.place / "tmp").mkdir(mode=0o1777)
    planted.env |= {"HOOK": hook, "TMPDIR": str(planted.place / "tmp"), "PATH": f"{shims(planted)}:{planted.env['PATH']}"}
    planted.rollout(notify=[{"kind": "slack", "url": "env:HOOK"}])
    return planted


def test_a_password_is_found_nowhere(watched: Engine, web: Web) -> None:
    """After a good update, a failed one, a refresh and a destroy a password is in its 0600 file and its service's environment only."""
    said = []
    with Eyes(watched) as eyes:
        watched.release("1")
        for words in (("preview",), ("up", "--yes"), ("preview", "--diff"), ("refresh", "--yes")):
            said.append(watched.run(*words))
        assert all(one.ok for one in said), said
        look(watched)
        holders = [name for pid in watched.processes() if (name := holds(pid.pid, read(pid.pid, "environ")))]
        assert holders == ["python service.py --port"], "the service that has it, and it alone"

        watched.release("2", web={"FAIL_RATE": "0.5"})
        with watched.load():
            said.append(watched.run("up", "--yes", "--diff"))
        assert not said[-1].ok
        assert len(web.asked) == 4, "two beginnings, a success, a failure"
        look(watched)

        watched.release("3", web={"CRASH": "I ended with $API_KEY"})
        said.append(watched.up())
        assert "GateFailed" in said[-2].out
        assert "RuntimeFailed: 'web@3-" in said[-1].out
        assert "I ended with ***" in said[-1].out
        log = next(watched.root.glob("log/web@3-*.log"))
        assert PASSWORD in log.read_text(), "what a service itself writes down is its own"
        log.unlink()
        look(watched)

        watched.release("1")
        said += [watched.up(), watched.run("destroy", "--yes")]
    look(watched, allowed=[])
    for text in [one.out for one in said] + [asked.body.decode() for asked in web.asked] + sorted(eyes.seen) + shimmed(watched):
        assert not found(text.encode()), text
    assert len(eyes.seen) > 20
    assert len(shimmed(watched)) > 20
    assert eyes.strangers == set()


# What is looked for


def forms(secret: str) -> Iterator[bytes]:
    """Yield a secret as it is, as URLs, JSON and shells write it, and in base64 at each of its three alignments."""
    yield from (form.encode() for form in (secret, urllib.parse.quote(secret), json.dumps(secret)[1:-1], secret.replace("'", "'\"'\"'")))
    for shift in range(3):
        # The first and last digits depend on the neighbours.
        whole = base64.b64encode(b"." * shift + secret.encode())
        yield whole[4 : len(whole) // 4 * 4 - 4]


SECRETS = [form for secret in (PASSWORD, TOKEN) for form in forms(secret)]


def found(content: bytes) -> bool:
    return any(form in content for form in SECRETS)


def look(engine: Engine, allowed: list[str] | None = None) -> None:
    """Search every file of the stack, its backend and its temporary folder; only the allowed ones may have it, for their owner alone."""
    having = [path for path in engine.place.rglob("*") if path.is_file() and found(plain(path))]
    may = sorted(engine.home.glob(f"*/{ALLOWED}")) if allowed is None else allowed
    assert sorted(having) == may
    for path in having:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def plain(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b""
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


# Who watches


class Eyes:
    """Looks at every process of the machine, again and again: which arguments there are, and whose environment has a secret."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.over = engine, threading.Event()
        self.seen: set[str] = set()
        self.strangers: set[str] = set()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Eyes:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _watch(self) -> None:
        known: dict[str, int] = {}
        while not self.over.wait(0.01):
            pids = [entry.name for entry in Path("/proc").glob("[0-9]*") if int(entry.name) != os.getpid()]
            # A few looks at each: it may still become another program.
            known = {pid: known.get(pid, 0) + 1 for pid in pids}
            for pid in (pid for pid, looks in known.items() if looks < 5 or looks % 50 == 0):
                self._see(int(pid))

    def _see(self, pid: int) -> None:
        self.seen.add(read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace"))
        # One look at both: a short process may be gone before a second one.
        environment = read(pid, "environ")
        if DEPLOYER not in environment and (holder := holds(pid, environment)) not in ("", SERVICE):
            self.strangers.add(holder)


def holds(pid: int, environment: bytes) -> str:
    """Return the command of a process that has a secret in its environment, without its last word; "" for all others."""
    return read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip().rpartition(" ")[0] if found(environment) else ""


def read(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def shims(engine: Engine) -> Path:
    """Return a folder of scripts that write down their arguments and become what they are named after."""
    folder = engine.place / "shims"
    folder.mkdir()
    for name in SHIMMED:
        script = folder / name
        script.write_text(f"""#!/bin/bash
printf '%s\\0' "$0 $*" >> {engine.place}/argv
PATH=${{PATH#{folder}:}} exec {name} "$@"
""")
        script.chmod(0o755)
    return folder


def shimmed(engine: Engine) -> list[str]:
    return (engine.place / "argv").read_text().split("\0")
