"""What supervisord reads, and the launcher of a program, as text (supervisord's manual, "Configuration File").

All that a user may choose is in the launcher, quoted for the shell; the ini holds only paths and names, which `plain` has
vetted: there `%` expands and ` ;` begins a comment.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A program that ends within this many seconds has failed to start.
STARTSECS = 1
# Pauses between starts grow by a second each: ten of them bridge a minute without the database.
STARTRETRIES = 10
# How the launcher of a version of a single service begins.
SINGLE = "# one at a time"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How to start a program: `{port}` in an argument or a value of `env` becomes its port; `secrets` are variables too; `single`: it is
    one of several of which one at a time runs."""

    name: str
    argv: Sequence[str]
    folder: str
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    grace: float = 10.0
    single: bool = False


def plain(root: str) -> str:
    """Return a folder's path if supervisord's configuration can hold it; ValueError else."""
    bad = sorted(set(re.findall(r"[^A-Za-z0-9_./@+~=,:-]", root)))
    if bad:
        raise ValueError(f"the folder '{root}' has {', '.join(map(repr, bad))}, which supervisord cannot hold: set SLUICE_HOME")
    return root


def named(name: str) -> str:
    """Return a program's name if it is one; ValueError else."""
    if not NAME.fullmatch(name):
        raise ValueError(f"'{name}' is no name of a program: letters, digits, and any of _ . @ + - are, a letter or digit first")
    return name


def server(root: str, socket: str) -> str:
    """Build the configuration of a stack's supervisord: its socket for its own user alone, programs from conf.d/."""
    root = plain(root)
    return f"""[supervisord]
logfile={root}/log/supervisord.log
pidfile={root}/run/supervisord.pid
directory={root}

[unix_http_server]
file={socket}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[include]
files=conf.d/*.ini
"""


def program(root: str, name: str, grace: float) -> str:
    """Build the configuration of one program: started with supervisord, and again whenever it ends."""
    root, name = plain(root), named(name)
    return f"""[program:{name}]
command=/bin/sh {root}/run/{name}.sh
directory={root}
autostart=true
autorestart=true
startsecs={STARTSECS}
startretries={STARTRETRIES}
stopsignal=TERM
stopwaitsecs={max(1, round(grace))}
killasgroup=true
redirect_stderr=true
stdout_logfile={root}/log/{name}.log
stdout_logfile_maxbytes=50MB
stdout_logfile_backups=3
"""


def launcher(launch: Launch, *, pidfile: str, secrets: str, port: int) -> str:
    """Build the shell script that writes the pidfile, sets the environment, and becomes the program."""
    lines = [*([SINGLE] if launch.single else []), "umask 022", f"echo $$ > {shlex.quote(pidfile)} || exit 1"]
    if launch.secrets:
        lines.append(f". {shlex.quote(secrets)} || exit 1")
    lines += exports({key: filled(value, port) for key, value in launch.env.items()})
    lines.append(f"cd {shlex.quote(launch.folder)} || exit 1")
    lines.append(f"exec {shlex.join(filled(word, port) for word in launch.argv)}")
    return "\n".join(lines) + "\n"


def filled(word: str, port: int) -> str:
    """Put the port where a word asks for it."""
    return word.replace("{port}", str(port))


def exports(variables: Mapping[str, str]) -> list[str]:
    """Build the lines that put variables into the environment; ValueError for a name that the shell would not take."""
    for name in variables:
        if not VARIABLE.fullmatch(name):
            raise ValueError(f"'{name}' is no name of an environment variable")
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
