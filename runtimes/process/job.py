"""A command that runs once and ends: where the data is, with a deadline, its output in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.process.base import Props, Provider
from sluice.runtimes.process.folder import Folder

if TYPE_CHECKING:
    from sluice.core.commands.supervisord import Launch

# Ten minutes: longer than most migrations take, short enough that a hung one is seen the same hour.
DEADLINE = 600.0
GRACE = 10.0


class JobProvider(Provider):
    """Inputs: name, root, argv, folder, env, secrets, deadline, run. Outputs: exit, log."""

    def start(self, props: Props, olds: Props) -> Props:
        """Run to the end; one that a killed update has left running is ended first, since two at once are worse than none."""
        from sluice.core.commands.supervisord import Launch, named
        from sluice.systems import process

        folder, name = Folder(Path(props["root"])), named(props["name"])
        process.end(process.tree(process.owner(folder.pidfile(name))), GRACE)
        launch = Launch(name=name, argv=props["argv"], folder=props["folder"], env=props["env"], secrets=props["secrets"], grace=GRACE)
        _run(folder, launch, float(props["deadline"]))
        return {"exit": 0, "log": str(folder.log(name))}

    def alive(self, props: Props) -> bool:
        """A job has nothing to keep alive."""
        return True

    def stop(self, props: Props) -> None:
        """End it if it runs; what it has done stays done."""
        from sluice.systems import process

        pidfile = Folder(Path(props["root"])).pidfile(props["name"])
        process.end(process.tree(process.owner(pidfile)), GRACE)
        pidfile.unlink(missing_ok=True)


def _run(folder: Folder, launch: Launch, deadline: float) -> None:
    from sluice.core.commands import supervisord as say
    from sluice.systems import files

    script, pidfile, secrets = folder.launcher(launch.name), folder.pidfile(launch.name), folder.secrets(launch.name)
    try:
        files.write(secrets, "\n".join(say.exports(launch.secrets)) + "\n", mode=0o600)
        files.write(script, say.launcher(launch, pidfile=str(pidfile), secrets=str(secrets), port=0), mode=0o600)
        _wait(folder, launch, deadline)
    finally:
        for path in (script, pidfile, secrets):
            path.unlink(missing_ok=True)


def _wait(folder: Folder, launch: Launch, deadline: float) -> None:
    import subprocess

    from sluice.runtimes.process.supervisor import environment
    from sluice.systems import process

    log = folder.log(launch.name)
    with log.open("a") as out:
        since, argv, null = out.tell(), ["/bin/sh", str(folder.launcher(launch.name))], subprocess.DEVNULL
        job = subprocess.Popen(argv, stdin=null, stdout=out, stderr=out, env=environment(), cwd="/", start_new_session=True)
    try:
        code = job.wait(timeout=deadline)
    except subprocess.TimeoutExpired:
        process.end(process.tree(job.pid), launch.grace)
        job.wait()
        raise _failed(folder, launch, f"was not done within {deadline:.0f} s, and was ended", since) from None
    if code:
        raise _failed(folder, launch, f"ended with exit code {code}, expected 0", since)


def _failed(folder: Folder, launch: Launch, why: str, since: int) -> Exception:
    from sluice.core.errors import RuntimeFailed
    from sluice.runtimes.process.launch import quoted

    return RuntimeFailed(f"job '{launch.name}' {why}; {quoted(folder, launch.name, launch.secrets, since)}")


class Job(Resource, module="process", name="Job"):
    """A command that runs on create, and again when an input changes (`run` is for that: a release's id). It succeeds with exit code 0.

    `folder` is where it runs; `deadline` is in seconds; a failure is the engine's failure, with the last lines of its output.
    """

    exit: Output[int]
    log: Output[str]

    def __init__(
        self,
        name: str,
        *,
        root: Input[str],
        argv: Sequence[str],
        folder: str | Path,
        env: Mapping[str, Input[str]] | None = None,
        secrets: Mapping[str, Input[str]] | None = None,
        deadline: float = DEADLINE,
        run: Input[str] = "",
        opts: ResourceOptions | None = None,
    ) -> None:
        place = str(Path(folder).expanduser().absolute())
        hidden: Any = Output.secret(dict(secrets)) if secrets else {}
        props = {"name": name, "root": root, "argv": list(argv), "folder": place, "env": dict(env or {}), "secrets": hidden}
        super().__init__(JobProvider(), name, {**props, "deadline": deadline, "run": run, "exit": None, "log": None}, opts)
