"""A supervisord over the XML-RPC of its unix socket (supervisord's manual, "XML-RPC API")."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice.core.errors import RuntimeFailed, Unreachable
from sluice.core.question import Question, expect
from sluice.core.reading import NoData, Number, Reading

# It is local, and one thread: five seconds without an answer is an outage, not a queue.
TIMEOUT = 5.0
# The faults that mean "already so" (supervisor.xmlrpc.Faults).
BAD_NAME, ALREADY_STARTED, NOT_RUNNING, ALREADY_ADDED = 10, 60, 70, 90
QUESTIONS = {"supervisord.state": Question(needs=("socket", "program"))}


@dataclass(frozen=True)
class Program:
    """What supervisord says of a program: STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL...; pid 0 when it does not run."""

    name: str
    state: str
    pid: int
    why: str


class Supervisord:
    """One supervisord; each method raises Unreachable when nobody answers, RuntimeFailed when it refuses."""

    def __init__(self, path: Path, *, timeout: float = TIMEOUT) -> None:
        self.path, self.timeout = path, timeout

    def answers(self) -> bool:
        """Say whether it is up, and not on its way down."""
        try:
            return bool(self._call("supervisor.getState")["statename"] == "RUNNING")
        except Unreachable:
            return False

    def programs(self) -> dict[str, Program]:
        """Return all programs by name."""
        return {entry["group"]: _program(entry) for entry in self._call("supervisor.getAllProcessInfo")}

    def program(self, name: str) -> Program | None:
        """Return one program; None when it is not known."""
        return self.programs().get(name)

    def add(self, name: str) -> None:
        """Read the configuration again and start a program; one that is there already is left as it is."""
        self._call("supervisor.reloadConfig")
        self._call("supervisor.addProcessGroup", name, well=(ALREADY_ADDED,))

    def remove(self, name: str, grace: float) -> None:
        """Stop a program, wait until it has ended, and forget it; one that is not known is fine."""
        self._call("supervisor.stopProcessGroup", name, well=(BAD_NAME, NOT_RUNNING), timeout=grace + self.timeout)
        self._call("supervisor.removeProcessGroup", name, well=(BAD_NAME,))

    def shutdown(self) -> None:
        """Tell it to stop its programs and end; returns before it has."""
        self._call("supervisor.shutdown")

    def _call(self, method: str, *words: Any, well: tuple[int, ...] = (), timeout: float | None = None) -> Any:
        transport = Transport(self.path, timeout or self.timeout)
        try:
            with xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport) as proxy:
                return getattr(proxy, method)(*words)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in well:
                return None
            said = f"{method.partition('.')[2]}{list(words)} with '{fault.faultString}'"
            raise RuntimeFailed(f"supervisord at '{self.path}' refused {said}") from None
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            why = f"{type(error).__name__}: run `pulumi up`, which starts it again"
            raise Unreachable(f"supervisord at '{self.path}' does not answer ({why})") from None


def _program(entry: dict[str, Any]) -> Program:
    return Program(entry["group"], entry["statename"], int(entry["pid"]), str(entry["spawnerr"] or entry["description"]))


class Transport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__()
        self.path, self.limit = path, timeout

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """Return a connection to the socket, whatever the host."""
        return Connection(self.path, self.limit)


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def ask(question: str, of: dict[str, Any], timeout: float) -> Reading:
    """Answer `supervisord.state`: the state of `program` as supervisord at `socket` names it, such as RUNNING or FATAL."""
    expect(question, of, QUESTIONS)
    program = Supervisord(Path(of["socket"]), timeout=timeout).program(of["program"])
    if program is None:
        return NoData(f"supervisord knows no program '{of['program']}'")
    return Number(value=program.state, evidence=program.why)
