"""Processes by identity, not by number: a pid is trusted only while its process is older than the file that names it.

Nothing heavy is imported at the top: the cheap look of a no-change update (`owner`) costs two file reads.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.core.commands.docker import CONTAINER as CONTAINER
from sluice.core.question import Question, expect
from sluice.core.reading import NoData, Number, Reading

if TYPE_CHECKING:
    import psutil

# The kernel counts start times in hundredths and file systems stamp with the last tick: a writer may look this much younger.
GRAIN = 1.0
# How long a CPU share is watched: long enough for a hundredth-grained counter, short enough to be asked every second.
INTERVAL = 0.5
POLL = 0.02
QUESTIONS = {
    "process.memory": Question(needs=("pidfile", "memory"), takes=("cpu",)),
    "process.cpu": Question(needs=("pidfile", "cpu"), takes=("memory",)),
    "process.age": Question(needs=("pidfile",), takes=("memory", "cpu")),
}


def owner(pidfile: Path) -> int | None:
    """Return the pid of the living process that wrote a pidfile; None when it is gone or its number has been given away.

    While a process lives nobody else has its number: whoever has it now and began after the file was written is a stranger.
    """
    try:
        pid, written = int(pidfile.read_text().split()[0]), pidfile.stat().st_mtime
    except (FileNotFoundError, ValueError, IndexError):
        return None
    began = started(pid)
    return pid if began is not None and began <= written + GRAIN else None


def started(pid: int) -> float | None:
    """Return when a process began, in seconds since the epoch; None when there is none, or only its zombie."""
    try:
        # The command's name may hold spaces and brackets: fields are counted from its closing one (proc_pid_stat(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _started(pid)
    if fields[0] in "ZX":
        return None
    ticks = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks


def _started(pid: int) -> float | None:
    """Ask psutil, where there is no /proc."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def tree(pid: int | None) -> list[psutil.Process]:
    """Return a process and its descendants, each with its identity; [] for None and for one that is gone."""
    import psutil

    if pid is None:
        return []
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def alive(process: psutil.Process) -> bool:
    """Say whether this very process still runs; a zombie does not."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(processes: list[psutil.Process], grace: float) -> None:
    """Stop processes with SIGTERM, and those that are there after `grace` seconds with SIGKILL; return when all are gone."""
    for sign, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        _send([process for process in processes if alive(process)], sign)
        deadline = time.monotonic() + wait
        while any(alive(process) for process in processes) and time.monotonic() < deadline:
            time.sleep(POLL)


def _send(processes: list[psutil.Process], sign: signal.Signals) -> None:
    import psutil

    for process in processes:
        try:
            process.send_signal(sign)
        except psutil.NoSuchProcess:
            continue


def listens(pid: int | None, port: int) -> bool:
    """Say whether a process or one of its descendants listens on a TCP port."""
    import psutil

    for process in tree(pid):
        try:
            connections = process.net_connections(kind="tcp")
        except psutil.Error:
            continue
        if any(one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port for one in connections):
            return True
    return False


def inside(folder: Path) -> list[int]:
    """Return the living processes that work in a folder."""
    import psutil

    place = str(folder.resolve())
    return [one.pid for one in psutil.process_iter(["cwd", "status"]) if one.info["cwd"] == place and one.info["status"] != "zombie"]


def ask(question: str, of: dict[str, Any], timeout: float) -> Reading:
    """Answer a question about the process tree of a pidfile, or of a container (`docker:NAME`); one that does not run is no data.

    `process.memory`: resident bytes over the limit `memory` (bytes), shared pages counted in each process;
    `process.cpu`: cores in use over half a second, over the limit `cpu` (cores); `process.age`: seconds since its start.
    """
    expect(question, of, QUESTIONS)
    pid = _main(str(of["pidfile"]))
    if pid is None and question != "process.age" and (found := _elsewhere(question, of, timeout)):
        return found
    if pid is None:
        return NoData(f"no process of '{of['pidfile']}' runs")
    if question == "process.memory":
        return _memory(pid, float(of["memory"]))
    if question == "process.cpu":
        return _cpu(pid, float(of["cpu"]), min(INTERVAL, timeout / 2))
    return Number(value=time.time() - (started(pid) or time.time()), evidence=f"pid {pid}")


def _main(pidfile: str) -> int | None:
    if not pidfile.startswith(CONTAINER):
        return owner(Path(pidfile))
    from sluice.systems import docker

    return docker.main(pidfile.removeprefix(CONTAINER))


def _elsewhere(question: str, of: dict[str, Any], timeout: float) -> Reading | None:
    """Ask the engine of a container whose processes are not this machine's; None of any other."""
    if not str(of["pidfile"]).startswith(CONTAINER):
        return None
    from sluice.systems import docker

    taken = docker.usage(str(of["pidfile"]).removeprefix(CONTAINER), timeout)
    if taken is None:
        return None
    return _bytes(taken[0], float(of["memory"])) if question == "process.memory" else _cores(taken[1], float(of["cpu"]))


def _memory(pid: int, limit: float) -> Reading:
    return _bytes(sum(_figure(process, "memory_info", "rss") for process in tree(pid)), limit)


def _bytes(used: float, limit: float) -> Reading:
    return Number(value=used / limit, evidence=f"{used / 2**20:.0f} of {limit / 2**20:.0f} MiB")


def _cores(cores: float, limit: float) -> Reading:
    return Number(value=cores / limit, evidence=f"{cores:.2f} of {limit:g} cores")


def _cpu(pid: int, limit: float, interval: float) -> Reading:
    processes = tree(pid)
    before, begun = [_seconds(process) for process in processes], time.monotonic()
    time.sleep(interval)
    # A process that has ended meanwhile counts 0 now: never less than nothing.
    spent = sum(max(0.0, _seconds(process) - was) for process, was in zip(processes, before, strict=True))
    return _cores(spent / (time.monotonic() - begun), limit)


def _seconds(process: psutil.Process) -> float:
    return _figure(process, "cpu_times", "user") + _figure(process, "cpu_times", "system")


def _figure(process: psutil.Process, method: str, field: str) -> float:
    import psutil

    try:
        return float(getattr(getattr(process, method)(), field))
    except psutil.NoSuchProcess:
        return 0.0
