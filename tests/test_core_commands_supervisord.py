"""What supervisord and the shell read."""

import re
import subprocess

import pytest

from sluice.core.commands import supervisord as say
from sluice.core.commands.supervisord import Launch

WILD = 'it\'s $HOME `id` "q" ; # %(x)s \\ \n ü'


def test_launcher(tmp_path):
    """Whatever a user writes reaches the program as it is, and the pidfile names that program."""
    (tmp_path / "env").write_text("\n".join(say.exports({"SECRET": WILD})))
    script = 'printf "%s|" "$1" "$OWN" "$SECRET" "$2"; pwd; echo $$'
    argv = ["sh", "-c", script, "sh", WILD, "{port}"]
    launch = Launch(name="x", argv=argv, folder=str(tmp_path), env={"OWN": WILD}, secrets={"SECRET": ""})
    text = say.launcher(launch, pidfile=str(tmp_path / "pid"), secrets=str(tmp_path / "env"), port=81)
    out = subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, check=True).stdout
    assert out == f"{WILD}|{WILD}|{WILD}|81|{tmp_path}\n" + (tmp_path / "pid").read_text()


def test_launcher_without_folder(tmp_path):
    """Nothing is run in a wrong place."""
    text = say.launcher(Launch(name="x", argv=["touch", "here"], folder="/nowhere"), pidfile=str(tmp_path / "pid"), secrets="", port=0)
    assert subprocess.run(["/bin/sh", "-c", text], cwd=tmp_path, stderr=subprocess.DEVNULL, check=False).returncode == 1
    assert not (tmp_path / "here").exists()


def test_program():
    """A program's configuration is this text, and holds nothing that a user chose but its name."""
    assert say.program("/r", "web@1.0-aa", 7.0).splitlines() == [
        "[program:web@1.0-aa]",
        "command=/bin/sh /r/run/web@1.0-aa.sh",
        "directory=/r",
        "autostart=true",
        "autorestart=true",
        "startsecs=1",
        "startretries=10",
        "stopsignal=TERM",
        "stopwaitsecs=7",
        "killasgroup=true",
        "redirect_stderr=true",
        "stdout_logfile=/r/log/web@1.0-aa.log",
        "stdout_logfile_maxbytes=50MB",
        "stdout_logfile_backups=3",
    ]


def test_plain():
    """A folder that supervisord's configuration cannot hold is refused, naming what is wrong with it."""
    wanted = "the folder '/home/a b/50%' has ' ', '%', which supervisord cannot hold: set SLUICE_HOME"
    with pytest.raises(ValueError, match=f"^{wanted}$"):
        say.server("/home/a b/50%", "/s")


@pytest.mark.parametrize("name", ["", "../x", "a b", "a:b", "-x", "a\nb"])
def test_named(name):
    """A name that is a path or would break the configuration is refused."""
    wanted = f"'{name}' is no name of a program: letters, digits, and any of _ . @ + - are, a letter or digit first"
    with pytest.raises(ValueError, match=f"^{re.escape(wanted)}$"):
        say.program("/r", name, 1)


def test_exports():
    """A variable that the shell would take for a command is refused."""
    with pytest.raises(ValueError, match=r"^'A;B' is no name of an environment variable$"):
        say.exports({"A;B": "x"})
