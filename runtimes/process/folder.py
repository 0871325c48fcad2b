"""Where a stack's things are. Only paths: nothing is imported that a no-change update would pay for."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sluice.core.errors import RuntimeFailed
from sluice.systems.home import JOURNAL

# A unix socket's path must be under 104 characters (macOS; 108 on Linux), and the stack's own folder may be deep.
SOCKETS = Path("/tmp")


@dataclass(frozen=True)
class Folder:
    """The folder of one stack, and the short one for its sockets."""

    root: Path

    @property
    def hash(self) -> str:
        """Return eight characters that stand for this folder."""
        return sha256(str(self.root).encode()).hexdigest()[:8]

    @property
    def sockets(self) -> Path:
        """Return the folder of the stack's unix sockets."""
        return SOCKETS / f"sluice-{os.geteuid()}-{self.hash}"

    @property
    def supervisor(self) -> Path:
        """Return supervisord's socket."""
        return self.sockets / "supervisor.sock"

    @property
    def admin(self) -> Path:
        """Return the socket of Envoy's admin interface."""
        return self.sockets / "envoy.sock"

    @property
    def lock(self) -> Path:
        """Return the file whose lock is held while the set of programs changes."""
        return self.root / "run" / "supervisord.lock"

    @property
    def front(self) -> Path:
        """Return the folder that Envoy watches."""
        return self.root / "front"

    @property
    def journal(self) -> Path:
        """Return the file in which is written down what happens."""
        return self.root / JOURNAL

    @property
    def stack(self) -> Path:
        """Return the file with the name of the stack that the folder belongs to, as `project/stack`."""
        return self.root / "stack"

    def conf(self, name: str) -> Path:
        """Return a program's supervisord configuration."""
        return self.root / "conf.d" / f"{name}.ini"

    def launcher(self, name: str) -> Path:
        """Return a program's launcher."""
        return self.root / "run" / f"{name}.sh"

    def pidfile(self, name: str) -> Path:
        """Return the file with a program's pid."""
        return self.root / "run" / f"{name}.pid"

    def secrets(self, name: str) -> Path:
        """Return the file with a program's secret variables, 0600."""
        return self.root / "secrets" / f"{name}.env"

    def passfile(self, name: str) -> Path:
        """Return the file with a database server's password, 0600."""
        return self.root / "secrets" / f"{name}.pgpass"

    def server(self, name: str) -> Path:
        """Return the folder of a database server; it belongs to the server's user."""
        return self.root / "postgres" / name

    def log(self, name: str) -> Path:
        """Return a program's log."""
        return self.root / "log" / f"{name}.log"

    def artifact(self, digest: str) -> Path:
        """Return the folder that holds what was deployed from a source with this digest."""
        return self.root / "artifacts" / (digest[:12] or "missing")

    def make(self) -> None:
        """Make the folders that are missing; others may pass through the root, and see nothing."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)
        for name, mode in (("run", 0o700), ("conf.d", 0o700), ("log", 0o700), ("artifacts", 0o755), ("secrets", 0o700)):
            (self.root / name).mkdir(exist_ok=True)
            (self.root / name).chmod(mode)
        self._sockets()

    def _sockets(self) -> None:
        """Make the folder of the sockets; in /tmp anybody may have made one first, and would own what is said there."""
        self.sockets.mkdir(mode=0o711, exist_ok=True)
        facts = self.sockets.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
            raise RuntimeFailed(f"'{self.sockets}' belongs to user {facts.st_uid}, expected {os.geteuid()}: remove it, then `pulumi up`")
        self.sockets.chmod(0o711)
