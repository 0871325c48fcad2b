"""The file of feature flags, and the kill switch for the night."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sluice.core.errors import Unreachable
from sluice.systems import docker, flags
from tests.fixtures.docker import Run, engine, run

__all__ = ["engine", "run"]


def test_put(tmp_path: Path):
    """One flag is set or forgotten, the others stay, and a folder that is not there is made."""
    path = tmp_path / "new" / "flags.json"
    assert flags.read(path) == {}
    flags.put(path, "beta", True)
    flags.put(path, "search", False)
    assert flags.read(path) == {"beta": True, "search": False}
    flags.put(path, "beta", None)
    flags.put(path, "unknown", None)
    assert json.loads(path.read_text()) == {"search": False}


def test_writers_at_once(tmp_path: Path):
    """Of many who switch different flags at once, none is lost."""
    path = tmp_path / "flags.json"
    threads = [threading.Thread(target=flags.put, args=(path, f"flag{number}", True)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(flags.read(path)) == 20


@pytest.mark.parametrize(("text", "why"), [("{", "cannot be read (JSONDecodeError)"), ("[]", "are no map of names")])
def test_broken(tmp_path: Path, text: str, why: str):
    """A file that holds no flags is an error with its path, and is not overwritten."""
    path = tmp_path / "flags.json"
    path.write_text(text)
    for use in (lambda: flags.read(path), lambda: flags.put(path, "beta", True)):
        with pytest.raises(Unreachable) as caught:
            use()
        assert str(caught.value) == f"the flags in '{path}' {why}: mend or remove the file"
    assert path.read_text() == text


@pytest.mark.parametrize(("name", "path"), [("beta", "flags.beta"), ("search.v2", 'flags["search.v2"]')])
def test_command(name: str, path: str):
    """The command that makes a flag last writes it where the settings read it, a dot in its name included."""
    assert flags.command(name, False, "production") == [
        "pulumi", "config", "set", "--stack", "production", "--path", f"sluice:release.{path}", "false",
    ]  # fmt: skip


@pytest.fixture
def bin(tmp_path: Path) -> Path:
    """A folder in front of PATH whose `pulumi` writes down its arguments and the flags that it finds."""
    folder = tmp_path / "bin"
    folder.mkdir()
    shim = folder / "pulumi"
    shim.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/told\ncp {tmp_path}/flags.json {tmp_path}/found\nexit $FAILS\n')
    shim.chmod(0o755)
    return folder


def switch(bin: Path, *words: str, fails: str = "0") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}", "FAILS": fails}
    argv = [sys.executable, "-m", "sluice.systems.flags", *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def test_the_world_first_then_config(bin: Path, tmp_path: Path):
    """The switch changes what runs before it touches config, and says both."""
    path = tmp_path / "flags.json"
    flags.put(path, "beta", True)
    done = switch(bin, str(path), "beta", "off", "--stack", "production")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("'beta' is off for every version that runs\nand in the config of 'production': the next `pulumi up` keeps it\n")
    assert json.loads((tmp_path / "found").read_text()) == {"beta": False}
    assert (tmp_path / "told").read_text() == "config set --stack production --path sluice:release.flags.beta false\n"


def test_config_that_fails(bin: Path, tmp_path: Path):
    """When config cannot be written the flag is off all the same, and the failure says how to make it last."""
    path = tmp_path / "flags.json"
    done = switch(bin, str(path), "beta", "off", "--stack", "production", fails="3")
    assert done.returncode != 0
    assert flags.read(path) == {"beta": False}
    assert done.stdout == "'beta' is off for every version that runs\n"
    assert done.stderr == (
        "but not in config, so the next `pulumi up` takes it back; run: "
        "pulumi config set --stack production --path sluice:release.flags.beta false\n"
    )


def test_a_wrong_word(bin: Path, tmp_path: Path):
    """Anything but on and off is refused, and nothing is switched."""
    done = switch(bin, str(tmp_path / "flags.json"), "beta", "false", "--stack", "production")
    assert done.returncode == 2
    assert "argument to: invalid choice: 'false' (choose from 'on', 'off')" in done.stderr
    assert not (tmp_path / "flags.json").exists()


@pytest.mark.parametrize("name", ["", "no/flags.json"])
def test_a_file_of_no_stack(bin: Path, tmp_path: Path, name: str):
    """A variable that was never set, or a slip in a path, is told: a file that nobody reads would switch nothing."""
    path = str(tmp_path / name) if name else ""
    done = switch(bin, path, "beta", "off", "--stack", "production")
    way = "nothing was switched: name the file that this prints: pulumi stack output flags --stack production"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"'{path or '.'}' is in no stack's folder, {way}\n"
    assert not (tmp_path / "no").exists()


def test_flags_that_cannot_be_read(bin: Path, tmp_path: Path):
    """What is wrong with the file is one line, and config stays as it is."""
    (tmp_path / "flags.json").write_text("{")
    done = switch(bin, str(tmp_path / "flags.json"), "beta", "off", "--stack", "production")
    why = "cannot be read (JSONDecodeError): mend or remove the file; nothing was switched"
    assert (done.returncode, done.stderr) == (1, f"the flags in '{tmp_path / 'flags.json'}' {why}\n")
    assert not (tmp_path / "told").exists()


def test_without_the_cli(bin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where there is no CLI the flag is off all the same, and the command that makes it last is told."""
    monkeypatch.setenv("PATH", "")
    (bin / "pulumi").unlink()
    done = switch(bin, str(tmp_path / "flags.json"), "beta", "off", "--stack", "production")
    assert flags.read(tmp_path / "flags.json") == {"beta": False}
    assert done.stderr.startswith("no `pulumi` on PATH\nbut not in config, so the next `pulumi up` takes it back; run: pulumi config set")


@pytest.mark.embedded
def test_in_a_container(run: Run):
    """A file that only a container has is read and written in there, in one step; who is gone cannot be asked."""
    name = run("sleep 1000", "--env", "SLUICE_FLAGS=/tmp/flags/flags.json")
    path = Path(f"docker:{name}:/tmp/flags/flags.json")
    assert (flags.there(path), flags.read(path)) == (True, {})
    flags.put(path, "beta", True)
    flags.put(path, "search", False)
    flags.put(path, "beta", None)
    assert flags.read(path) == {"search": False}
    assert json.loads(docker.ask(["exec", name, "sh", "-c", 'cat "$SLUICE_FLAGS"'])) == {"search": False}
    docker.remove(name)
    assert not flags.there(path)
    with pytest.raises(Unreachable, match=rf"^the flags in '/tmp/flags/flags.json' of container '{name}' cannot be reached: "):
        flags.read(path)
