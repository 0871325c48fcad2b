"""Command lines of PostgreSQL's own programs (PostgreSQL 18 manual, "Server Applications" and "Client Applications")."""

from __future__ import annotations

import re
import shlex

NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
# A start after a crash replays the log, a fast stop writes a checkpoint: both may take a while on a slow disk.
WAIT = 60


# A fresh interpreter drops root and becomes the command: `subprocess` would have to fork the engine's threads for it.
DROP = "import os, sys; os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1])); os.execv(sys.argv[3], sys.argv[3:])"


def as_user(python: str, uid: int, gid: int, argv: list[str]) -> list[str]:
    """Build the call of a command as another user; needs root."""
    return [python, "-I", "-S", "-c", DROP, str(uid), str(gid), *argv]


def named(name: str) -> str:
    """Return the name of a database if it needs no quotes; ValueError else."""
    if not NAME.fullmatch(name):
        raise ValueError(f"'{name}' is no name of a database: small letters, digits and _ are, up to 63, no digit first")
    return name


def initdb(bin: str, data: str, *, user: str, pwfile: str) -> list[str]:
    """Build the creation of a cluster: passwords everywhere, and an order of text that does not depend on the machine."""
    words = [f"{bin}/initdb", "-D", data, "-U", user, f"--pwfile={pwfile}", "--auth=scram-sha-256"]
    return [*words, "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]


def start(bin: str, data: str, *, log: str, port: int, sockets: str, connections: int) -> list[str]:
    """Build the start of a server on the loopback."""
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", sockets, "-c", f"max_connections={connections}"]
    return [f"{bin}/pg_ctl", "start", "-D", data, "-w", "-t", str(WAIT), "-l", log, "-o", shlex.join(options)]


def stop(bin: str, data: str, *, mode: str = "fast") -> list[str]:
    """Build the stop of a server; `fast` ends sessions and writes a checkpoint."""
    return [f"{bin}/pg_ctl", "stop", "-D", data, "-w", "-t", str(WAIT), "-m", mode]


def databases(bin: str, *, port: int, user: str) -> list[str]:
    """Build the question which databases there are; one name a line."""
    sql = "select datname from pg_database where not datistemplate"
    return [f"{bin}/psql", *_where(port, user), "-d", "postgres", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]


def createdb(bin: str, name: str, *, port: int, user: str) -> list[str]:
    """Build the creation of a database."""
    return [f"{bin}/createdb", *_where(port, user), "--maintenance-db=postgres", named(name)]


def _where(port: int, user: str) -> list[str]:
    """Never ask a terminal for a password: PGPASSFILE has it."""
    return ["-h", "127.0.0.1", "-p", str(port), "-U", user, "-w"]
