"""The stack's supervisord, and the folder that everything else of the stack is in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi
from pulumi import Output, ResourceOptions
from pulumi.dynamic import CheckFailure, CheckResult, Resource

from sluice.runtimes.process.base import Props, Provider
from sluice.runtimes.process.folder import Folder
from sluice.systems import process

if TYPE_CHECKING:
    from sluice.systems.supervisord import Supervisord

# It imports for a third of a second; a busy machine may take long.
START = 30.0
# Programs are started with supervisord and listen within a few seconds; one that does not is repaired on its own.
SETTLE = 15.0
GRACE = 10.0
POLL = 0.05
# What a stack's programs see of whoever deploys: no Pulumi passphrase, no cloud credential.
PASSED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "TMPDIR", "TZ", "USER")


class SupervisorProvider(Provider):
    """Inputs: root, and stack (`project/stack`), whose folder it is. No output of its own."""

    # What two stacks can do that have one folder.
    apart = "give one of them a SLUICE_HOME of its own"

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse to move: a stack that looked for its data elsewhere would find none. Refuse another one's folder: `a-b` and `c` have the
        name that `a` and `b-c` have."""
        was, now = _olds.get("root"), news.get("root")
        if was and now != was:
            why = f"this stack lives in '{was}', and now it is told '{now}': set SLUICE_HOME to '{Path(was).parent}', or destroy it first"
            return CheckResult(news, [CheckFailure("root", why)])
        whose, mine = _whose(news), news.get("stack")
        if whose and mine and whose != mine:
            why = f"'{now}' belongs to the stack '{whose}', and not to '{mine}': {self.apart}"
            return CheckResult(news, [CheckFailure("root", why)])
        return CheckResult(news, [])

    def start(self, props: Props, olds: Props) -> Props:
        """Make the folder; start supervisord unless it answers, after ending what a dead one has left."""
        from sluice.core.commands.supervisord import plain
        from sluice.systems import files
        from sluice.systems.supervisord import Supervisord

        folder = Folder(Path(plain(props["root"])))
        folder.make()
        supervisord = Supervisord(folder.supervisor)
        with files.lock(folder.lock):
            if not supervisord.answers():
                sweep(folder)
                _launch(folder, supervisord)
            if props.get("stack"):
                files.write(folder.stack, props["stack"])
        _settle(folder, supervisord)
        return {}

    def alive(self, props: Props) -> bool:
        """Say whether supervisord runs and can be reached."""
        folder = Folder(Path(props["root"]))
        return process.owner(folder.pidfile("supervisord")) is not None and folder.supervisor.exists()

    def undo(self, props: Props) -> None:
        """Leave all as it is: what is in the folder may be older than this stack's state."""

    def stop(self, props: Props) -> None:
        """End supervisord and every program of the stack; remove all but the data of databases, their passwords, backups, the journal."""
        import shutil

        folder = Folder(Path(props["root"]))
        sweep(folder)
        shutil.rmtree(folder.sockets, ignore_errors=True)
        clear(folder.root, {"postgres", "secrets"} if any((folder.root / "postgres").glob("*")) else set())


def sweep(folder: Folder) -> None:
    """End supervisord first, so that it starts nothing again, then its programs: those whose pidfile is still their own."""
    main = folder.pidfile("supervisord")
    # Its SIGTERM stops the programs too, each with its own grace.
    process.end(process.tree(process.owner(main))[:1], 2 * GRACE)
    pidfiles = list((folder.root / "run").glob("*.pid"))
    process.end([one for pidfile in pidfiles for one in process.tree(process.owner(pidfile))], GRACE)
    for pidfile in pidfiles:
        pidfile.unlink()


def _launch(folder: Folder, supervisord: Supervisord) -> None:
    import time

    from sluice.core.commands.supervisord import server
    from sluice.core.errors import RuntimeFailed
    from sluice.systems import files

    conf, said = folder.root / "supervisord.conf", folder.log("supervisord-start")
    files.write(conf, server(str(folder.root), str(folder.supervisor)))
    failed, deadline = _spawn(conf, said), time.monotonic() + START
    while not supervisord.answers():
        if failed or time.monotonic() > deadline:
            lines = " | ".join(files.tail(said, 4)) or "it says nothing"
            raise RuntimeFailed(f"supervisord did not start: {lines}; see '{said}'")
        time.sleep(POLL)


def _spawn(conf: Path, said: Path) -> bool:
    """Start supervisord in its own session, with no descriptor of ours; say whether that failed.

    It becomes a daemon by itself once its configuration and its socket are good: its exit code says whether they are.
    """
    import subprocess
    import sys

    argv = [sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)]
    with said.open("w") as out:
        null, env = subprocess.DEVNULL, environment()
        done = subprocess.run(argv, stdin=null, stdout=out, stderr=out, env=env, cwd="/", start_new_session=True, check=False)
    return done.returncode != 0


def environment() -> dict[str, str]:
    """Return the environment of every program: `python` is the one that runs Sluice, whatever shell deploys."""
    import sys

    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": here} | {name: os.environ[name] for name in PASSED if name in os.environ}


def _settle(folder: Folder, supervisord: Supervisord) -> None:
    """Wait until the programs that came up with supervisord run and listen: whoever comes next finds them so."""
    import time

    from sluice.runtimes.process import ports

    deadline = time.monotonic() + SETTLE
    while time.monotonic() < deadline:
        programs = supervisord.programs()
        up = [name for name, program in programs.items() if program.state == "RUNNING"]
        listening = all(ports.accepts(port) for name, port in ports.known(folder).items() if name in up)
        if listening and not any(program.state == "STARTING" for program in programs.values()):
            return
        time.sleep(POLL)


def _whose(props: Props) -> str:
    """Return the stack that a folder belongs to, "" when nobody knows."""
    try:
        return Folder(Path(str(props.get("root")))).stack.read_text()
    except OSError:
        return ""


def clear(root: Path, data: set[str]) -> None:
    """Remove what is in a stack's folder but these data, backups and the journal; the folder too when there are none."""
    import shutil

    journal = Folder(root).journal
    kept = data | ({"backups"} if any((root / "backups").glob("*")) else set()) | ({journal.name} if journal.exists() else set())
    # Whose all that is.
    kept |= {Folder(root).stack.name} if kept else set()
    for path in root.glob("*"):
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
    if not kept and root.exists():
        root.rmdir()


class Supervisor(Resource, module="process", name="Supervisor"):
    """A stack's folder and its supervisord. What else is in the stack takes `root` from here, and so waits for it."""

    root: Output[str]

    def __init__(self, name: str, *, root: str | Path, opts: ResourceOptions | None = None) -> None:
        place = str(Path(root).expanduser().absolute())
        stack = f"{pulumi.get_project()}/{pulumi.get_stack()}"
        super().__init__(SupervisorProvider(), name, {"name": name, "root": place, "stack": stack}, opts)
